from __future__ import annotations

from pathlib import Path

import pytest

from sightgrid.vision.processor import multiplies_bytes


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("processor\t: 0\nflags\t\t: fpu avx2 avx512f avx512_vnni\n", True),
        ("flags\t\t: fpu avx2 avx_vnni\n", True),
        ("Features\t: fp asimd asimddp\n", True),
        ("flags\t\t: fpu avx2 avx512f\nbugs\t: avx512_vnni\n", False),
        ("", False),
    ],
)
def test_what_the_processor_says_of_itself(tmp_path: Path, text: str, expected: bool) -> None:
    (tmp_path / "cpuinfo").write_text(text)
    assert multiplies_bytes(tmp_path / "cpuinfo") is expected


def test_a_system_that_does_not_say(tmp_path: Path) -> None:
    assert multiplies_bytes(tmp_path / "missing") is False
