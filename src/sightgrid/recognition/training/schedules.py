"""The learning rate over the epochs, as a file tells it: ``epoch: rate`` a line.

A rate holds from its epoch on, counted from 0. ``-1`` stops the training there. Lines that begin
with ``#``, and what follows a ``#``, are left out::

    # epoch: rate
    0: 0.05
    60: 0.005
    80: -1
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

from sightgrid.domain.errors import SettingsError

_STOP = -1.0


@dataclass(frozen=True, slots=True)
class Schedule:
    """Learning rates: (epoch from which it holds, rate), rising; a negative rate stops."""

    steps: tuple[tuple[int, float], ...]

    @classmethod
    def steady(cls, rate: float) -> Schedule:
        """One rate from beginning to end."""
        return cls(((0, rate),))

    def rate(self, epoch: int) -> float | None:
        """The rate of an epoch, from 0; ``None``: training stops before it."""
        holding = [rate for begins, rate in self.steps if begins <= epoch]
        return None if not holding or holding[-1] < 0 else holding[-1]


def read_schedule(path: Path) -> Schedule:
    """A schedule from a file.

    Raises:
        SettingsError: the file can't be read, or a line is none; the message names it.
    """
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} can't be read as a schedule: {error}") from error
    steps: list[tuple[int, float]] = []
    for number, line in enumerate(lines, start=1):
        told = line.partition("#")[0].strip()
        if not told:
            continue
        where = f"{path}, line {number}"
        first, colon, second = told.partition(":")
        try:
            epoch, rate = int(first), float(second)
        except ValueError:
            colon = ""
            epoch, rate = 0, 0.0
        if not colon or epoch < 0 or not math.isfinite(rate) or (rate <= 0 and rate != _STOP):
            raise SettingsError(
                f"{where}: '{told[:60]}' is no step of a schedule",
                hint="epoch: rate, such as 60: 0.005, or -1 for the rate to stop",
            )
        if steps and epoch <= steps[-1][0]:
            raise SettingsError(
                f"{where}: epoch {epoch} comes after epoch {steps[-1][0]}", hint="epochs must rise"
            )
        steps.append((epoch, rate))
    if not steps or steps[0][0] != 0 or steps[0][1] < 0:
        raise SettingsError(
            f"{path}: there is no rate for epoch 0", hint="begin with a line such as 0: 0.05"
        )
    return Schedule(tuple(steps))
