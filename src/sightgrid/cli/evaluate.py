"""``sightgrid evaluate``: numbers we may quote."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from sightgrid.cli.output import (
    interrupt_on_termination,
    json_option,
    note,
    print_table,
    progress,
    write_json,
)

if TYPE_CHECKING:
    from sightgrid.evaluation.identification import Identification
    from sightgrid.evaluation.page import Figure
    from sightgrid.evaluation.photos import FaceReader, PhotoVectors
    from sightgrid.evaluation.verification import Verification
    from sightgrid.offline.engine import Engine

Command = TypeVar("Command", bound=Callable[..., Any])

_METRICS = ("cosine", "euclidean", "squared-euclidean", "arccos")
_HEADS = ("nearest-mean", "knn", "svm", "softmax")

pack_option = click.option("--pack", default="default", show_default=True, help="Model pack.")
detector_option = click.option(
    "--detector",
    type=click.Choice(["yunet", "mtcnn", "mtcnn-fast", "haar", "hog"]),
    default="yunet",
    show_default=True,
    help="What finds the faces.",
)
degrade_option = click.option(
    "--degrade",
    metavar="faceN",
    help="Make faces N pixels wide, as from a far camera: reduced, JPEG quality 60, enlarged x2.",
)
plots_option = click.option(
    "--plots",
    "plots_folder",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for plots and a page that explains every figure.",
)


def on_photos(command: Command) -> Command:
    """The options of evaluations that embed photos."""
    for option in (json_option, plots_option, degrade_option, detector_option, pack_option):
        command = option(command)
    return command


@click.group("evaluate")
def command() -> None:
    """Measure how well faces are found and recognised, on your own data or a public set.

    Each evaluation prints its figures and what they say; --plots adds plots and a page.
    """


@command.command("verification")
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
@on_photos
def verification(
    pairs_file: Path,
    images: Path,
    far: float,
    metric: str,
    subtract_mean: bool,
    pack: str,
    detector: str,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Do two photos show one person? Pairs in folds, as for Labeled Faces in the Wild.

    Thresholds are chosen on the other folds than those they are judged on.
    """
    interrupt_on_termination()
    from sightgrid.evaluation.datasets import read_pairs
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import embed_photos
    from sightgrid.evaluation.verification import Metric, photo_rows, verify
    from sightgrid.evaluation.verification_page import verification_figures, verification_page

    _check_plots(plots_folder)
    pairs = read_pairs(pairs_file, images=images)
    reader = _open_reader(pack, detector, degrade)
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
        **_settings(reader.engine, detector, degrade),
    }
    if plots_folder is not None:
        page = verification_page(
            result, pairs=pairs, reader=reader, figures=figures, settings=_in_words(settings)
        )
        note(f"Page: {write_page(page, folder=plots_folder)}")
    _answer(verification_document(result, photos) | settings, figures, "Verification", json_file)


