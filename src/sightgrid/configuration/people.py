"""The section ``people:``: which attributes are written down about a person."""

from __future__ import annotations

from dataclasses import replace

import yaml

from sightgrid.configuration.reading import Reader
from sightgrid.configuration.settings import PeopleSettings
from sightgrid.domain.attributes import (
    ATTRIBUTE_NAME,
    NAME,
    PHOTO_STATUS,
    PRESETS,
    Attribute,
    AttributeKind,
    AttributeSet,
)

PEOPLE_FIELDS = ("attributes", "key", "adult_at")
ATTRIBUTE_FIELDS = ("name", "label", "kind", "required", "choices")
_KINDS = tuple(kind.value for kind in AttributeKind if kind is not AttributeKind.COMPUTED)
_MOST_ATTRIBUTES = 60


def people_settings(reader: Reader, node: yaml.Node) -> PeopleSettings:
    """What the section says.

    Raises:
        SettingsError: it holds a mistake, named by line.
    """
    found = PeopleSettings()
    key: tuple[yaml.Node, str] | None = None
    for name, value in reader.fields(node, known=PEOPLE_FIELDS, what="people"):
        field = f"people.{name}"
        match name:
            case "attributes":
                found = replace(found, attributes=_attributes(reader, value))
            case "key":
                key = value, reader.word(value, field=field)
            case "adult_at":
                years = reader.number(value, field=field, least=0, most=30)
                found = replace(found, adult_at=round(years))
    if key is not None:
        where, word = key
        reader.choice(where, [one.name for one in found.attributes.written], field="people.key")
        found = replace(found, attributes=replace(found.attributes, key=word))
    return found


def _attributes(reader: Reader, node: yaml.Node) -> AttributeSet:
    """A preset by its name, or a list of attributes."""
    if not isinstance(node, yaml.SequenceNode):
        return PRESETS[reader.choice(node, tuple(PRESETS), field="people.attributes")]
    items = reader.items(node, field="people.attributes")
    found: list[Attribute] = []
    for item in items:
        one = _attribute(reader, item)
        if one.name in {other.name for other in found}:
            raise reader.fail(item, f"people.attributes: '{one.name}' stands twice")
        found.append(one)
    if len(found) > _MOST_ATTRIBUTES:
        raise reader.fail(node, f"people.attributes: more than {_MOST_ATTRIBUTES} are too many")
    if NAME not in {one.name for one in found}:
        raise reader.fail(
            node, "people.attributes: 'name' is missing", hint="add: - {name: name, required: true}"
        )
    found = [replace(one, required=True) if one.name == NAME else one for one in found]
    computed = Attribute(PHOTO_STATUS, "Photos", AttributeKind.COMPUTED)
    return AttributeSet("own", (*found, computed))


def _attribute(reader: Reader, node: yaml.Node) -> Attribute:
    name, label, kind, required = "", "", AttributeKind.TEXT, False
    choices: tuple[str, ...] = ()
    for key, value in reader.fields(node, known=ATTRIBUTE_FIELDS, what="an attribute"):
        field = f"people.attributes.{key}"
        match key:
            case "name":
                name = reader.word(value, field=field)
                if not ATTRIBUTE_NAME.fullmatch(name) or name == PHOTO_STATUS:
                    raise reader.fail(
                        value,
                        f"{field}: '{name}' can't be the name of a field",
                        hint="small letters, digits and _, such as student_id",
                    )
            case "label":
                label = reader.word(value, field=field)
            case "kind":
                kind = AttributeKind(reader.choice(value, _KINDS, field=field))
            case "required":
                required = reader.truth(value, field=field)
            case "choices":
                choices = tuple(
                    reader.word(one, field=field) for one in reader.items(value, field=field)
                )
    if not name:
        raise reader.fail(node, "an attribute needs 'name'")
    if (kind is AttributeKind.CHOICE) != bool(choices):
        raise reader.fail(
            node, f"people.attributes: {name}: choices belong to kind 'choice', and it to them"
        )
    return Attribute(name, label or name.replace("_", " ").capitalize(), kind, required, choices)
