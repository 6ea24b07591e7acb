"""Where cameras stand, how they are linked, which views never overlap: words of two files.

A grid file (``track --grid``) and ``sightgrid.yml`` say it alike. ``overlap: false`` at the top
says it of every pair, in a camera of all pairs with that camera, in a link of its two.
"""

from __future__ import annotations

from collections.abc import Collection
from itertools import combinations

import yaml

from sightgrid.configuration.reading import Reader
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.grid import CameraGrid, CameraLink

CAMERA_FIELDS = ("position", "overlap")
_LINK = ("from", "to", "secs", "overlap")


class GridWords:
    """Collects what a file says of the building; ``grid`` puts it together."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._positions: dict[str, tuple[float, float]] = {}
        self._links: list[CameraLink] = []
        self._named: dict[str, yaml.Node] = {}
        self._alone: set[str] = set()
        self._apart: set[frozenset[str]] = set()
        self._shared: set[frozenset[str]] = set()
        self._all_apart = False

    def camera_field(self, camera: str, word: str, value: yaml.Node) -> None:
        """One of ``CAMERA_FIELDS`` of a camera."""
        if word == "position":
            self.position(camera, value, field=f"{camera}.position")
        elif not self._reader.truth(value, field=f"{camera}.overlap"):
            self._alone.add(camera)

    def position(self, camera: str, node: yaml.Node, *, field: str) -> None:
        points = self._reader.points(node, field=field, needs="two numbers")
        if len(points) != 1:
            raise self._reader.fail(
                node, f"{field}: needs two numbers from 0 to 1: from the left, from the top"
            )
        self._positions[camera] = points[0]

    def links(self, node: yaml.Node) -> None:
        for item in self._reader.items(node, field="links"):
            self._link(item)

    def overlap(self, node: yaml.Node) -> None:
        self._all_apart = not self._reader.truth(node, field="overlap")

    def linked_cameras(self) -> dict[str, yaml.Node]:
        """The cameras that links name, with the place where each was named first."""
        return dict(self._named)

    def grid(self, cameras: Collection[str]) -> CameraGrid:
        """Args: ``cameras`` are the names at hand; the file may name more."""
        names = set(cameras) | self._positions.keys()
        names |= {name for link in self._links for name in (link.origin, link.target)}
        apart = self._apart | {
            frozenset(pair)
            for pair in combinations(sorted(names | self._alone), 2)
            if self._all_apart or pair[0] in self._alone or pair[1] in self._alone
        }
        # what a link says of its own two cameras goes before what was said of all
        return CameraGrid(
            positions=dict(self._positions),
            links=tuple(self._links),
            apart=frozenset(apart - self._shared),
        )

    def _link(self, node: yaml.Node) -> None:
        """A link has seconds, or says of its two cameras' views whether they overlap, or both."""
        reader = self._reader
        values = dict(reader.fields(node, known=_LINK, what="a link"))
        for needed in ("from", "to"):
            if needed not in values:
                raise reader.fail(node, f"a link needs '{needed}'")
        origin = reader.word(values["from"], field="from")
        target = reader.word(values["to"], field="to")
        if origin == target:
            raise reader.fail(node, f"a link leads from '{origin}' to itself")
        self._named.setdefault(origin, values["from"])
        self._named.setdefault(target, values["to"])
        pair = frozenset((origin, target))
        overlap = None
        if "overlap" in values:
            overlap = reader.truth(values["overlap"], field="overlap")
            (self._shared if overlap else self._apart).add(pair)
        if "secs" not in values:
            return
        secs = [
            reader.number(item, field="secs") for item in reader.items(values["secs"], field="secs")
        ]
        if len(secs) not in (1, 2):
            raise reader.fail(values["secs"], "secs: needs the least seconds, and perhaps the most")
        if overlap and secs[0] > 0:
            raise reader.fail(
                values["overlap"],
                f"the views of {origin} and {target} can't overlap if the way takes seconds",
                hint="leave out one of the two",
            )
        try:
            link = CameraLink(origin, target, secs[0], secs[1] if len(secs) == 2 else None)
        except InvalidValue as error:
            raise reader.fail(values["secs"], str(error)) from error
        self._links.append(link)
