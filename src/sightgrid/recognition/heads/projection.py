"""A trained projection over the frozen vectors, and the mean of each person in it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Self

import numpy as np

from sightgrid.domain.errors import HeadError
from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads.estimator import (
    Head,
    HeadKind,
    Numbers,
    Scores,
    expect,
    numbered,
    setting,
    softmax,
    unit,
)
from sightgrid.recognition.training.distances import Distance, table
from sightgrid.recognition.training.projection import (
    Epoch,
    ProjectionPlan,
    project,
    train_projection,
)

_FIRMNESS = 16.0
_DISTANCES = tuple(Distance)


class Projection(Head):
    """Less the distance to the mean of each person, after a linear layer that was trained so that
    one person's faces come out near each other and other people's further away."""

    kind = HeadKind.PROJECTION

    def __init__(
        self, plan: ProjectionPlan | None = None, *, tell: Callable[[int], None] | None = None
    ) -> None:
        """``tell`` hears after each epoch how many there were."""
        super().__init__()
        self.history: tuple[Epoch, ...] = ()
        self.ended = ""
        self._plan = plan or ProjectionPlan()
        self._tell = tell or (lambda _: None)
        self._distance = self._plan.distance
        self._weights = np.zeros((0, 0))
        self._means = np.zeros((0, 0), np.float32)

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Trains the layer, every row an image of its own."""
        return self.fit_images(vectors, labels, np.arange(len(labels)))

    def fit_images(self, vectors: Floats, labels: Sequence[str], images: Numbers) -> Self:
        self.classes, numbers = numbered(self.kind, vectors, labels)
        trained = train_projection(vectors, numbers, images, plan=self._plan, tell=self._tell)
        self.history, self.ended = trained.history, trained.ended
        self.epochs = len(trained.history)
        self.trainable_parameters = trained.parameters
        # kept as it is stored, so that a head read back answers exactly as before
        self._weights = trained.weights.astype(np.float32).astype(np.float64)
        sums = np.zeros((len(self.classes), len(self._weights)))
        np.add.at(sums, numbers, project(self._weights, vectors))
        self._means = unit(sums)
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Less the distance, (N, classes)."""
        return -table(
            self._distance, project(self._weights, vectors), self._means.astype(np.float64)
        )

    def predict_proba(self, vectors: Floats) -> Scores:
        """Shares by distance; an order, not a measured probability."""
        return softmax(_FIRMNESS * self.scores(vectors))

    def arrays(self) -> dict[str, Floats]:
        return {"weights": self._weights.astype(np.float32), "means": self._means}

    def settings(self) -> dict[str, float]:
        return {"distance": _DISTANCES.index(self._distance)}

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        size = len(arrays["weights"]) if "weights" in arrays and arrays["weights"].ndim else 0
        expect(
            arrays,
            {"weights": (size, dimension), "means": (len(classes), size)},
            kind=cls.kind,
        )
        number = setting(settings, "distance", least=0)
        if number not in range(len(_DISTANCES)):
            raise HeadError(f"distance {number:g} of a projection is not known here")
        head = cls(ProjectionPlan(distance=_DISTANCES[int(number)]))
        head.classes, head._means = classes, arrays["means"]
        head._weights = arrays["weights"].astype(np.float64)
        return head
