"""The one tree of errors that sightgrid raises on purpose.

::

    SightgridError                 message for a person, optional hint: what to do about it
    ├── InvalidValue               an array or value that breaks a domain type's promise
    │   └── ContractMismatch       embeddings of different contracts were about to be compared
    ├── SourceError                a camera, video file or image folder that can't be read
    ├── ImageError                 one picture that can't be read
    ├── PackError                  a model pack that is unknown, damaged or incomplete
    ├── SettingsError              a grid or settings file with a mistake in it, named by line
    ├── OutputError                a result that can't be written (folder taken, disk full)
    ├── StoreError                 the database can't be opened, or is of another version
    ├── NotFound                   a serial, person or run that isn't there
    └── MissingExtra               an optional package that this command needs
"""

from __future__ import annotations


class SightgridError(Exception):
    """Root of the tree. ``str(error)`` is one line; ``hint`` says what to do, if that is known."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint


class InvalidValue(SightgridError):
    """A value that breaks the promise of the type it was given to."""


class ContractMismatch(InvalidValue):
    """Embeddings made under different contracts can't be compared."""


class SourceError(SightgridError):
    """A video file, image folder or stream that can't be opened or holds no picture."""


class ImageError(SightgridError):
    """A picture that can't be read: missing, empty, damaged, of another kind or too large."""


class PackError(SightgridError):
    """A model pack that is unknown, damaged, incomplete or not permitted."""


class SettingsError(SightgridError):
    """A settings or grid file with a mistake; the message names file, line and field."""


class OutputError(SightgridError):
    """A result that can't be written."""


class StoreError(SightgridError):
    """A database that can't be opened, is damaged or was made by another version."""


class NotFound(SightgridError):
    """A serial, person, sighting or run that does not exist."""


class MissingExtra(SightgridError):
    """An optional package is needed for what was asked."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs the optional package group '{extra}'",
            hint=f"install sightgrid with it, from its folder: pip install '.[{extra}]'",
        )
