"""Ways to go downhill, by the names that FaceNet's training gives them."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum

import numpy as np

from sightgrid.recognition.training.distances import Points


class OptimiserName(StrEnum):
    """The optimisers by name; MOM is momentum that looks ahead (Nesterov)."""

    ADAGRAD = "ADAGRAD"
    ADADELTA = "ADADELTA"
    ADAM = "ADAM"
    RMSPROP = "RMSPROP"
    MOM = "MOM"


Step = Callable[[Points, float], Points]
"""A slope and a learning rate to what is to be added to the parameters."""


def open_optimiser(name: OptimiserName) -> Step:
    """What takes the steps for one array of parameters; it remembers the steps before."""
    match name:
        case OptimiserName.ADAGRAD:
            return _adagrad()
        case OptimiserName.ADADELTA:
            return _adadelta()
        case OptimiserName.ADAM:
            return _adam()
        case OptimiserName.RMSPROP:
            return _rmsprop()
        case OptimiserName.MOM:
            return _momentum()


def _adagrad(first: float = 0.1) -> Step:
    """Duchi et al. 2011: the steeper it was so far, the shorter the step."""
    squares: Points | float = first

    def step(slope: Points, rate: float) -> Points:
        nonlocal squares
        squares = squares + slope**2
        return -rate * slope / np.sqrt(squares)

    return step


def _adadelta(kept: float = 0.9, least: float = 1e-6) -> Step:
    """Zeiler 2012: steps in the units of the steps before; ``rate`` scales them."""
    squares: Points | float = 0.0
    moves: Points | float = 0.0

    def step(slope: Points, rate: float) -> Points:
        nonlocal squares, moves
        squares = kept * squares + (1 - kept) * slope**2
        move = -np.sqrt(moves + least) / np.sqrt(squares + least) * slope
        moves = kept * moves + (1 - kept) * move**2
        return rate * move

    return step


def _adam(first: float = 0.9, second: float = 0.999, least: float = 1e-8) -> Step:
    """Kingma and Ba 2014."""
    mean: Points | float = 0.0
    squares: Points | float = 0.0
    count = 0

    def step(slope: Points, rate: float) -> Points:
        nonlocal mean, squares, count
        count += 1
        mean = first * mean + (1 - first) * slope
        squares = second * squares + (1 - second) * slope**2
        steady = mean / (1 - first**count)
        return -rate * steady / (np.sqrt(squares / (1 - second**count)) + least)

    return step


def _rmsprop(kept: float = 0.9, pace: float = 0.9, least: float = 1e-8) -> Step:
    """Tieleman and Hinton 2012, with momentum."""
    squares: Points | float = 0.0
    move: Points | float = 0.0

    def step(slope: Points, rate: float) -> Points:
        nonlocal squares, move
        squares = kept * squares + (1 - kept) * slope**2
        move = pace * move - rate * slope / (np.sqrt(squares) + least)
        return move

    return step


def _momentum(pace: float = 0.9) -> Step:
    """Momentum as Nesterov takes it: the slope counts where the momentum leads."""
    speed: Points | float = 0.0

    def step(slope: Points, rate: float) -> Points:
        nonlocal speed
        speed = pace * speed + slope
        return -rate * (slope + pace * speed)

    return step
