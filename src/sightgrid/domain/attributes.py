"""What is written down about a person: sets of attributes, checked field by field."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from sightgrid.domain.errors import InvalidFields

ATTRIBUTE_NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
NAME = "name"
PHOTO_STATUS = "photo_status"
BIRTHDAY = "birthday"
_LONGEST = 200
_LONGEST_ADDRESS = 500
_EMAIL = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
_PHONE = re.compile(r"\+?[0-9][0-9 ().\-/]{3,30}")


class AttributeKind(StrEnum):
    """How a value is checked. *computed* is told by the program and never written by anybody."""

    TEXT = "text"
    LONG_TEXT = "long-text"
    DATE = "date"
    EMAIL = "email"
    PHONE = "phone"
    CHOICE = "choice"
    COMPUTED = "computed"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One field. ``choices`` are the words that a *choice* takes."""

    name: str
    label: str
    kind: AttributeKind = AttributeKind.TEXT
    required: bool = False
    choices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class AttributeSet:
    """The fields of a person, in the order they are shown; *name* is always one of them.

    ``key`` is the field that no two people share, such as a student's number. Two people may then
    have one name. Whoever has no value there is told apart by the name.
    """

    name: str
    attributes: tuple[Attribute, ...]
    key: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(one.name for one in self.attributes)

    @property
    def written(self) -> tuple[Attribute, ...]:
        """The fields that people fill in."""
        return tuple(one for one in self.attributes if one.kind is not AttributeKind.COMPUTED)

    def checked(self, values: Mapping[str, str]) -> dict[str, str]:
        """The values of one person, trimmed; fields without a value are left out.

        Raises:
            InvalidFields: a field is missing, unknown or holds what it may not, each by name.
        """
        problems = {
            name: "there is no such field"
            for name in values
            if name not in {one.name for one in self.written}
        }
        found: dict[str, str] = {}
        for one in self.written:
            value = unicodedata.normalize("NFC", values.get(one.name, "")).strip()
            problem = _problem(one, value)
            if problem is not None:
                problems[one.name] = problem
            elif value:
                found[one.name] = value
        if problems:
            raise InvalidFields(problems)
        return found

    def apart(self, details: Mapping[str, str]) -> tuple[str, str]:
        """What tells a person apart from all others: the field and its value."""
        if self.key is not None and details.get(self.key):
            return self.key, details[self.key]
        return NAME, details[NAME]


def _problem(attribute: Attribute, value: str) -> str | None:
    if not value:
        return "is required" if attribute.required else None
    long = attribute.kind is AttributeKind.LONG_TEXT
    most = _LONGEST_ADDRESS if long else _LONGEST
    if len(value) > most:
        return f"is longer than {most} characters"
    if any(unicodedata.category(sign) == "Cc" and not (long and sign == "\n") for sign in value):
        return "holds characters that can't be printed"
    match attribute.kind:
        case AttributeKind.DATE:
            try:
                date.fromisoformat(value)
            except ValueError:
                return "is no date; write it as 2004-12-31"
        case AttributeKind.EMAIL if not _EMAIL.fullmatch(value):
            return "is no e-mail address"
        case AttributeKind.PHONE if not _PHONE.fullmatch(value):
            return "is no telephone number"
        case AttributeKind.CHOICE if value not in attribute.choices:
            return f"is none of: {', '.join(attribute.choices)}"
        case _:
            pass
    return None


PLAIN = AttributeSet(
    "plain",
    (
        Attribute(NAME, "Name", required=True),
        Attribute("number", "Number"),
        Attribute("group", "Group"),
        Attribute("email", "E-mail", AttributeKind.EMAIL),
        Attribute("phone", "Phone", AttributeKind.PHONE),
        Attribute(BIRTHDAY, "Birthday", AttributeKind.DATE),
        Attribute("note", "Note", AttributeKind.LONG_TEXT),
        Attribute(PHOTO_STATUS, "Photos", AttributeKind.COMPUTED),
    ),
    key="number",
)
STUDENT = AttributeSet(
    "student",
    (
        Attribute("student_id", "Student id", required=True),
        Attribute(NAME, "Name", required=True),
        Attribute("class", "Class"),
        Attribute("faculty", "Faculty"),
        Attribute("course", "Course"),
        Attribute("year", "Year"),
        Attribute("semester", "Semester"),
        Attribute("gender", "Gender"),
        Attribute(BIRTHDAY, "Birthday", AttributeKind.DATE),
        Attribute("email", "E-mail", AttributeKind.EMAIL),
        Attribute("phone", "Phone", AttributeKind.PHONE),
        Attribute("address", "Address", AttributeKind.LONG_TEXT),
        Attribute(PHOTO_STATUS, "Photos", AttributeKind.COMPUTED),
    ),
    key="student_id",
)
EMPLOYEE = AttributeSet(
    "employee",
    (
        Attribute("employee_id", "Employee id", required=True),
        Attribute(NAME, "Name", required=True),
        Attribute("department", "Department"),
        Attribute("position", "Position"),
        Attribute("location", "Location"),
        Attribute("email", "E-mail", AttributeKind.EMAIL),
        Attribute("phone", "Phone", AttributeKind.PHONE),
        Attribute("hired", "Employed since", AttributeKind.DATE),
        Attribute(PHOTO_STATUS, "Photos", AttributeKind.COMPUTED),
    ),
    key="employee_id",
)
PRESETS = {one.name: one for one in (PLAIN, STUDENT, EMPLOYEE)}


def age_at(birthday: str, day: date) -> int:
    """How old somebody born on ``birthday`` (ISO) is on a day, in whole years."""
    born = date.fromisoformat(birthday)
    return day.year - born.year - ((day.month, day.day) < (born.month, born.day))


def folded(text: str) -> str:
    """A text as it is searched: without case and accents."""
    parts = unicodedata.normalize("NFKD", text.casefold().replace("đ", "d").replace("ø", "o"))
    return "".join(sign for sign in parts if not unicodedata.combining(sign))
