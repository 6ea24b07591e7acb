"""``sightgrid evaluate clustering``: are strangers told apart when nobody is enrolled?"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.evaluate.options import (
    answer,
    check_plots,
    engine_settings,
    in_words,
    on_photos,
    open_reader,
)
from sightgrid.cli.output import interrupt_on_termination, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.clustering import Clustering

_STEPS = 9


@click.command("clustering")
@click.argument("people_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--threshold",
    type=click.FloatRange(-1, 1),
    help="Join from this similarity on; by the pack's budget for wrong joins by default.",
)
@on_photos
def command(
    people_folder: Path,
    threshold: float | None,
    pack: str,
    detector: str | None,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Are strangers told apart? Photos get serials as though nobody were enrolled.

    DIR holds a folder a person, which is the truth the serials are compared with.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.clustering import cluster, threshold_for
    from sightgrid.evaluation.clustering_page import clustering_figures, clustering_page
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import embed_photos

    check_plots(plots_folder)
    people = read_people(people_folder)
    reader = open_reader(pack, detector, degrade)
    names = [person.name for person in people for _ in person.photos]
    with progress() as tell:
        photos = embed_photos(
            [photo for person in people for photo in person.photos], reader=reader, tell=tell
        )
    vectors = photos.vectors[photos.found]
    labels = [name for name, there in zip(names, photos.found, strict=True) if there]
    if threshold is None and len(vectors):
        threshold = threshold_for(vectors, policy=reader.engine.policy)
    found = cluster(vectors, labels, threshold=threshold or 0.0)
    figures = clustering_figures(found, undetected=photos.undetected)
    settings = engine_settings(reader.engine, degrade)
    if plots_folder is not None:
        decade = reader.engine.policy.curve.decade
        steps = range(-(_STEPS // 2), _STEPS // 2 + 1)
        others = [
            cluster(vectors, labels, threshold=found.threshold + 0.75 * decade * step)
            for step in steps
        ]
        page = clustering_page(found, others=others, figures=figures, settings=in_words(settings))
        note(f"Page: {write_page(page, folder=plots_folder)}")
    document = clustering_document(found) | {"undetected": photos.undetected} | settings
    answer(document, figures, "Clustering", json_file)


def clustering_document(found: Clustering) -> dict[str, Any]:
    """A clustering as JSON."""
    scores = found.scores
    return {
        "purity": scores.purity,
        "serials_per_person": scores.serials_per_person,
        "wrong_joins": scores.wrong_joins,
        "bcubed": {"precision": scores.precision, "recall": scores.recall, "f": scores.f},
        "people": scores.people,
        "serials": scores.clusters,
        "photos": scores.photos,
        "threshold": found.threshold,
    }
