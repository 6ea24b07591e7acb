"""The one tree of errors that sightgrid raises on purpose.

::

    SightgridError                 message for a person, optional hint: what to do about it
    ├── InvalidValue               an array or value that breaks a domain type's promise
    │   ├── ContractMismatch       embeddings of different contracts were about to be compared
    │   ├── InvalidFields          a form with mistakes, each told at its field
    │   └── InvalidRecord          a line that is no record of the wire, with code and field
    ├── SourceError                a camera, video file or image folder that can't be read
    │   └── StreamFault            a live camera's pictures stopped coming; says which trouble it is
    ├── ImageError                 one picture that can't be read
    ├── PackError                  a model pack that is unknown, damaged or incomplete
    ├── HeadError                  a stored head that is damaged or of another kind or version
    ├── SettingsError              a grid or settings file with a mistake in it, named by line
    ├── OutputError                a result that can't be written (folder taken, disk full)
    ├── StoreError                 the database can't be opened, or is of another version
    │   └── StoreBusy              it broke a transaction off in favour of another: try again
    ├── SpoolError                 what a box keeps until the server has it
    │   ├── SpoolFull              no room: nothing was written, and it may be tried again
    │   └── SpoolFailed            the disk can't be relied on: stop, loudly
    ├── UnderHold                  it may not be erased: somebody has to have it
    ├── NotFound                   a serial, person or run that isn't there
    └── MissingExtra               an optional package that this command needs
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sightgrid.domain.cameras import Trouble


class SightgridError(Exception):
    """Root of the tree. ``str(error)`` is one line; ``hint`` says what to do, if that is known."""

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __reduce__(self) -> tuple[Any, ...]:
        # made anew from its message and fields, not through the constructors, whose arguments
        # differ: an error that can't be read back breaks the pool of processes it comes from
        return _remade, (type(self), self.args, dict(self.__dict__))


def _remade(
    kind: type[SightgridError], args: tuple[object, ...], fields: dict[str, object]
) -> SightgridError:
    error = kind.__new__(kind, *args)
    error.__dict__.update(fields)
    return error


class InvalidValue(SightgridError):
    """A value that breaks the promise of the type it was given to."""


class ContractMismatch(InvalidValue):
    """Embeddings made under different contracts can't be compared."""


class InvalidFields(InvalidValue):
    """Something filled in wrongly: ``fields`` says what is wrong with each field, by its name."""

    def __init__(self, fields: Mapping[str, str], *, hint: str | None = None) -> None:
        super().__init__(
            "; ".join(f"{name}: {problem}" for name, problem in fields.items()), hint=hint
        )
        self.fields = dict(fields)


class InvalidRecord(InvalidValue):
    """A line, or a whole body, that is no record of the wire.

    ``code`` is a word for machines, ``field`` the place in the record (``looks[2].vector``), empty
    for the whole. What the record holds is never part of the message. ``permanent`` says that
    sending it again can't help; a record of a later wire version can be read after an upgrade.
    ``sighting_id`` and ``revision`` are there as far as they could be read.
    """

    def __init__(
        self,
        code: str,
        field: str = "",
        *,
        reason: str = "",
        permanent: bool = True,
        sighting_id: str | None = None,
        revision: int | None = None,
        sha256: str = "",
    ) -> None:
        place = f" at {field}" if field else ""
        super().__init__(f"record refused: {code}{place}{': ' if reason else ''}{reason}")
        self.code = code
        self.field = field
        self.permanent = permanent
        self.sighting_id = sighting_id
        self.revision = revision
        self.sha256 = sha256


class SourceError(SightgridError):
    """A video file, image folder or stream that can't be opened or holds no picture."""


class StreamFault(SourceError):
    """A live camera gives no pictures (any more): ``trouble`` is the reason in one word."""

    def __init__(self, trouble: Trouble, message: str, *, hint: str | None = None) -> None:
        super().__init__(message, hint=hint)
        self.trouble = trouble


class ImageError(SightgridError):
    """A picture that can't be read: missing, empty, damaged, of another kind or too large."""


class PackError(SightgridError):
    """A model pack that is unknown, damaged, incomplete or not permitted."""


class HeadError(SightgridError):
    """A stored head that can't be read: damaged, tampered with, of another kind or version."""


class SettingsError(SightgridError):
    """A settings or grid file with a mistake; the message names file, line and field."""


class OutputError(SightgridError):
    """A result that can't be written."""


class StoreError(SightgridError):
    """A database that can't be opened, is damaged or was made by another version."""


class StoreBusy(StoreError):
    """The database broke a transaction off in favour of another one; later it may well succeed."""


class SpoolError(SightgridError):
    """A box's spool can't do what it was asked for."""


class SpoolFull(SpoolError):
    """The disk has no room. The transaction was undone; it may be tried again later."""


class SpoolFailed(SpoolError):
    """The disk reported an error or holds damage: what was written since can't be relied on.

    Nobody may go on as if nothing had happened: the process ends (exit code 74) and the spool is
    opened anew, which reads back what really is on disk.
    """

    exit_code = 74


class NotFound(SightgridError):
    """A serial, person, sighting or run that does not exist."""


class UnderHold(SightgridError):
    """A legal hold covers what was to be erased."""


class MissingExtra(SightgridError):
    """An optional package is needed for what was asked."""

    def __init__(self, what: str, *, extra: str) -> None:
        super().__init__(
            f"{what} needs the optional package group '{extra}'",
            hint=f"install sightgrid with it, from its folder: pip install '.[{extra}]'",
        )
