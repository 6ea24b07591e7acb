"""``sightgrid evaluate verification``: do two photos show one person?"""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import (
    answer,
    check_plots,
    engine_settings,
    finite,
    groups_option,
    in_words,
    on_photos,
    open_reader,
    print_page_tables,
)
from sightgrid.cli.output import interrupt_on_termination, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.photos import PhotoVectors
    from sightgrid.evaluation.verification import Verification

_METRICS = ("cosine", "euclidean", "squared-euclidean", "arccos")


@click.command("verification")
@click.option(
    "--pairs",
    "pairs_file",
    required=True,
    type=click.Path(path_type=Path),
    help="LFW pairs.txt, or CSV with fold,image_a,image_b,same.",
)
@click.option(
    "--images",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder of the photos, as Name/Name_0001.jpg for pairs.txt.",
)
@click.option(
    "--far",
    type=click.FloatRange(0, 1, min_open=True, max_open=True),
    default=0.001,
    show_default=True,
    help="Share of pairs of different people that may be accepted for val.",
)
@click.option(
    "--metric",
    type=click.Choice(_METRICS),
    default="cosine",
    show_default=True,
    help="How alike two vectors are.",
)
@click.option(
    "--subtract-mean", is_flag=True, help="Take the mean vector of the other folds off first."
)
@groups_option
@on_photos
def command(
    pairs_file: Path,
    images: Path,
    far: float,
    metric: str,
    subtract_mean: bool,
    groups_file: Path | None,
    pack: str,
    detector: str | None,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Do two photos show one person? Pairs in folds, as for Labeled Faces in the Wild.

    Thresholds are chosen on the other folds than those they are judged on.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.datasets import read_pairs
    from sightgrid.evaluation.groups import group_tables, read_groups, verification_groups
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import embed_photos
    from sightgrid.evaluation.verification import Metric, photo_rows, verify
    from sightgrid.evaluation.verification_page import verification_figures, verification_page

    check_plots(plots_folder)
    pairs = read_pairs(pairs_file, images=images)
    people = {photo.parent.name for pair in pairs for photo in (pair.image_a, pair.image_b)}
    labels = None if groups_file is None else read_groups(groups_file, people=sorted(people))
    reader = open_reader(pack, detector, degrade)
    names, rows = photo_rows(pairs)
    with progress() as tell:
        photos = embed_photos([Path(name) for name in names], reader=reader, tell=tell)
    chosen = Metric(metric)
    result = verify(
        pairs, rows=rows, photos=photos, metric=chosen, far=far, subtract_mean=subtract_mean
    )
    figures = verification_figures(result, metric=chosen, photos=photos)
    settings = {
        "metric": metric,
        "subtract_mean": subtract_mean,
        **engine_settings(reader.engine, degrade),
    }
    groups = () if labels is None else verification_groups(result, pairs, labels)
    if plots_folder is not None:
        page = verification_page(
            result, pairs=pairs, reader=reader, figures=figures, settings=in_words(settings)
        )
        page = replace(page, tables=group_tables(groups))
        note(f"Page: {write_page(page, folder=plots_folder)}")
    document = verification_document(result, photos) | settings
    if labels is not None:
        document["groups"] = [asdict(group) for group in groups]
    answer(document, figures, "Verification", json_file)
    print_page_tables(group_tables(groups), json_file)


def verification_document(result: Verification, photos: PhotoVectors) -> dict[str, Any]:
    """A verification as JSON."""
    return {
        "accuracy": result.accuracy,
        "accuracy_std": result.accuracy_std,
        "accuracy_interval": list(result.accuracy_interval),
        "auc": result.auc,
        "eer": result.eer,
        "val": result.val,
        "val_std": result.val_std,
        "val_interval": list(result.val_interval),
        "far": result.far,
        "far_target": result.far_target,
        "threshold": finite(result.threshold),
        "val_threshold": finite(result.val_threshold),
        "pairs": len(result.same),
        "same_pairs": int(result.same.sum()),
        "folds": result.folds,
        "photos": len(photos.found),
        "undetected": photos.undetected,
        "embed_secs": round(photos.secs, 3),
    }
