"""Embeds anew what another pack had embedded, from the crops that are kept.

After a change of packs the old vectors can't be compared with new ones. Sightings whose crops are
still kept, and the enrolled faces, get vectors under the new contract, in small transactions beside
the live ones; then each sighting counts for its identity under the new contract too. Strangers
whose crops are gone keep their serial but leave the gallery. Nobody's identity changes by this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from sightgrid.domain.errors import ImageError
from sightgrid.domain.faces import Embedding, EmbeddingContract
from sightgrid.ledger.asking_again import revived
from sightgrid.ledger.enrolling import touch
from sightgrid.ledger.extending import reproject
from sightgrid.recognition.calibration import Policy
from sightgrid.recognition.templates import template_of
from sightgrid.store import Store, Transaction
from sightgrid.store.cameras import grid
from sightgrid.store.crops import crops_of
from sightgrid.store.deleting import serials_of
from sightgrid.store.identities import serial_of_person
from sightgrid.store.people import (
    EnrolledFace,
    add_contracts,
    crops_of_person,
    insert_faces,
    people_without,
)
from sightgrid.store.prototypes import save_template, worth_of_sighting
from sightgrid.store.sightings import replace_embeddings, sighting, sightings_without

Embed = Callable[[Sequence[bytes]], Sequence[Embedding | None]]
"""Aligned faces as JPEG in, their embeddings out; ``None`` for one that can't be embedded."""

AT_ONCE = 50


@dataclass(frozen=True, slots=True)
class Reembedded:
    """How many sightings and people have vectors under the new contract now, and how many sightings
    have no crop left to embed."""

    sightings: int
    people: int
    without_crops: int


def reembed(
    store: Store,
    embed: Embed,
    contract: EmbeddingContract,
    *,
    policy: Policy,
    tell: Callable[[int], None] = lambda _: None,
) -> Reembedded:
    """Embeds everything anew that is not under ``contract`` yet. Can be broken off at any time and
    called again: it goes on where it was.

    Args:
        embed: what the new pack's engine makes of aligned crops.
        policy: the new pack's.
        tell: called with how many sightings are done so far.
    """
    people = _people(store, embed, contract)
    done = without = 0
    after = ""
    while True:
        with store.snapshot() as tx:
            ids = sightings_without(tx, contract.id, after=after, most=AT_ONCE)
            crops = {one: crops_of(tx, one) for one in ids}
        if not ids:
            return Reembedded(done, people, without)
        after = ids[-1]
        vectors = {one: _embedded(embed, its_crops) for one, its_crops in crops.items()}
        kept = {one: its_vectors for one, its_vectors in vectors.items() if its_vectors}
        without += len(ids) - len(kept)

        def write(tx: Transaction, kept: dict[str, dict[int, Embedding]] = kept) -> None:
            tx.lock_site()
            add_contracts(tx, [contract])
            for sighting_id, its_vectors in kept.items():
                _take_over(tx, sighting_id, its_vectors, contract, policy)
            reproject(tx, serials_of(tx, list(kept)), grid=grid(tx))

        if kept:
            store.run(write)
        done += len(kept)
        tell(done)


def _people(store: Store, embed: Embed, contract: EmbeddingContract) -> int:
    with store.snapshot() as tx:
        waiting = people_without(tx, contract.id)
        crops = {person_id: crops_of_person(tx, person_id) for person_id in waiting}
    done = 0
    for person_id, its_crops in crops.items():
        faces = [
            EnrolledFace(embedding, crop)
            for crop, embedding in zip(its_crops, embed(its_crops), strict=True)
            if embedding is not None
        ]
        if not faces:
            continue

        def write(
            tx: Transaction, person_id: str = person_id, faces: list[EnrolledFace] = faces
        ) -> None:
            tx.lock_site()
            insert_faces(tx, person_id, faces)
            serial = serial_of_person(tx, person_id)
            if serial is not None:
                touch(tx, serial, {contract.id: contract})

        store.run(write)
        done += 1
    return done


def _embedded(embed: Embed, crops: dict[int, bytes]) -> dict[int, Embedding]:
    """By rank the embeddings of a sighting's crops."""
    ranks = sorted(crops)
    try:
        embeddings = embed([crops[rank] for rank in ranks]) if ranks else ()
    except ImageError:
        return {}
    return {
        rank: embedding
        for rank, embedding in zip(ranks, embeddings, strict=True)
        if embedding is not None
    }


def _take_over(
    tx: Transaction,
    sighting_id: str,
    vectors: dict[int, Embedding],
    contract: EmbeddingContract,
    policy: Policy,
) -> None:
    counted = worth_of_sighting(tx, sighting_id)
    replace_embeddings(tx, sighting_id, vectors)
    seen = revived(sighting(tx, sighting_id))
    template = template_of(seen.looks, outlier=policy.outlier)
    if template is None:
        return
    # what didn't count for its identity before does not now
    worth = 0.0 if counted == 0.0 else template.worth
    save_template(tx, sighting_id, template.vector, worth, contract.id)
