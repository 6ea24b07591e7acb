"""Reads a grid file: where cameras stand, how they are linked, which views never overlap.

The same words as in ``sightgrid.yml``::

    cameras:
      entrance: {position: [0.2, 0.7]}
      stairs: {position: [0.6, 0.3]}
    links:
      - {from: entrance, to: stairs, secs: [4, 60]}
      - {from: stairs, to: office, overlap: false}

``overlap: false`` at the top says it of every pair, in a camera of all pairs with that camera. A
mistake is answered with file, line, field and the nearest known word.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from difflib import get_close_matches
from itertools import combinations
from pathlib import Path

import yaml

from sightgrid.domain.errors import InvalidValue, SettingsError
from sightgrid.domain.grid import CameraGrid, CameraLink

_TOP = ("cameras", "positions", "links", "overlap")
_CAMERA = ("position", "overlap")
_LINK = ("from", "to", "secs", "overlap")
_LARGEST_NUMBER = 1e7  # seconds: a third of a year


def read_grid(path: Path, *, cameras: Collection[str]) -> CameraGrid:
    """The grid described by a YAML (or JSON) file.

    Args:
        path: the file. cameras: the names of this run; the file may name more.

    Raises:
        SettingsError: the file can't be read or holds a mistake, named by line.
    """
    try:
        root = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
    except FileNotFoundError:
        raise SettingsError(f"{path}: there is no such file") from None
    except OSError as error:
        raise SettingsError(f"{path}: can't be read: {error.strerror}") from error
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError(f"{path}, line {line}: {error.problem}") from error
    except (UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise SettingsError(
            f"{path}: is no YAML file", hint="the file is text, in UTF-8"
        ) from error
    if root is None:
        return CameraGrid()
    reader = _Reader(path)
    positions: dict[str, tuple[float, float]] = {}
    links: list[CameraLink] = []
    alone: set[str] = set()
    apart: set[frozenset[str]] = set()
    shared: set[frozenset[str]] = set()
    all_apart = False
    for key, node in reader.fields(root, known=_TOP, what="a grid file"):
        match key:
            case "cameras":
                for name, fields in reader.fields(node, known=None, what="cameras"):
                    for word, value in reader.fields(fields, known=_CAMERA, what=f"camera {name}"):
                        if word == "position":
                            positions[name] = reader.position(value, field=f"{name}.position")
                        elif not reader.truth(value, field=f"{name}.overlap"):
                            alone.add(name)
            case "positions":
                for name, value in reader.fields(node, known=None, what="positions"):
                    positions[name] = reader.position(value, field=f"positions.{name}")
            case "links":
                for item in reader.items(node, field="links"):
                    link, pair, overlap = reader.link(item)
                    if link is not None:
                        links.append(link)
                    if overlap is not None:
                        (shared if overlap else apart).add(pair)
            case "overlap":
                all_apart = not reader.truth(node, field="overlap")
    names = set(cameras) | positions.keys()
    names |= {name for link in links for name in (link.origin, link.target)}
    apart |= {
        frozenset(pair)
        for pair in combinations(sorted(names | alone), 2)
        if all_apart or pair[0] in alone or pair[1] in alone
    }
    # what a link says of its own two cameras goes before what was said of all
    return CameraGrid(positions=positions, links=tuple(links), apart=frozenset(apart - shared))


class _Reader:
    """Takes YAML nodes apart and says where a mistake stands."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def fail(self, node: yaml.Node, message: str, *, hint: str | None = None) -> SettingsError:
        return SettingsError(f"{self._path}, line {node.start_mark.line + 1}: {message}", hint=hint)

    def fields(
        self, node: yaml.Node, *, known: Collection[str] | None, what: str
    ) -> Iterator[tuple[str, yaml.Node]]:
        """The entries of a mapping; an unknown key is an error naming the nearest known one."""
        if not isinstance(node, yaml.MappingNode):
            raise self.fail(node, f"{what} must be a mapping of names to values")
        seen: set[str] = set()
        for key_node, value in node.value:
            key = self.word(key_node, field=f"a name in {what}")
            if known is not None and key not in known:
                near = get_close_matches(key, known, n=1)
                raise self.fail(
                    key_node,
                    f"'{key}' is no field of {what}",
                    hint=f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}",
                )
            if key in seen:
                raise self.fail(key_node, f"'{key}' stands twice")
            seen.add(key)
            yield key, value

    def items(self, node: yaml.Node, *, field: str) -> list[yaml.Node]:
        if not isinstance(node, yaml.SequenceNode):
            raise self.fail(node, f"{field} must be a list")
        return list(node.value)

    def word(self, node: yaml.Node, *, field: str) -> str:
        if not isinstance(node, yaml.ScalarNode):
            raise self.fail(node, f"{field}: must be a single word or number")
        return str(node.value)

    def number(self, node: yaml.Node, *, field: str) -> float:
        word = self.word(node, field=field)
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not abs(number) <= _LARGEST_NUMBER:
            raise self.fail(node, f"{field}: '{word}' is no number")
        return number

    def truth(self, node: yaml.Node, *, field: str) -> bool:
        word = self.word(node, field=field)
        if word.lower() not in ("true", "false", "yes", "no"):
            raise self.fail(node, f"{field}: '{word}' is neither true nor false")
        return word.lower() in ("true", "yes")

    def position(self, node: yaml.Node, *, field: str) -> tuple[float, float]:
        numbers = [self.number(item, field=field) for item in self.items(node, field=field)]
        if len(numbers) != 2 or not all(0 <= number <= 1 for number in numbers):
            raise self.fail(
                node, f"{field}: needs two numbers from 0 to 1: from the left, from the top"
            )
        return numbers[0], numbers[1]

    def link(self, node: yaml.Node) -> tuple[CameraLink | None, frozenset[str], bool | None]:
        """A link if it has seconds, its two cameras, and what it says of their views' overlap."""
        values = dict(self.fields(node, known=_LINK, what="a link"))
        for needed in ("from", "to"):
            if needed not in values:
                raise self.fail(node, f"a link needs '{needed}'")
        origin = self.word(values["from"], field="from")
        target = self.word(values["to"], field="to")
        if origin == target:
            raise self.fail(node, f"a link leads from '{origin}' to itself")
        pair = frozenset((origin, target))
        overlap = None
        if "overlap" in values:
            overlap = self.truth(values["overlap"], field="overlap")
        if "secs" not in values:
            return None, pair, overlap
        secs = [
            self.number(item, field="secs") for item in self.items(values["secs"], field="secs")
        ]
        if len(secs) not in (1, 2):
            raise self.fail(values["secs"], "secs: needs the least seconds, and perhaps the most")
        if overlap and secs[0] > 0:
            raise self.fail(
                values["overlap"],
                f"the views of {origin} and {target} can't overlap if the way takes seconds",
                hint="leave out one of the two",
            )
        try:
            link = CameraLink(origin, target, secs[0], secs[1] if len(secs) == 2 else None)
        except InvalidValue as error:
            raise self.fail(values["secs"], str(error)) from error
        return link, pair, overlap
