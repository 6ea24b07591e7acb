"""What a database driver complains about, said in the product's own errors."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from sightgrid.domain.errors import OutputError, SightgridError, StoreError


def translation(original: BaseException, *, database: str) -> SightgridError | None:
    """The error to raise instead of ``original``; ``None`` leaves it as it is.

    Driver messages of refused rows are left out on purpose: some quote names. The original stays
    reachable as the cause.
    """
    if isinstance(original, SightgridError):
        return original
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, database)
    return None


def refused(original: BaseException | None, *, database: str) -> StoreError:
    """For any other driver error."""
    kind = type(original).__name__ if original is not None else "no reason given"
    return StoreError(
        f"the database {database} refused the request ({kind})",
        hint="see the log of the database server" if "://" in database else None,
    )


def _of_sqlite(original: sqlite3.Error, database: str) -> SightgridError:
    name = getattr(original, "sqlite_errorname", "")
    kind = "_".join(name.split("_")[:2])
    match kind:
        case "SQLITE_FULL":
            return OutputError(
                f"disk full while writing {database}",
                hint="free some space, then run the command again",
            )
        case "SQLITE_READONLY":
            return StoreError(
                f"{database} is read-only",
                hint="check the permissions of the file and of its folder",
            )
        case "SQLITE_CANTOPEN":
            return StoreError(
                f"can't open the database {database}",
                hint="check that its folder exists and may be read and written",
            )
        case "SQLITE_NOTADB":
            return StoreError(f"{database} is not a SQLite database")
        case "SQLITE_CORRUPT":
            return StoreError(f"{database} is damaged", hint="restore it from a backup")
        case "SQLITE_BUSY" | "SQLITE_LOCKED":
            return StoreError(
                f"{database} is in use by another program",
                hint="wait until that program is done, then try again",
            )
        case "SQLITE_IOERR":
            return StoreError(
                f"reading or writing {database} failed", hint="check the disk that it is on"
            )
        case "SQLITE_CONSTRAINT":
            return StoreError(f"{database} refused a row that contradicts the rows it has")
        case _:
            return refused(original, database=database)


def raise_in_our_words(context: sa.engine.ExceptionContext, *, database: str) -> None:
    """For SQLAlchemy's ``handle_error``: no exception of a driver leaves the store.

    Raises:
        SightgridError: always, but for what is a mistake in the program and no driver's word.
    """
    original = context.original_exception
    error = translation(original, database=database)
    if error is None and isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError):
        error = refused(original, database=database)
    if error is not None:
        raise error from (None if error is original else original)
