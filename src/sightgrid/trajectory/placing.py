"""Where cameras lie on a plan: as they were placed, else as their links suggest."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from sightgrid.domain.grid import CameraGrid

Place = tuple[float, float]
_MARGIN = 0.12


def place_cameras(cameras: Iterable[str], grid: CameraGrid) -> dict[str, Place]:
    """A place for every camera, 0-1 from the left and top.

    Those that the grid places lie there. If it places none, they are laid out so that as many links
    lie between two as it takes to walk from one to the other (classical scaling, Torgerson 1952),
    or on a circle where there are no links. If it places some, the rest stand in a row at the foot.
    """
    names = sorted(set(cameras))
    placed = {name: grid.positions[name] for name in names if name in grid.positions}
    rest = [name for name in names if name not in placed]
    if not rest:
        return placed
    if placed:
        return placed | {
            name: ((index + 1) / (len(rest) + 1), 1.0) for index, name in enumerate(rest)
        }
    links = [link for link in grid.links if link.origin in rest and link.target in rest]
    if len(rest) < 3 or not links:
        return _on_a_circle(rest)
    return _scaled(rest, _steps_between(rest, [(link.origin, link.target) for link in links]))


def _on_a_circle(names: list[str]) -> dict[str, Place]:
    if len(names) == 1:
        return {names[0]: (0.5, 0.5)}
    if len(names) == 2:
        return {names[0]: (0.25, 0.5), names[1]: (0.75, 0.5)}
    angles = -np.pi / 2 + 2 * np.pi * np.arange(len(names)) / len(names)
    return {
        name: (float(0.5 + 0.38 * np.cos(angle)), float(0.5 + 0.38 * np.sin(angle)))
        for name, angle in zip(names, angles, strict=True)
    }


def _steps_between(names: list[str], links: Iterable[tuple[str, str]]) -> np.ndarray:
    """(N, N) links on the shortest way between two cameras; who can't be reached is a step further
    than everybody else."""
    at = {name: index for index, name in enumerate(names)}
    count = len(names)
    steps = np.full((count, count), np.inf)
    np.fill_diagonal(steps, 0.0)
    for one, other in links:
        steps[at[one], at[other]] = steps[at[other], at[one]] = min(steps[at[one], at[other]], 1.0)
    for via in range(count):
        steps = np.minimum(steps, steps[:, via, None] + steps[None, via, :])
    longest = float(steps[np.isfinite(steps)].max())
    steps[~np.isfinite(steps)] = longest + 1.0
    return steps


def _scaled(names: list[str], steps: np.ndarray) -> dict[str, Place]:
    count = len(names)
    centring = np.eye(count) - 1.0 / count
    values, vectors = np.linalg.eigh(-0.5 * centring @ (steps**2) @ centring)
    two = np.argsort(values)[::-1][:2]
    points = vectors[:, two] * np.sqrt(np.maximum(values[two], 0.0))
    # the signs of eigenvectors are anybody's: the first camera lies to the left and above
    points *= np.where(points[0] > 0, -1.0, 1.0)
    span = points.max(axis=0) - points.min(axis=0)
    scale = np.where(span > 1e-9, span, 1.0)
    unit = np.where(span > 1e-9, (points - points.min(axis=0)) / scale, 0.5)
    inside = _MARGIN + unit * (1 - 2 * _MARGIN)
    return {name: (float(x), float(y)) for name, (x, y) in zip(names, inside.tolist(), strict=True)}


def links_between(cameras: Iterable[str], grid: CameraGrid) -> list[tuple[str, str]]:
    """The pairs of cameras one can walk between, each once, in order."""
    known = set(cameras)
    pairs = {
        (min(link.origin, link.target), max(link.origin, link.target))
        for link in grid.links
        if link.origin in known and link.target in known and link.origin != link.target
    }
    return sorted(pairs)
