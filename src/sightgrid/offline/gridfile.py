"""Reads a grid file: where cameras stand, how they are linked, which views never overlap.

The same words as in ``sightgrid.yml``::

    cameras:
      entrance: {position: [0.2, 0.7]}
      stairs: {position: [0.6, 0.3]}
    links:
      - {from: entrance, to: stairs, secs: [4, 60]}
      - {from: stairs, to: office, overlap: false}

A mistake is answered with file, line, field and the nearest known word.
"""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

from sightgrid.configuration.grid import CAMERA_FIELDS, GridWords
from sightgrid.configuration.reading import Reader, compose
from sightgrid.domain.grid import CameraGrid

_TOP = ("cameras", "positions", "links", "overlap")


def read_grid(path: Path, *, cameras: Collection[str]) -> CameraGrid:
    """The grid described by a YAML (or JSON) file.

    Args:
        path: the file. cameras: the names of this run; the file may name more.

    Raises:
        SettingsError: the file can't be read or holds a mistake, named by line.
    """
    root = compose(path)
    if root is None:
        return CameraGrid()
    reader = Reader(path)
    words = GridWords(reader)
    for key, node in reader.fields(root, known=_TOP, what="a grid file"):
        match key:
            case "cameras":
                for name, fields in reader.fields(node, known=None, what="cameras"):
                    what = f"camera {name}"
                    for word, value in reader.fields(fields, known=CAMERA_FIELDS, what=what):
                        words.camera_field(name, word, value)
            case "positions":
                for name, value in reader.fields(node, known=None, what="positions"):
                    words.position(name, value, field=f"positions.{name}")
            case "links":
                words.links(node)
            case "overlap":
                words.overlap(node)
    return words.grid(cameras)
