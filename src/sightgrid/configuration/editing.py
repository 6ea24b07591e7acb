"""Adds and removes cameras in ``sightgrid.yml`` as a person would: other lines stay as they are.

What can't be changed that way is refused, never rewritten.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import NamedTemporaryFile

import yaml

from sightgrid.configuration.document import read_configuration
from sightgrid.configuration.reading import compose
from sightgrid.domain.cameras import CAMERA_NAME
from sightgrid.domain.errors import NotFound, OutputError, SettingsError


def add_camera(path: Path, name: str, fields: Mapping[str, object]) -> None:
    """Writes a camera into the file, which is made if it is not there.

    Args:
        fields: in the words of the file; secrets as ``{SIGHTGRID_…}``.

    Raises:
        SettingsError: the name is taken or can't be one, a field is wrong, or the file is written
            in a way that can't be added to.
    """
    if not CAMERA_NAME.fullmatch(name):
        raise SettingsError(
            f"'{name}' can't be the name of a camera",
            hint="1 to 100 of the letters A-Z, a-z, digits, _ and -",
        )
    entry = ", ".join(
        f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in fields.items()
    )
    if not path.exists():
        _replace(path, f"cameras:\n  {name}: {{{entry}}}\n")
        return
    lines, cameras = _lines(path), _cameras(path)
    if cameras is None:
        if lines and not lines[-1].endswith("\n"):
            lines[-1] += "\n"
        _replace(path, "".join(lines) + f"cameras:\n  {name}: {{{entry}}}\n")
        return
    block = _block(path, cameras)
    for key, _ in block.value:
        if key.value == name:
            raise SettingsError(
                f"{path}, line {key.start_mark.line + 1}: there is a camera '{name}' already"
            )
    last = _last_line(block.value[-1][1])
    if not lines[last].endswith("\n"):
        lines[last] += "\n"
    indent = " " * block.value[0][0].start_mark.column
    lines.insert(last + 1, f"{indent}{name}: {{{entry}}}\n")
    _replace(path, "".join(lines))


def remove_camera(path: Path, name: str) -> None:
    """Takes a camera's lines out of the file.

    Raises:
        NotFound: there is no such camera.
        SettingsError: a link still names it, or the file is written in a way that can't be cut.
    """
    lines, cameras = _lines(path), _cameras(path)
    if cameras is None:
        raise NotFound(f"{path}: there is no camera '{name}'")
    block = _block(path, cameras)
    for key, value in block.value:
        if key.value != name:
            continue
        first, last = key.start_mark.line, _last_line(value)
        if len(block.value) == 1:
            first = next(node.start_mark.line for word, node in _top(path) if word == "cameras")
        _replace(path, "".join(lines[:first] + lines[last + 1 :]))
        return
    raise NotFound(f"{path}: there is no camera '{name}'")


def set_site(path: Path, fields: Mapping[str, str]) -> None:
    """Writes fields of ``site:`` into the file, which is made if it is not there.

    Args:
        fields: ``name``, ``timezone``; those that the file has not get a place.

    Raises:
        SettingsError: a field is wrong, or the file is written in a way that can't be added to.
    """
    written = {key: json.dumps(value, ensure_ascii=False) for key, value in fields.items()}
    inline = ", ".join(f"{key}: {value}" for key, value in written.items())
    text = path.read_text("utf-8") if path.exists() else ""
    root = compose(path) if path.exists() else None
    if root is None:
        _replace(path, f"site: {{{inline}}}\n{text}")
        return
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f"{path}, line 1: sightgrid.yml must be a mapping of names to values")
    site = next((value for key, value in root.value if key.value == "site"), None)
    if site is None:
        _replace(path, f"site: {{{inline}}}\n{text}")
        return
    if not isinstance(site, yaml.MappingNode) or not site.value:
        raise SettingsError(
            f"{path}, line {site.start_mark.line + 1}: 'site' is written in a way that can't be "
            "changed without rewriting the file",
            hint="edit the file",
        )
    # marks of a text with a byte order mark, or with other line ends, would not fit
    changes = [
        (value.start_mark.index, value.end_mark.index, written.pop(key.value))
        for key, value in site.value
        if key.value in written
    ]
    first = site.value[0][0].start_mark
    between = ", " if site.flow_style else "\n" + " " * first.column
    fresh = "".join(f"{key}: {value}{between}" for key, value in written.items())
    changes.append((first.index, first.index, fresh))
    for start, end, value in sorted(changes, reverse=True):
        text = text[:start] + value + text[end:]
    _replace(path, text)


def _replace(path: Path, text: str) -> None:
    """Puts the text in place of the file once it has been read back as a configuration."""
    mode = path.stat().st_mode & 0o777 if path.exists() else 0o600
    try:
        with NamedTemporaryFile(
            "w", encoding="utf-8", dir=path.parent, prefix=".", suffix=path.name, delete=False
        ) as stream:
            fresh = Path(stream.name)
            stream.write(text)
    except OSError as error:
        raise OutputError(f"{path}: can't be written: {error.strerror}") from error
    try:
        try:
            read_configuration(fresh, environment=_AnySecret())
        except SettingsError as error:
            message = str(error).replace(str(fresh), str(path))
            raise SettingsError(message, hint=error.hint) from None
        fresh.chmod(mode)
        fresh.replace(path)
    finally:
        fresh.unlink(missing_ok=True)


class _AnySecret(Mapping[str, str]):
    """An environment in which every secret is set: who edits the file need not know them."""

    def __getitem__(self, name: str) -> str:
        if name.startswith("SIGHTGRID_"):
            return "set"
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def __len__(self) -> int:
        return 0


def _lines(path: Path) -> list[str]:
    return path.read_text("utf-8").splitlines(keepends=True)


def _top(path: Path) -> list[tuple[str, yaml.Node]]:
    root = compose(path)
    if root is None:
        return []
    if not isinstance(root, yaml.MappingNode):
        raise SettingsError(f"{path}, line 1: sightgrid.yml must be a mapping of names to values")
    return [(str(key.value), key) for key, _ in root.value]


def _cameras(path: Path) -> yaml.Node | None:
    root = compose(path)
    if isinstance(root, yaml.MappingNode):
        for key, value in root.value:
            if key.value == "cameras":
                found: yaml.Node = value
                return found
    return None


def _block(path: Path, cameras: yaml.Node) -> yaml.MappingNode:
    if not isinstance(cameras, yaml.MappingNode) or cameras.flow_style or not cameras.value:
        raise SettingsError(
            f"{path}, line {cameras.start_mark.line + 1}: its cameras are written in a way that "
            "can't be changed without rewriting the file",
            hint="write each camera on a line of its own below 'cameras:', or edit the file",
        )
    return cameras


def _last_line(node: yaml.Node) -> int:
    """The line on which a value ends; a block's end mark stands before what follows it."""
    if isinstance(node, yaml.MappingNode) and not node.flow_style and node.value:
        return _last_line(node.value[-1][1])
    if isinstance(node, yaml.SequenceNode) and not node.flow_style and node.value:
        return _last_line(node.value[-1])
    return int(node.end_mark.line if node.end_mark.column else node.end_mark.line - 1)
