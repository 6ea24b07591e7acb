"""The index of faces: exact where it is small, right where it is large, whatever was changed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.gallery import Gallery

DIMENSION = 8


def unit(seed: int, dimension: int = DIMENSION) -> Floats:
    vector = np.random.default_rng(seed).standard_normal(dimension)
    return (vector / np.linalg.norm(vector)).astype(np.float32)


def nearest_of(vectors: dict[int, Floats], query: Floats, most: int) -> list[int]:
    scores = {key: float(vector @ query) for key, vector in vectors.items()}
    return sorted(scores, key=lambda key: -scores[key])[:most]


def test_an_empty_gallery_finds_nobody() -> None:
    gallery = Gallery(DIMENSION)
    assert gallery.search(unit(1), 5) == []
    gallery.put(7, unit(1))
    assert gallery.search(unit(1), 0) == []
    assert gallery.search(unit(1), 5) == [(7, pytest.approx(1.0))]
    gallery.remove(7)
    gallery.remove(7)
    assert (len(gallery), gallery.search(unit(1), 5)) == (0, [])


@given(
    st.lists(
        st.tuples(st.sampled_from(["put", "put", "remove", "reindex"]), st.integers(0, 40)),
        max_size=120,
    ),
    st.sampled_from([4, 10**6]),
)
def test_it_finds_what_a_dictionary_would(changes: list[tuple[str, int]], exact: int) -> None:
    """With an index beyond four vectors and without one; the index probes all its lists here."""
    gallery, vectors = Gallery(DIMENSION, exact_up_to=exact), {}
    for number, (what, key) in enumerate(changes):
        if what == "put":
            vectors[key] = unit(1000 * key + number)
            gallery.put(key, vectors[key])
        elif what == "remove":
            vectors.pop(key, None)
            gallery.remove(key)
        else:
            gallery.reindex()
    assert len(gallery) == len(vectors)
    assert all((key in gallery) == (key in vectors) for key in range(41))
    for seed in range(3):
        found = gallery.search(unit(seed), 5)
        assert [key for key, _ in found] == nearest_of(vectors, unit(seed), 5)
        for key, score in found:
            assert score == pytest.approx(float(vectors[key] @ unit(seed)), abs=1e-6)


@pytest.mark.parametrize("vector", [np.ones(DIMENSION, np.float32), unit(1, DIMENSION + 1)])
def test_only_unit_vectors_of_its_dimension(vector: Floats) -> None:
    with pytest.raises(InvalidValue, match="unit vectors"):
        Gallery(DIMENSION).put(1, vector)


def test_a_large_gallery_is_indexed_and_still_right_after_many_changes() -> None:
    gallery = Gallery(32, exact_up_to=2_000)
    random = np.random.default_rng(3)
    vectors = random.standard_normal((6_000, 32)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1)[:, None]
    gallery.put_many((key, vector) for key, vector in enumerate(vectors[:5_000]))
    assert not gallery.wants_index
    for key in range(500):
        gallery.remove(key)
    for key in range(5_000, 6_000):
        gallery.put(key, vectors[key])
    kept = vectors[500:]
    queries = random.integers(0, len(kept), 200)
    noisy = kept[queries] + 0.05 * random.standard_normal((200, 32)).astype(np.float32)
    noisy /= np.linalg.norm(noisy, axis=1)[:, None]
    right = sum(
        gallery.search(query, 1)[0][0] == 500 + int((kept @ query).argmax()) for query in noisy
    )
    assert right >= 198


def test_without_the_library_every_search_is_exact(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sightgrid.recognition.gallery.find_spec", lambda _: None)
    gallery = Gallery(DIMENSION, exact_up_to=4)
    gallery.put_many((key, unit(key)) for key in range(20))
    assert not gallery.wants_index
    assert gallery.search(unit(3), 1)[0][0] == 3
