"""``sightgrid evaluate tracking``: were faces followed, and under one identity?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import answer, check_plots, in_words, plots_option
from sightgrid.cli.output import interrupt_on_termination, json_option, note

if TYPE_CHECKING:
    from sightgrid.evaluation.mot_files import MotResult, ToCompare
    from sightgrid.evaluation.tracking_metrics import TrackingScores


@click.command("tracking")
@click.option(
    "--truth",
    "truth_file",
    required=True,
    type=click.Path(path_type=Path),
    help="What there was to see, in MOTChallenge form (gt.txt).",
)
@click.option(
    "--result",
    "result_file",
    required=True,
    type=click.Path(path_type=Path),
    help="What was answered, in MOTChallenge form, as track writes CAMERA.mot.txt.",
)
@plots_option
@json_option
def command(
    truth_file: Path, result_file: Path, plots_folder: Path | None, json_file: str | None
) -> None:
    """Were faces followed, and under one identity? HOTA, IDF1 and MOTA of one recording.

    The same figures as TrackEval gives for the same files. Rows of the result with id -1 (unsure)
    name nobody and are left out.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.mot_files import read_result, read_truth, to_compare
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.tracking_metrics import score_tracking
    from sightgrid.evaluation.tracking_page import tracking_figures, tracking_page

    check_plots(plots_folder)
    truth, result = read_truth(truth_file), read_result(result_file)
    compared = to_compare(truth, result)
    scores = score_tracking(compared.truth, compared.result)
    figures = tracking_figures(scores, compared=compared, result=result)
    if plots_folder is not None:
        settings = in_words({"truth": truth_file.name, "result": result_file.name})
        page = tracking_page(scores, compared=compared, figures=figures, settings=settings)
        note(f"Page: {write_page(page, folder=plots_folder)}")
    answer(tracking_document(scores, compared, result), figures, "Tracking", json_file)


def tracking_document(
    scores: TrackingScores, compared: ToCompare, result: MotResult
) -> dict[str, Any]:
    """A comparison of tracks as JSON."""
    from sightgrid.evaluation.tracking_metrics import ALPHAS

    hota, identity, clear = scores.hota, scores.identity, scores.clear
    return {
        "hota": hota.hota,
        "deta": hota.deta,
        "assa": hota.assa,
        "detre": float(hota.detre_by_alpha.mean()),
        "detpr": float(hota.detpr_by_alpha.mean()),
        "assre": float(hota.assre_by_alpha.mean()),
        "asspr": float(hota.asspr_by_alpha.mean()),
        "loca": hota.loca,
        "idf1": identity.idf1,
        "idp": identity.idp,
        "idr": identity.idr,
        "mota": clear.mota,
        "motp": clear.motp,
        "id_switches": clear.id_switches,
        "fragments": clear.fragments,
        "recall": clear.recall,
        "precision": clear.precision,
        "found": clear.found,
        "missed": clear.missed,
        "false": clear.false,
        "mostly_tracked": clear.mostly_tracked,
        "partly_tracked": clear.partly_tracked,
        "mostly_lost": clear.mostly_lost,
        "truth_boxes": len(compared.truth),
        "truth_identities": len(set(compared.truth.identity.tolist())),
        "result_boxes": len(compared.result),
        "result_identities": len(set(compared.result.identity.tolist())),
        "unsure": result.unsure,
        "excused": compared.excused,
        "by_alpha": {
            f"{alpha:.2f}": {"hota": whole, "deta": found, "assa": joined}
            for alpha, whole, found, joined in zip(
                ALPHAS.tolist(),
                hota.by_alpha.tolist(),
                hota.deta_by_alpha.tolist(),
                hota.assa_by_alpha.tolist(),
                strict=True,
            )
        },
    }
