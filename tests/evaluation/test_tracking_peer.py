"""HOTA, IDF1 and CLEAR-MOT agree with TrackEval on the same files (requirements/peers.txt).

``python tests/evaluation/test_tracking_peer.py`` writes anew the figures that the default tests
hold ours to.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from following import GOLDENS, Case, every_case, judged_by_us, kept_cases

trackeval = pytest.importorskip(
    "trackeval", reason="TrackEval is not installed (requirements/peers.txt)"
)


def files_of(folder: Path) -> tuple[Path, Path]:
    """Where TrackEval looks for truth and answer."""
    return folder / "gt/seq/gt/gt.txt", folder / "trackers/ours/data/seq.txt"


def judged_by_trackeval(case: Case, folder: Path, *, benchmark: str) -> dict[str, Any]:
    """TrackEval's figures, its own reader included."""
    truth, result = files_of(folder)
    for file, text in ((truth, case.truth), (result, case.result)):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "ascii")
    frames = max(int(row.split(",")[0]) for row in (case.truth + case.result).splitlines())
    dataset = trackeval.datasets.MotChallenge2DBox(
        {
            "GT_FOLDER": str(folder / "gt"),
            "TRACKERS_FOLDER": str(folder / "trackers"),
            "TRACKERS_TO_EVAL": ["ours"],
            "SEQ_INFO": {"seq": frames},
            "SKIP_SPLIT_FOL": True,
            "BENCHMARK": benchmark,
            "PRINT_CONFIG": False,
        }
    )
    data = dataset.get_preprocessed_seq_data(dataset.get_raw_seq_data("ours", "seq"), "pedestrian")
    quiet = {"PRINT_CONFIG": False}
    figures: dict[str, Any] = {}
    for metric in (
        trackeval.metrics.HOTA(),
        trackeval.metrics.Identity(quiet),
        trackeval.metrics.CLEAR(quiet),
    ):
        figures |= metric.eval_sequence(data)
    return figures


def check(case: Case, folder: Path, *, benchmark: str) -> None:
    theirs = judged_by_trackeval(case, folder, benchmark=benchmark)
    for name, figure in judged_by_us(*files_of(folder)).items():
        np.testing.assert_allclose(figure, theirs[name], rtol=0, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("case", [pytest.param(case, id=name) for name, case in every_case()])
def test_every_figure_is_trackevals(case: Case, tmp_path: Path) -> None:
    check(case, tmp_path, benchmark="MOT17")


def test_rows_of_ten_fields_carry_no_class(tmp_path: Path) -> None:
    """As in MOT15, whose last three fields are a place in the world, here (2, 7, 1)."""
    for name, case in every_case():
        if "classes" not in name:
            rows = [row.split(",")[:6] for row in case.truth.splitlines()]
            text = "".join(
                f"{','.join(row)},{(n + 1) % 9 and 1},2,7,1\n" for n, row in enumerate(rows)
            )
            check(Case(text, case.result), tmp_path, benchmark="MOT15")


def goldens(folder: Path) -> dict[str, dict[str, float]]:
    """TrackEval's figures of the kept cases, each the mean over its thresholds."""
    benchmark = "MOT17"
    kept = {}
    for name, case in kept_cases():
        judged = judged_by_trackeval(case, folder, benchmark=benchmark)
        kept[name] = {
            f: round(float(np.mean(judged[f])), 9) for f in judged_by_us(*files_of(folder))
        }
    return kept


def test_the_kept_figures_are_still_trackevals(tmp_path: Path) -> None:
    assert json.loads(GOLDENS.read_text("utf-8")) == goldens(tmp_path)


if __name__ == "__main__":
    with TemporaryDirectory() as scratch:
        GOLDENS.write_text(json.dumps(goldens(Path(scratch)), indent=1) + "\n", "utf-8")
