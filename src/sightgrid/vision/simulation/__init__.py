"""A camera grid rendered from real portrait photos, with the exact truth; same seed, same pixels.

``cut_portrait`` makes heads of photos, ``plan`` decides who walks where, ``render`` films it and
``draw`` gives any single frame.
"""

from sightgrid.vision.simulation.grid import render
from sightgrid.vision.simulation.planning import plan
from sightgrid.vision.simulation.plans import (
    DEMO,
    HARD,
    NORMAL,
    Passage,
    Plan,
    Preset,
    SimulatedCamera,
    Subject,
    lay_out,
)
from sightgrid.vision.simulation.portraits import Portrait, cut_portrait
from sightgrid.vision.simulation.scene import TrueFace, draw
from sightgrid.vision.simulation.truth import (
    CameraTruth,
    Distribution,
    GridTruth,
    TrueVisit,
    load_truth,
    save_truth,
    truth_of,
    write_mot,
)
from sightgrid.vision.simulation.walking import IN_VIEW

__all__ = [
    "DEMO",
    "HARD",
    "IN_VIEW",
    "NORMAL",
    "CameraTruth",
    "Distribution",
    "GridTruth",
    "Passage",
    "Plan",
    "Portrait",
    "Preset",
    "SimulatedCamera",
    "Subject",
    "TrueFace",
    "TrueVisit",
    "cut_portrait",
    "draw",
    "lay_out",
    "load_truth",
    "plan",
    "render",
    "save_truth",
    "truth_of",
    "write_mot",
]