@command.command("identification")
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
    type=click.Choice(_HEADS),
    default="nearest-mean",
    show_default=True,
    help="What compares a face with those enrolled.",
)
@click.option(
    "--shards",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Heads that share the people; so far only 1.",
)
@click.option(
    "--degrade-enrolled",
    is_flag=True,
    help="Let --degrade spoil the photos enrolled too, not only those asked about.",
)
@on_photos
def identification(
    people_folder: Path,
    enrol: int,
    unknown: float,
    seed: int,
    head: str,
    shards: int,
    degrade_enrolled: bool,
    pack: str,
    detector: str,
    degrade: str | None,
    plots_folder: Path | None,
    json_file: str | None,
) -> None:
    """Who is it, if anybody enrolled? DIR holds a folder a person.

    Some people are enrolled, all other photos are asked about one by one.
    """
    interrupt_on_termination()
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.identification import deal, embed_deal, identify, unknown_people
    from sightgrid.evaluation.identification_page import (
        LOOK_ALIKES_SHOWN,
        identification_figures,
        identification_page,
    )
    from sightgrid.evaluation.page import write_page
    from sightgrid.evaluation.photos import FaceReader
    from sightgrid.recognition.heads import HeadKind, check_classes, open_head

    if shards > 1:
        raise InvalidValue(
            f"--shards {shards}: this version can't divide people among several heads yet",
            hint="leave --shards out",
        )
    _check_plots(plots_folder)
    people = read_people(people_folder)
    kind = HeadKind(head)
    dealt = deal(people, enrol=enrol, unknown=unknown, seed=seed)
    check_classes(kind, len(people) - unknown_people(len(people), unknown))
    reader = _open_reader(pack, detector, degrade)
    files = [photo for person in people for photo in person.photos]
    enrolled_reader = reader if degrade_enrolled else FaceReader(reader.engine)
    with progress() as tell:
        photos = embed_deal(
            dealt, files, enrolled_reader=enrolled_reader, probe_reader=reader, tell=tell
        )
        result = identify(dealt, photos=photos, head=open_head(kind), wrong_shown=LOOK_ALIKES_SHOWN)
    figures = identification_figures(result)
    settings = {
        "head": head,
        "enrol": enrol,
        "unknown": unknown,
        "seed": seed,
        "shards": shards,
        "degrade_enrolled": degrade_enrolled,
        **_settings(reader.engine, detector, degrade),
    }
    if plots_folder is not None:
        page = identification_page(
            result,
            photos=files,
            enrolled_reader=enrolled_reader,
            probe_reader=reader,
            figures=figures,
            settings=_in_words(settings),
        )
        note(f"Page: {write_page(page, folder=plots_folder)}")
    _answer(
        identification_document(result, photos) | settings, figures, "Identification", json_file
    )


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
        "threshold": _finite(result.threshold),
        "val_threshold": _finite(result.val_threshold),
        "pairs": len(result.same),
        "same_pairs": int(result.same.sum()),
        "folds": result.folds,
        "photos": len(photos.found),
        "undetected": photos.undetected,
        "embed_secs": round(photos.secs, 3),
    }


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
        "thresholds": {
            f"{target:g}": _finite(level) for target, level in result.thresholds.items()
        },
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


def _check_plots(folder: Path | None) -> None:
    if folder is not None:
        from sightgrid.evaluation.plots import check_plotting

        check_plotting()


def _open_reader(pack: str, detector: str, degrade: str | None) -> FaceReader:
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.evaluation.photos import Degradation, FaceReader
    from sightgrid.offline.engine import open_engine

    try:
        degradation = None if degrade is None else Degradation.named(degrade)
    except InvalidValue as error:
        raise click.BadParameter(f"{error} ({error.hint})", param_hint="'--degrade'") from error
    return FaceReader(open_engine(pack, detector=detector), degradation)


def _settings(engine: Engine, detector: str, degrade: str | None) -> dict[str, Any]:
    return {
        "pack": engine.pack.manifest.name,
        "contract": engine.pack.contract.id,
        "detector": detector,
        "degrade": degrade,
        "runtimes": {part: runtime.value for part, runtime in engine.runtimes.items()},
    }


def _in_words(settings: dict[str, Any]) -> list[tuple[str, str]]:
    words = {True: "yes", False: "no", None: "none"}
    told = []
    for name, value in settings.items():
        if isinstance(value, dict):
            text = ", ".join(f"{part}: {one}" for part, one in value.items())
        elif value is None or isinstance(value, bool):
            text = words[value]
        else:
            text = str(value)
        told.append((name.replace("_", " "), text))
    return told


def _finite(level: float | None) -> float | None:
    """JSON knows no infinity; a threshold that accepts everything is told as none."""
    return level if level is not None and math.isfinite(level) else None


def _answer(
    document: dict[str, Any], figures: Sequence[Figure], title: str, json_file: str | None
) -> None:
    if json_file is not None:
        write_json(document, json_file)
    if json_file != "-":
        print_table(
            ["figure", "value", "95 % interval", "counted over", "what it says"],
            [
                (figure.name, figure.value, figure.interval, figure.sample, figure.meaning)
                for figure in figures
            ],
            title=title,
        )
