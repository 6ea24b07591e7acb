"""Recordings to compare with a truth: made by hand for what is delicate, and drawn by lot."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from sightgrid.evaluation.mot_files import read_result, read_truth, to_compare
from sightgrid.evaluation.tracking_metrics import score_tracking

GOLDENS = Path(__file__).with_name("tracking_goldens.json")


@dataclass(frozen=True)
class Case:
    """MOTChallenge texts of a truth and of an answer."""

    truth: str
    result: str


Row = tuple[int, int, float, float, float, float]


def truth_text(rows: list[Row]) -> str:
    return "".join(f"{','.join(map(repr, row))},1,1,1\n" for row in rows)


def result_text(rows: list[Row]) -> str:
    return "".join(f"{','.join(map(repr, row))},0.9,-1,-1,-1\n" for row in rows)


def walk(identity: int, frames: range, left: float, speed: float = 3.0) -> list[Row]:
    return [(f, identity, left + speed * (f - 1), 50.0, 40.0, 60.0) for f in frames]


def hand_made() -> dict[str, Case]:
    anna, ben = walk(1, range(1, 41), 0.0), walk(2, range(1, 41), 400.0, -3.0)
    everybody = anna + ben
    swapped = [(f, identity if f <= 20 else 3 - identity, *box) for f, identity, *box in everybody]
    gaps = [row for row in everybody if row[0] % 7 not in (0, 1)]
    renamed = [(f, 10 * identity + f // 10, *box) for f, identity, *box in everybody]
    silent = [row for row in everybody if not 10 < row[0] < 16]
    # the overlap is exactly 0.5, then 0.6, 0.75 and 0.85 of the union: edges of thresholds
    edges = [
        (f, identity, left, top, width * share, height)
        for (f, identity, left, top, width, height), share in zip(
            everybody, [0.5, 0.6, 0.75, 0.85, 0.4999999] * 16, strict=True
        )
    ]
    late = walk(7, range(30, 60), 87.0)
    twins = walk(5, range(1, 41), 4.0) + walk(6, range(1, 41), -4.0) + ben
    return {
        "perfect": Case(truth_text(everybody), result_text(everybody)),
        "identities swapped half-way": Case(truth_text(everybody), result_text(swapped)),
        "gaps": Case(truth_text(everybody), result_text(gaps)),
        "a new identity every ten frames": Case(truth_text(everybody), result_text(renamed)),
        "nothing answered for a while": Case(truth_text(everybody), result_text(silent)),
        "nobody there for a while": Case(truth_text(silent), result_text(everybody)),
        "overlaps on the edge": Case(truth_text(everybody), result_text(edges)),
        "answers go on after the truth": Case(truth_text(anna), result_text(anna[:25] + late)),
        "two answers for one": Case(truth_text(everybody), result_text(twins)),
        "nothing right": Case(truth_text(anna), result_text(walk(1, range(1, 41), 900.0))),
        "one row": Case(truth_text(anna[:1]), result_text(anna[:1])),
        "a shared identity": Case(
            truth_text(everybody),
            result_text([(f, 1, *b) for f, i, *b in everybody if f % 2 == i - 1]),
        ),
    }


def drawn(seed: int, *, classes: bool) -> Case:
    """People who walk about, jittered, missed, mistaken for each other and invented.

    ``classes`` gives the truth rows of other classes and rows that don't count. Drawn by Python's
    own generator, which gives the same on every version.
    """
    lot = Random(seed)
    people, frames = lot.randint(2, 11), lot.randint(20, 120)
    where = [[lot.uniform(0, 300), lot.uniform(0, 300)] for _ in range(people)]
    speed = [[lot.gauss(0, 3), lot.gauss(0, 3)] for _ in range(people)]
    size = [[lot.uniform(25, 70), lot.uniform(25, 70)] for _ in range(people)]
    kinds = [lot.choice([1, 1, 1, 2, 3, 7, 8, 12]) if classes and n else 1 for n in range(people)]
    names = list(range(1, people + 1))
    truth: list[str] = []
    result: list[str] = []
    for frame in range(1, frames + 1):
        if lot.random() < 0.05:
            one, other = lot.randrange(people), lot.randrange(people)
            names[one], names[other] = names[other], names[one]
        if lot.random() < 0.05:
            names[lot.randrange(people)] = max(names) + 1
        for person in range(people):
            for axis in (0, 1):
                where[person][axis] += speed[person][axis]
                # people turn round at the walls, so that they stay together
                if not 0 < where[person][axis] < 300:
                    speed[person][axis] *= -1
            if lot.random() < 0.08:
                continue
            (left, top), (width, height) = where[person], size[person]
            counts = int(not classes or lot.random() > 0.1)
            truth.append(
                _row(frame, person + 1, (left, top, width, height), f"{counts},{kinds[person]},1")
            )
            if lot.random() > 0.12:
                found = (
                    left + lot.gauss(0, 0.12) * width,
                    top + lot.gauss(0, 0.12) * height,
                    max(width * (1 + lot.gauss(0, 0.12)), 4.0),
                    max(height * (1 + lot.gauss(0, 0.12)), 4.0),
                )
                result.append(_row(frame, names[person], found, "0.9,-1,-1,-1"))
        if lot.random() < 0.4:
            box = (
                lot.uniform(0, 300),
                lot.uniform(0, 300),
                lot.uniform(20, 80),
                lot.uniform(20, 80),
            )
            result.append(_row(frame, 900 + lot.randrange(3), box, "0.5,-1,-1,-1"))
    return Case("".join(truth), "".join(result))


def _row(frame: int, identity: int, box: tuple[float, ...], tail: str) -> str:
    return f"{frame},{identity},{','.join(f'{side:.3f}' for side in box)},{tail}\n"


def every_case() -> Iterator[tuple[str, Case]]:
    yield from hand_made().items()
    for seed in range(12):
        yield f"drawn {seed}", drawn(seed, classes=False)
        yield f"drawn {seed} with classes", drawn(seed + 100, classes=True)


def kept_cases() -> Iterator[tuple[str, Case]]:
    """Those whose figures are kept, for when TrackEval is not installed."""
    yield from hand_made().items()
    for seed in range(3):
        yield f"drawn {seed}", drawn(seed, classes=False)
        yield f"drawn {seed} with classes", drawn(seed + 100, classes=True)


def judged_by_us(truth: Path, result: Path) -> dict[str, Any]:
    """Our figures under the names that TrackEval gives them."""
    compared = to_compare(read_truth(truth), read_result(result))
    scores = score_tracking(compared.truth, compared.result)
    hota, identity, clear = scores.hota, scores.identity, scores.clear
    return {
        "HOTA": hota.by_alpha,
        "DetA": hota.deta_by_alpha,
        "AssA": hota.assa_by_alpha,
        "DetRe": hota.detre_by_alpha,
        "DetPr": hota.detpr_by_alpha,
        "AssRe": hota.assre_by_alpha,
        "AssPr": hota.asspr_by_alpha,
        "LocA": hota.loca_by_alpha,
        "IDF1": identity.idf1,
        "IDP": identity.idp,
        "IDR": identity.idr,
        "IDTP": identity.true_positives,
        "IDFP": identity.false_positives,
        "IDFN": identity.false_negatives,
        "MOTA": clear.mota,
        "MOTP": clear.motp,
        "CLR_Re": clear.recall,
        "CLR_Pr": clear.precision,
        "CLR_TP": clear.found,
        "CLR_FP": clear.false,
        "CLR_FN": clear.missed,
        "IDSW": clear.id_switches,
        "Frag": clear.fragments,
        "MT": clear.mostly_tracked,
        "PT": clear.partly_tracked,
        "ML": clear.mostly_lost,
    }
