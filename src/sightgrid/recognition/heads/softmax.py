"""The softmax head: transfer learning over the frozen network of any pack."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from sightgrid.domain.geometry import Floats
from sightgrid.recognition.heads.estimator import Head, HeadKind, Scores, expect, numbered

Reals = NDArray[np.floating[Any]]

# outputs of one pass over all vectors, beyond which float32 is precise enough
_LARGE = 20_000_000
_OUTPUTS_AT_ONCE = 4_000_000


class Softmax(Head):
    """A dense layer with softmax over the frozen vectors, trained to the end by L-BFGS.

    Vectors are scaled by ``SCALE`` first, as ones of unit length can't make a softmax sure of
    anything; weights are held small by ``DECAY``. Scores are the layer's outputs before softmax:
    what softmax divides by depends on who is enrolled, and makes it sure of strangers too.
    """

    kind = HeadKind.SOFTMAX
    SCALE = 16.0
    DECAY = 1e-3
    MOST_ROUNDS = 200

    def __init__(self, *, tell: Callable[[int], None] | None = None) -> None:
        """``tell`` hears after each epoch how many there were: passes over all vectors."""
        super().__init__()
        self._tell = tell or (lambda _: None)
        self._weights = np.zeros((0, 0))
        self._biases = np.zeros(0)

    def fit(self, vectors: Floats, labels: Sequence[str]) -> Self:
        """Trains weights (classes, D) and biases (classes,)."""
        self.classes, numbers = numbered(self.kind, vectors, labels)
        count, width = len(self.classes), vectors.shape[1]
        # where time counts, as with ten thousand people, float32 takes half of it
        precise = len(vectors) * count <= _LARGE
        inputs: Reals = vectors.astype(np.float64) * self.SCALE
        if not precise:
            inputs = inputs.astype(np.float32)
        rows_at_once = max(_OUTPUTS_AT_ONCE // count, 1)
        self.epochs = 0

        def loss(flat: Scores) -> tuple[float, Scores]:
            self.epochs += 1
            self._tell(self.epochs)
            weights, biases = flat[: count * width].reshape(count, width), flat[count * width :]
            near: Reals = weights.astype(inputs.dtype)
            added: Reals = biases.astype(inputs.dtype)
            fit, pull, lift = 0.0, np.zeros((count, width)), np.zeros(count)
            for start in range(0, len(inputs), rows_at_once):
                part = slice(start, start + rows_at_once)
                outputs = inputs[part] @ near.T + added
                outputs -= outputs.max(axis=1, keepdims=True)
                right = np.arange(len(outputs)), numbers[part]
                wanted = outputs[right].astype(np.float64)
                raised = np.exp(outputs, out=outputs)
                sums = raised.sum(axis=1, keepdims=True)
                fit += float((np.log(sums[:, 0]) - wanted).sum())
                error = np.divide(raised, sums, out=raised)
                error[right] -= 1.0
                pull += error.T @ inputs[part]
                lift += error.sum(axis=0)
            slope = np.concatenate(
                [(pull / len(inputs) + self.DECAY * weights).ravel(), lift / len(inputs)]
            )
            return fit / len(inputs) + self.DECAY / 2 * float((weights**2).sum()), slope

        start = np.zeros(count * (width + 1))
        found = minimize(
            loss, start, jac=True, method="L-BFGS-B", options={"maxiter": self.MOST_ROUNDS}
        )
        # kept as it is stored, so that a head read back answers exactly as before
        self._weights = _as_stored(found.x[: count * width].reshape(count, width))
        self._biases = _as_stored(found.x[count * width :])
        self.trainable_parameters = count * (width + 1)
        return self

    def scores(self, vectors: Floats) -> Scores:
        """Outputs before softmax, (N, classes)."""
        outputs: Scores = vectors.astype(np.float64) @ (self.SCALE * self._weights.T)
        return outputs + self._biases

    def arrays(self) -> dict[str, Floats]:
        return {
            "weights": self._weights.astype(np.float32),
            "biases": self._biases.astype(np.float32),
        }

    @classmethod
    def restored(
        cls,
        classes: tuple[str, ...],
        arrays: Mapping[str, Floats],
        settings: Mapping[str, float],
        *,
        dimension: int,
    ) -> Self:
        count = len(classes)
        expect(arrays, {"weights": (count, dimension), "biases": (count,)}, kind=cls.kind)
        head = cls()
        head.classes = classes
        head._weights, head._biases = _as_stored(arrays["weights"]), _as_stored(arrays["biases"])
        head.trainable_parameters = count * (dimension + 1)
        return head


def _as_stored(numbers: Floats | Scores) -> Scores:
    return numbers.astype(np.float32).astype(np.float64)
