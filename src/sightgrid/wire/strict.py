"""Reads JSON from strangers: every value has a type and bounds, and nothing is guessed."""

from __future__ import annotations

import binascii
import json
import math
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeVar

from sightgrid.domain.errors import InvalidRecord

MOMENT = re.compile(r"[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z")
YEARS = range(1970, 2200)
_WORD = re.compile(r"[a-z_]{1,32}")
T = TypeVar("T")


def read_object(text: bytes, where: str = "") -> Fields:
    """One JSON object.

    Raises:
        InvalidRecord: invalid UTF-8, no JSON, a key twice, NaN or Infinity, nested too deeply, or
            no object.
    """
    try:
        value: object = json.loads(
            text.decode("utf-8"), object_pairs_hook=_once_each, parse_constant=_not_finite
        )
    except UnicodeDecodeError:
        raise InvalidRecord("not_utf8", where) from None
    except RecursionError:
        raise InvalidRecord("too_deep", where) from None
    except ValueError:
        # not only JSONDecodeError: an integer of thousands of digits is one too
        raise InvalidRecord("not_json", where) from None
    return Fields(value, where)


class Fields:
    """The fields of one JSON object; each is taken once, and what is left over is a mistake."""

    __slots__ = ("_left", "where")

    def __init__(self, value: object, where: str = "") -> None:
        if not isinstance(value, dict):
            raise InvalidRecord("wrong_type", where, reason="expected an object")
        self._left: dict[str, object] = dict(value)
        self.where = where

    def place(self, name: str) -> str:
        """Where a field lies in the record, for messages."""
        return f"{self.where}.{name}" if self.where else name

    def has(self, name: str) -> bool:
        return name in self._left

    def empty(self, name: str) -> bool:
        """Whether a field is null or missing; either way it has then been taken."""
        if self._left.get(name) is None:
            self._left.pop(name, None)
            return True
        return False

    def take(self, name: str) -> object:
        try:
            return self._left.pop(name)
        except KeyError:
            raise InvalidRecord("missing_field", self.place(name)) from None

    def text(self, name: str, pattern: re.Pattern[str]) -> str:
        value = self.take(name)
        if not isinstance(value, str):
            raise InvalidRecord("wrong_type", self.place(name), reason="expected a text")
        if not pattern.fullmatch(value):
            raise InvalidRecord("wrong_format", self.place(name))
        return value

    def integer(self, name: str, least: int, most: int) -> int:
        value = self.take(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise InvalidRecord("wrong_type", self.place(name), reason="expected an integer")
        if not least <= value <= most:
            raise InvalidRecord("out_of_range", self.place(name))
        return value

    def number(self, name: str, least: float, most: float) -> float:
        return _number(self.take(name), self.place(name), least, most)

    def flag(self, name: str) -> bool:
        value = self.take(name)
        if not isinstance(value, bool):
            raise InvalidRecord("wrong_type", self.place(name), reason="expected true or false")
        return value

    def moment(self, name: str) -> datetime:
        text = self.text(name, MOMENT)
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            raise InvalidRecord("wrong_format", self.place(name)) from None
        if moment.year not in YEARS:
            raise InvalidRecord("out_of_range", self.place(name))
        return moment.astimezone(UTC)

    def numbers(self, name: str, count: int, least: float, most: float) -> list[float]:
        """Exactly ``count`` numbers."""
        place = self.place(name)
        value = self.take(name)
        if not isinstance(value, list):
            raise InvalidRecord("wrong_type", place, reason="expected a list")
        if len(value) != count:
            raise InvalidRecord("wrong_length", place, reason=f"expected {count}")
        return [_number(each, f"{place}[{i}]", least, most) for i, each in enumerate(value)]

    def octets(self, name: str, most: int) -> bytes:
        """Base64 of at most ``most`` bytes, padded, without line breaks."""
        place = self.place(name)
        value = self.take(name)
        if not isinstance(value, str):
            raise InvalidRecord("wrong_type", place, reason="expected base64")
        if len(value) > (most + 2) // 3 * 4:
            raise InvalidRecord("too_large", place, reason=f"at most {most} bytes")
        try:
            return binascii.a2b_base64(value, strict_mode=True)
        except ValueError:
            raise InvalidRecord("not_base64", place) from None

    def inner(self, name: str) -> Fields:
        return Fields(self.take(name), self.place(name))

    def each(self, name: str, most: int) -> list[Fields]:
        """A list of at most ``most`` objects."""
        place = self.place(name)
        value = self.take(name)
        if not isinstance(value, list):
            raise InvalidRecord("wrong_type", place, reason="expected a list")
        if len(value) > most:
            raise InvalidRecord("too_many", place, reason=f"at most {most}")
        return [Fields(one, f"{place}[{i}]") for i, one in enumerate(value)]

    def nothing_else(self) -> None:
        """Every field has been taken."""
        if self._left:
            # the name is the sender's, so it could hold anything: only its place is told
            raise InvalidRecord(
                "unknown_field", self.where, reason=f"{len(self._left)} that version 1 doesn't have"
            )


def one_of(fields: Fields, name: str, known: Callable[[str], T]) -> T:
    """A word of an enumeration."""
    text = fields.text(name, _WORD)
    try:
        return known(text)
    except ValueError:
        raise InvalidRecord("unknown_word", fields.place(name)) from None


def _number(value: object, place: str, least: float, most: float) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool):
        raise InvalidRecord("wrong_type", place, reason="expected a number")
    # 1e999 is valid JSON and reads as infinity
    if isinstance(value, float) and not math.isfinite(value):
        raise InvalidRecord("not_finite", place)
    if not least <= value <= most:
        raise InvalidRecord("out_of_range", place)
    return float(value)


def _once_each(pairs: list[tuple[str, object]]) -> dict[str, object]:
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise InvalidRecord("duplicate_key")
    return fields


def _not_finite(_: str) -> float:
    raise InvalidRecord("not_finite")
