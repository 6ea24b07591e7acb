"""What a database driver complains about, said in the product's own errors."""

from __future__ import annotations

import sqlite3

import sqlalchemy as sa

from sightgrid.domain.errors import (
    InvalidValue,
    OutputError,
    SightgridError,
    StoreBusy,
    StoreError,
)


def translation(original: BaseException, *, database: str) -> SightgridError | None:
    """The error to raise instead of ``original``; ``None`` leaves it as it is.

    Driver messages of refused rows are left out on purpose: some quote names. The original stays
    reachable as the cause.
    """
    if isinstance(original, SightgridError):
        return original
    if isinstance(original, sqlite3.Error):
        return _of_sqlite(original, database)
    code = _code_of(original)
    return None if code is None else _of_server(code, database)


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
            return StoreBusy(
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


def _code_of(original: BaseException) -> str | None:
    """PostgreSQL's five characters or MySQL's number, if it is an error of either."""
    state = getattr(original, "sqlstate", None)
    if isinstance(state, str):
        return state
    module = type(original).__module__.partition(".")[0]
    if module == "pymysql" and original.args and isinstance(original.args[0], int):
        return str(original.args[0])
    return None


def _of_server(code: str, database: str) -> SightgridError | None:
    match code:
        # serialization, deadlock, lock not to be had; the same of MySQL, and a changed row
        case "40001" | "40P01" | "55P03" | "1213" | "1205" | "1020":
            return StoreBusy(f"the database {database} is busy", hint="try again in a moment")
        case "25006" | "1792" | "1290":
            return StoreError(f"{database} is read-only")
        case "53100" | "1114" | "1021" | "3":
            return OutputError(
                f"disk full while writing {database}",
                hint="free some space on the database server, then run the command again",
            )
        case "1062" | "1048" | "1216" | "1217" | "1451" | "1452":
            return StoreError(f"{database} refused a row that contradicts the rows it has")
        case "2002" | "2003" | "2005" | "2006" | "2013" | "2055" | "57P01" | "57P02" | "57P03":
            return StoreError(
                f"the database {database} can't be reached", hint="check that its server runs"
            )
        case "1044" | "1045" | "1049" | "28000" | "28P01" | "3D000":
            return StoreError(
                f"the database {database} does not let us in", hint="check user, password and name"
            )
        case _ if code.startswith("23"):
            return StoreError(f"{database} refused a row that contradicts the rows it has")
        case _:
            return None


def _does_not_fit(context: sa.engine.ExceptionContext) -> bool:
    """Whether it is a value that is wrong, not the database: a zero byte in a text of PostgreSQL's,
    half a surrogate pair, a number of too many digits. Sending it again would not help."""
    if isinstance(context.original_exception, UnicodeEncodeError | OverflowError):
        return True
    return isinstance(context.sqlalchemy_exception, sa.exc.DataError)


def raise_in_our_words(context: sa.engine.ExceptionContext, *, database: str) -> None:
    """For SQLAlchemy's ``handle_error``: no exception of a driver leaves the store.

    Raises:
        InvalidValue: a value does not fit into its column.
        SightgridError: nearly always; not for a mistake in the program, which is no driver's word.
    """
    if (context.statement or "").startswith("DESCRIBE "):
        # how SQLAlchemy asks MySQL whether a table is there; it understands the refusal itself
        return
    original = context.original_exception
    if _does_not_fit(context):
        raise InvalidValue("a value is too large, or holds letters that can't be stored") from (
            original
        )
    error = translation(original, database=database)
    if error is None and isinstance(context.sqlalchemy_exception, sa.exc.DBAPIError):
        error = refused(original, database=database)
    if error is not None:
        raise error from (None if error is original else original)
