"""``sightgrid train``: fits a head to the people of a folder or of the site."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.output import (
    interrupt_on_termination,
    json_option,
    note,
    print_table,
    progress,
    write_json,
)
from sightgrid.cli.projection import ProjectionOptions, on_projection
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from collections.abc import Callable

    from sightgrid.offline.engine import Engine
    from sightgrid.offline.training_photos import Tell, TrainingFaces
    from sightgrid.recognition.headfiles import TrainedHead
    from sightgrid.recognition.heads import Head
    from sightgrid.vision.augmentation import Augmentation

_ENROLLED = "enrolled"


@click.command("train")
@click.option(
    "--people",
    required=True,
    metavar="DIR|enrolled",
    help="A folder that holds a folder a person, or the people enrolled at the site.",
)
@click.option(
    "--head",
    type=click.Choice(["nearest-mean", "knn", "svm", "softmax", "projection"]),
    default="softmax",
    show_default=True,
    help="What is trained.",
)
@click.option(
    "--shards",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="With --head softmax: divide the people among so many heads, with a router.",
)
@click.option("--pack", default="default", show_default=True, help="Model pack.")
@click.option(
    "--detector",
    type=click.Choice(["yunet", "mtcnn", "mtcnn-fast", "haar", "hog"]),
    help="What finds the faces; the pack's own by default.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    help="File for the head. Default: the head's name with .head, here.",
)
@click.option("--force", is_flag=True, help="Replace the head that lies there.")
@click.option(
    "--folds",
    type=click.IntRange(0, 20),
    default=5,
    show_default=True,
    help="Parts of the cross-validation; 0 leaves it out.",
)
@click.option(
    "--false-alarms",
    "stranger_rate",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.01,
    show_default=True,
    help="Share of strangers' photos that may get a name.",
)
@click.option(
    "--least-images",
    type=click.IntRange(2),
    help="Leave out people with fewer images, and test on those not learned from.",
)
@click.option(
    "--learn-images",
    type=click.IntRange(1),
    help="Images to learn from of each person; the others are tested on.",
)
@click.option(
    "--augment",
    "alterations",
    type=click.Choice(["rotate", "crop", "flip", "standardise"]),
    multiple=True,
    help="Also learn from altered copies of every face; repeatable.",
)
@click.option(
    "--copies",
    type=click.IntRange(1, 50),
    default=4,
    show_default=True,
    help="Altered copies of each face, with --augment.",
)
@click.option(
    "--seed", type=int, default=0, show_default=True, help="Decides how images are dealt."
)
@on_projection
@on_site
@json_option
def command(
    people: str,
    head: str,
    shards: int,
    pack: str,
    detector: str | None,
    out: Path | None,
    force: bool,
    folds: int,
    stranger_rate: float,
    least_images: int | None,
    learn_images: int | None,
    alterations: tuple[str, ...],
    copies: int,
    seed: int,
    projection: ProjectionOptions,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Train a head: what names a face among people it has learned.

    Prints how many people and images there were, how many parameters were trained, how long it
    took, and the cross-validated accuracy; then `track --head FILE` and `evaluate identification
    --head FILE` use it.
    """
    interrupt_on_termination()
    from sightgrid.domain.errors import OutputError
    from sightgrid.offline.learning import learn
    from sightgrid.recognition.headfiles import SUFFIX, save_head
    from sightgrid.recognition.heads import HeadKind, Projection, open_head
    from sightgrid.recognition.training.fitting import FittingPlan
    from sightgrid.vision.augmentation import Augmentation

    file = out or Path(f"{head}{SUFFIX}")
    if file.exists() and not force:
        raise OutputError(f"{file} is there already", hint="give --force to replace it")
    if not file.absolute().parent.is_dir():
        raise OutputError(f"{file.parent}: there is no such folder")
    augmentation = Augmentation.named(alterations, copies_each=copies) if alterations else None
    kind = HeadKind(head)
    plan = projection.plan(head, seed=seed)
    # refused before any photo is read
    open_head(kind, shards=shards)

    def opened(told: Callable[[int], None]) -> Head:
        if plan is not None:
            return Projection(plan, tell=told)
        return open_head(kind, shards=shards, tell=told)

    with progress() as tell:
        engine, faces = _faces(
            people,
            kind=head,
            pack=pack,
            detector=detector,
            augmentation=augmentation,
            site=(config_file, data_folder),
            tell=tell,
        )
        fitted = learn(
            faces,
            engine=engine,
            open_head=opened,
            plan=FittingPlan(
                folds=folds,
                stranger_rate=stranger_rate,
                least_images=least_images,
                learn_images=learn_images,
                seed=seed,
            ),
            source=_ENROLLED if people == _ENROLLED else "folder",
            tell=tell,
        )
    save_head(fitted.trained, file)
    projection.report(fitted.trained.head)
    for line in faces.notes:
        note(f"note: {line}")
    if fitted.left_out:
        note(f"note: too few images, left out: {', '.join(fitted.left_out)}")
    if json_file is not None:
        write_json(head_document(fitted.trained, file), json_file)
    if json_file != "-":
        print_table(["what", "value"], head_rows(fitted.trained), title=f"Head {head}")
        click.echo(f"written to {file}")


