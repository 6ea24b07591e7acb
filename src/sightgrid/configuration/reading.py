"""Takes a YAML file apart and says where a mistake stands: file, line, field, nearest word."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import timedelta
from difflib import get_close_matches
from pathlib import Path

import yaml

from sightgrid.configuration.secrets import Secrets
from sightgrid.domain.errors import SettingsError
from sightgrid.domain.locations import Location

_LARGEST_NUMBER = 1e7  # seconds: a third of a year
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}


def compose(path: Path) -> yaml.Node | None:
    """The nodes of a YAML (or JSON) file, ``None`` for an empty one.

    Raises:
        SettingsError: the file can't be read, or is no YAML.
    """
    try:
        root: yaml.Node | None = yaml.compose(path.read_text("utf-8"), Loader=yaml.SafeLoader)
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
    return root


class Reader:
    """Reads the nodes of one file. ``secrets`` fills in what is not to stand in the file."""

    def __init__(self, path: Path, *, secrets: Secrets | None = None) -> None:
        self._path = path
        self._secrets = secrets

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

    def choice(self, node: yaml.Node, known: Collection[str], *, field: str) -> str:
        word = self.word(node, field=field)
        if word not in known:
            near = get_close_matches(word, known, n=1)
            raise self.fail(
                node,
                f"{field}: '{word}' is not known",
                hint=f"did you mean '{near[0]}'?" if near else f"known: {', '.join(known)}",
            )
        return word

    def number(
        self,
        node: yaml.Node,
        *,
        field: str,
        least: float = -_LARGEST_NUMBER,
        most: float = _LARGEST_NUMBER,
    ) -> float:
        word = self.word(node, field=field)
        try:
            number = float(word)
        except ValueError:
            number = math.nan
        if not abs(number) <= _LARGEST_NUMBER:
            raise self.fail(node, f"{field}: '{word}' is no number")
        if not least <= number <= most:
            raise self.fail(node, f"{field}: {word} is not from {least:g} to {most:g}")
        return number

    def truth(self, node: yaml.Node, *, field: str) -> bool:
        word = self.word(node, field=field)
        if word.lower() not in ("true", "false", "yes", "no"):
            raise self.fail(node, f"{field}: '{word}' is neither true nor false")
        return word.lower() in ("true", "yes")

    def points(self, node: yaml.Node, *, field: str, needs: str) -> list[tuple[float, float]]:
        """Places in a picture or on a plan, each two numbers from 0 to 1, in one flat list."""
        numbers = [self.number(item, field=field) for item in self.items(node, field=field)]
        if not numbers or len(numbers) % 2 or not all(0 <= number <= 1 for number in numbers):
            raise self.fail(
                node, f"{field}: needs {needs} from 0 to 1: from the left, from the top"
            )
        return list(zip(numbers[::2], numbers[1::2], strict=True))

    def duration(self, node: yaml.Node, *, field: str) -> timedelta:
        """``90s``, ``10m``, ``72h``, ``30d`` or ``2w``."""
        word = self.word(node, field=field).strip()
        try:
            secs = float(word[:-1]) * _UNITS[word[-1:]]
            span = timedelta(seconds=secs)
        except (KeyError, ValueError, OverflowError):
            span = timedelta(0)
        if span <= timedelta(0):
            raise self.fail(
                node, f"{field}: '{word}' is no length of time", hint="write 90s, 10m, 72h or 30d"
            )
        return span

    def secret_location(self, node: yaml.Node, *, field: str) -> Location:
        """A URL or path with its secrets filled in."""
        if self._secrets is None:
            return Location(self.word(node, field=field))
        word = self.word(node, field=field)
        try:
            if node.tag == "!secret":
                return Location(self._secrets.named(word))
            return Location(self._secrets.filled_in(word))
        except SettingsError as error:
            raise self.fail(node, f"{field}: {error}", hint=error.hint) from error
