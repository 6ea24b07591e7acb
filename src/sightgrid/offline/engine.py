"""A pack, opened, with the policy on its similarity: what works on files needs both."""

from __future__ import annotations

from dataclasses import dataclass

from sightgrid.domain.likeness import ImpostorCurve
from sightgrid.offline.enrolment import FaceEnroller
from sightgrid.recognition.calibration import Policy
from sightgrid.vision.engine import VisionEngine, open_vision, usable_cores
from sightgrid.vision.packs import Pack

__all__ = ["Engine", "open_engine", "usable_cores"]


@dataclass(frozen=True, slots=True, eq=False)
class Engine(VisionEngine):
    """A pack, opened: its detector, its embedder and the policy on its similarity."""

    policy: Policy

    def enroller(self) -> FaceEnroller:
        """What turns photos into embeddings of this pack."""
        framing = self.pack.manifest.embedder_input.enrolled_framing
        return FaceEnroller(self.detector, self.embedder, framing)


def policy_of(pack: Pack) -> Policy:
    """The policy on a pack's similarity, with the default budgets."""
    thresholds = pack.manifest.thresholds
    of_means = thresholds.impostors_of_means
    return Policy(
        ImpostorCurve.of(thresholds.impostors),
        means=None if of_means is None else ImpostorCurve.of(of_means),
    )


def open_engine(pack_name: str, *, detector: str | None = None) -> Engine:
    """Loads a pack (building it if need be) and opens its networks.

    Args:
        detector: a :class:`sightgrid.vision.detectors.DetectorName`; the pack's own if not given.

    Raises:
        PackError: there is no such pack or detector, or it can't be loaded.
        MissingExtra: the detector needs an optional package that is not installed.
    """
    vision = open_vision(pack_name, detector=detector)
    return Engine(
        pack=vision.pack,
        detector_name=vision.detector_name,
        detector=vision.detector,
        embedder=vision.embedder,
        runtimes=vision.runtimes,
        policy=policy_of(vision.pack),
    )