def _faces(
    people: str,
    *,
    kind: str,
    pack: str,
    detector: str | None,
    augmentation: Augmentation | None,
    site: tuple[Path, Path | None],
    tell: Tell,
) -> tuple[Engine, TrainingFaces]:
    """The engine and what it made of the people asked for; refuses them before it is opened."""
    from sightgrid.domain.errors import InvalidValue
    from sightgrid.offline.engine import open_engine
    from sightgrid.offline.training_photos import (
        faces_of_people,
        read_training_folder,
        training_photos,
    )
    from sightgrid.recognition.heads import HeadKind, check_classes

    if people != _ENROLLED:
        folder = Path(people)
        check_classes(HeadKind(kind), len(training_photos(folder)))
        engine = open_engine(pack, detector=detector)
        return engine, read_training_folder(
            folder, engine=engine, tell=tell, augmentation=augmentation
        )
    if augmentation is not None:
        raise InvalidValue(
            "--augment alters photos, and of people enrolled only vectors are kept",
            hint="train from a folder of photos",
        )
    from sightgrid.store.people import enrolled

    with opened_site(*site) as opened, opened.store.snapshot() as tx:
        known = enrolled(tx)
    engine = open_engine(pack, detector=detector)
    return engine, faces_of_people(known, contract_id=engine.pack.contract.id, pack=pack)


def head_rows(trained: TrainedHead) -> list[tuple[str, str]]:
    """What a head is, in words."""
    facts = trained.facts
    rows = [
        ("people", f"{facts.people:,}"),
        ("images", f"{facts.images:,}"),
        ("images without a face", f"{facts.images_without_face:,}"),
        ("trainable parameters", f"{facts.trainable_parameters:,}"),
        ("total parameters", f"{facts.total_parameters:,}"),
        ("epochs", f"{facts.epochs:,}"),
        ("seconds per epoch", f"{facts.secs_per_epoch:.6f}"),
        ("seconds", f"{facts.secs:.3f}"),
        (
            "cross-validated accuracy",
            f"{facts.accuracy:.1%} of images, {facts.folds} folds"
            if facts.accuracy is not None
            else "not measured: nobody has two images",
        ),
    ]
    if facts.held_out_accuracy is not None:
        rows.append(
            (
                "accuracy on images kept apart",
                f"{facts.held_out_accuracy:.1%} of {facts.held_out_images:,}",
            )
        )
    rows.append(
        (
            "strangers who get a name",
            f"{facts.stranger_rate:.1%} of {facts.stranger_images:,} images of people left out"
            if facts.stranger_rate is not None
            else "not measured: too few people; faces must be as alike as the pack asks for",
        )
    )
    return [*rows, ("embedding contract", f"{trained.contract.pack} {trained.contract.id[:12]}")]


def head_document(trained: TrainedHead, file: Path) -> dict[str, Any]:
    """The same for machines."""
    from dataclasses import asdict

    return {
        "file": str(file),
        "head": trained.head.kind.value,
        "pack": trained.contract.pack,
        "contract": trained.contract.id,
        "least_cosine": trained.least_cosine,
        **asdict(trained.facts),
    }
