"""From faces to a trained head: what ``train`` does, and ``track`` for presets that train one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np

from sightgrid import __version__
from sightgrid.offline.engine import Engine
from sightgrid.offline.training_photos import Tell, TrainingFaces
from sightgrid.recognition.training.fitting import (
    Fitted,
    FittingPlan,
    OpenHead,
    Provenance,
    fit_head,
)
from sightgrid.recognition.training.material import Material
from sightgrid.vision.packs import network_parameters


def learn(
    faces: TrainingFaces,
    *,
    engine: Engine,
    open_head: OpenHead,
    plan: FittingPlan,
    source: str,
    tell: Tell,
) -> Fitted:
    """Fits a head to faces that this engine embedded.

    Args:
        source: where the faces come from, ``folder`` or ``enrolled``: kept among the facts.

    Raises:
        InvalidValue: too few people, or too many for this head.
    """
    material = Material(
        faces.vectors,
        faces.labels,
        np.array(faces.images, np.intp),
        np.array(faces.originals, np.bool_),
    )
    policy = engine.policy
    curve = policy.means or policy.curve
    people = len(set(faces.labels))
    provenance = Provenance(
        contract=engine.pack.contract,
        network_parameters=network_parameters(engine.pack),
        # every person is a chance to be taken for somebody
        least_cosine=min(curve.threshold(plan.stranger_rate / max(people, 1)), 1.0),
        source=source,
        images_without_face=faces.without_face,
        at=datetime.now(UTC),
        version=__version__,
    )
    return fit_head(material, open_head=open_head, plan=plan, provenance=provenance, tell=tell)
