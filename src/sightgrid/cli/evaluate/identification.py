"""``sightgrid evaluate identification``: who is it, if anybody enrolled?"""

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
from sightgrid.cli.evaluate.trained_heads import ask_trained_heads
from sightgrid.cli.output import interrupt_on_termination, note, progress

if TYPE_CHECKING:
    from sightgrid.evaluation.identification import Identification
    from sightgrid.evaluation.photos import PhotoVectors

_HEADS = ("nearest-mean", "knn", "svm", "softmax")


@click.command("identification")
@click.argument("people_folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--enrol",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Photos enrolled of each known person.",
)
@click.option(
    "--unknown",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.5,
    show_default=True,
    help="Share of the people who are not enrolled.",
)
@click.option("--seed", type=int, default=0, show_default=True, help="Decides who is enrolled.")
@click.option(
    "--head",
    "heads",
    metavar="[nearest-mean|knn|svm|softmax|FILE]",
    multiple=True,
    default=("nearest-mean",),
    help="What compares a face with those enrolled; default nearest-mean. FILE, of `train`, "
    "repeatable: asked about all photos in DIR; whom it has not learned is unknown.",
)
@click.option(
    "--shards",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Divide the people among so many softmax heads, with a router.",
)
@click.option(
    "--degrade-enrolled",
    is_flag=True,
    help="Let --degrade spoil the photos enrolled too, not only those asked about.",
)
@groups_option
@on_photos
def command(
    people_folder: Path,
    enrol: int,
    unknown: float,
    seed: int,
    heads: tuple[str, ...],
    shards: int,
    degrade_enrolled: bool,
    groups_file: Path | None,
    pack: str,
    detector: str | None,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Who is it, if anybody enrolled? DIR holds a folder a person.

    Some people are enrolled, all other photos are asked about one by one.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.groups import group_tables, identification_groups, read_groups
    from sightgrid.evaluation.identification import deal, embed_deal, identify, unknown_people
    from sightgrid.evaluation.identification_page import (
        LOOK_ALIKES_SHOWN,
        identification_figures,
        identification_page,
    )
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import FaceReader
    from sightgrid.recognition.heads import HeadKind, check_classes, check_shards, open_head

    head, stored = _named_or_files(heads)
    if stored:
        if plots_folder is not None or groups_file is not None or shards > 1:
            raise click.UsageError("--plots, --groups and --shards are not for heads from files")
        ask_trained_heads(
            stored,
            people_folder=people_folder,
            reader=open_reader(pack, detector, degrade),
            degrade=degrade,
            json_file=json_file,
        )
        return
    check_plots(plots_folder)
    people = read_people(people_folder)
    labels = (
        None
        if groups_file is None
        else read_groups(groups_file, people=[person.name for person in people])
    )
    kind = HeadKind(head)
    dealt = deal(people, enrol=enrol, unknown=unknown, seed=seed)
    known = len(people) - unknown_people(len(people), unknown)
    check_classes(kind, known)
    estimator = open_head(kind, shards=shards)
    if shards > 1:
        check_shards(shards, known)
    reader = open_reader(pack, detector, degrade)
    files = [photo for person in people for photo in person.photos]
    enrolled_reader = reader if degrade_enrolled else FaceReader(reader.engine)
    with progress() as tell:
        photos = embed_deal(
            dealt, files, enrolled_reader=enrolled_reader, probe_reader=reader, tell=tell
        )
        result = identify(dealt, photos=photos, head=estimator, wrong_shown=LOOK_ALIKES_SHOWN)
    figures = identification_figures(result)
    settings = {
        "head": head,
        "enrol": enrol,
        "unknown": unknown,
        "seed": seed,
        "shards": shards,
        "degrade_enrolled": degrade_enrolled,
        **engine_settings(reader.engine, degrade),
    }
    groups = () if labels is None else identification_groups(result, dealt, labels)
    if plots_folder is not None:
        page = identification_page(
            result,
            photos=files,
            enrolled_reader=enrolled_reader,
            probe_reader=reader,
            figures=figures,
            settings=in_words(settings),
        )
        page = replace(page, tables=group_tables(groups))
        note(f"Page: {write_page(page, folder=plots_folder)}")
    document = identification_document(result, photos) | settings
    if labels is not None:
        document["groups"] = [asdict(group) for group in groups]
    answer(document, figures, "Identification", json_file)
    print_page_tables(group_tables(groups), json_file)


def _named_or_files(heads: tuple[str, ...]) -> tuple[str, list[Path]]:
    """The one head asked for by name, or those that lie in files."""
    files = [Path(head) for head in heads if head not in _HEADS]
    if files and len(files) < len(heads):
        raise click.UsageError("--head: give names of heads or files of heads, not both")
    for file in files:
        if not file.is_file():
            raise click.BadParameter(
                f"'{file}' is neither one of {', '.join(_HEADS)} nor a file",
                param_hint="'--head'",
            )
    if not files and len(heads) > 1:
        raise click.UsageError("--head: one name at a time; files of heads may be several")
    return heads[0], files


def identification_document(result: Identification, photos: PhotoVectors) -> dict[str, Any]:
    """An identification as JSON."""
    return {
        "rank1": result.rank1,
        "rank1_interval": list(result.rank1_interval),
        "dir_at_fpir": {f"{target:g}": rate for target, rate in result.dir_at_fpir.items()},
        "dir_interval": {
            f"{target:g}": None if span is None else list(span)
            for target, span in result.dir_interval.items()
        },
        "thresholds": {f"{target:g}": finite(level) for target, level in result.thresholds.items()},
        "cmc": result.cmc[:10].tolist(),
        "people": result.people,
        "enrolled_people": result.enrolled_people,
        "enrolled_photos": result.enrolled_photos,
        "enrolled_undetected": result.enrolled_undetected,
        "probes": result.probes,
        "impostor_probes": result.impostor_probes,
        "photos": len(photos.found),
        "undetected": photos.undetected,
        "fit_secs": result.fit_secs,
        "probe_ms": result.probe_ms,
        "embed_secs": round(photos.secs, 3),
        "trainable_parameters": result.trainable_parameters,
    }
