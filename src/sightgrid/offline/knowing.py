"""Whom a run knows by name: people of a folder, or those that a trained head has learned."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sightgrid.offline.engine import Engine
from sightgrid.offline.enrolment import Enrolment, enrol_folder
from sightgrid.offline.learning import learn
from sightgrid.offline.training_photos import read_training_folder
from sightgrid.recognition.headfiles import TrainedHead, load_head
from sightgrid.recognition.heads import HeadKind, open_head
from sightgrid.recognition.training.fitting import FittingPlan


@dataclass(frozen=True, slots=True, eq=False)
class KnownPeople:
    """The people of a run, and the head that names them; ``None``: their mean faces do."""

    enrolment: Enrolment
    head: TrainedHead | None = None


def known_people(
    engine: Engine,
    *,
    people: Path | None,
    head: Path | None,
    train: HeadKind | None,
    tell: Callable[[str, int, int | None], None],
) -> KnownPeople:
    """Reads a head, trains one on a folder of people, or enrols the folder as it is.

    Raises:
        HeadError: the head can't be read. ContractMismatch: it is of another pack.
        SourceError: nobody could be enrolled from the folder.
        InvalidValue: a head is to be trained, and there are too few people or images.
    """
    if head is not None:
        trained = load_head(head, contract=engine.pack.contract)
        return KnownPeople(Enrolment(trained.people(), ()), trained)
    if people is None:
        return KnownPeople(Enrolment((), ()))
    if train is not None:
        faces = read_training_folder(people, engine=engine, tell=tell)
        trained = learn(
            faces,
            engine=engine,
            open_head=lambda told: open_head(train, tell=told),
            plan=FittingPlan(folds=0),
            source="folder",
            tell=tell,
        ).trained
        return KnownPeople(Enrolment(trained.people(), faces.notes), trained)
    tell("enrolling people", 0, None)
    policy = engine.policy
    return KnownPeople(
        enrol_folder(
            people,
            enroller=engine.enroller(),
            same=policy.curve.threshold(policy.stranger_merges),
        )
    )
