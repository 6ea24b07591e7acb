"""What really happened beside what the run says, for material whose truth is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from sightgrid.domain.frames import format_time
from sightgrid.offline.report_facts import Camera, TruthLine, TruthRow
from sightgrid.offline.spelling import Clock, counted


def compare(
    rows: Sequence[TruthRow], cameras: Mapping[str, Camera], clocks: Mapping[str, Clock]
) -> tuple[tuple[TruthLine, ...], str]:
    """The true passages; right is the serial that most of a person's passages were given, unless
    most of that serial's passages are of another person."""
    pairs = Counter((row.person, row.serial) for row in rows if row.serial is not None)
    main_of: dict[str, int | None] = {}
    owner_of: dict[int | None, str] = {}
    for (person, serial), _ in pairs.most_common():
        main_of.setdefault(person, serial)
        owner_of.setdefault(serial, person)
    some_clock = next(iter(clocks.values()), Clock(False, True, True))
    lines = []
    for row in sorted(rows, key=lambda row: (row.first_seen, row.camera)):
        right = main_of.get(row.person) == row.serial and owner_of.get(row.serial) == row.person
        clock = clocks.get(row.camera, some_clock)
        lines.append(
            TruthLine(
                person=row.person,
                camera=cameras[row.camera],
                span=clock.span(row.first_seen, row.last_seen),
                iso=format_time(row.first_seen),
                serial=row.serial,
                verdict="missed" if row.serial is None else "right" if right else "wrong",
            )
        )
    verdicts = Counter(line.verdict for line in lines)
    words = f"{verdicts['right']} of {counted(len(lines), 'true passage')} told right"
    for verdict, tail in (("wrong", "told wrong"), ("missed", "missed")):
        if verdicts[verdict]:
            words += f", {verdicts[verdict]} {tail}"
    return tuple(lines), words
