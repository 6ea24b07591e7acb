"""The folder a run writes into: all of it appears at once, or nothing does.

Everything is written into a hidden folder beside the wanted one and moved into place at the end,
so that a crash, a full disk or an interrupt leaves no half-written run that looks like a whole one.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from sightgrid.domain.errors import OutputError

# what a run writes; --force replaces these and touches nothing else
_OURS = (
    "sightings.csv",
    "visits.csv",
    "identities.csv",
    "report.html",
    "run.json",
    "sightgrid.db",
    "crops",
    "annotated",
    "truth",
    "clips",
)


def check_free(folder: Path, *, force: bool) -> None:
    """Whether a run may be written to ``folder``.

    Raises:
        OutputError: it is a file, or not empty and ``force`` is not given.
    """
    if folder.exists() and not folder.is_dir():
        raise OutputError(f"{folder} is a file, not a folder", hint="give another --out")
    if folder.is_dir() and any(folder.iterdir()) and not force:
        raise OutputError(
            f"{folder} is not empty",
            hint="give another --out, or --force to replace the run that lies there",
        )


@contextmanager
def staged(folder: Path) -> Iterator[Path]:
    """A folder to write a run into; on a clean exit it becomes ``folder``, else it is gone.

    Raises:
        OutputError: it can't be made, filled (disk full) or moved into place.
    """
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        stage = Path(tempfile.mkdtemp(prefix=f".{folder.name}.partial-", dir=folder.parent))
    except OSError as error:
        raise OutputError(f"{folder} can't be written: {error.strerror}") from error
    try:
        yield stage
        _move_into_place(stage, folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise output_error(error, folder) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)


def output_error(error: OSError, folder: Path) -> OutputError:
    """The error of a failed write, in words a person can act on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"the disk is full: {folder} could not be written",
            hint="free some space or give an --out on another disk; nothing was left behind",
        )
    return OutputError(f"{folder} can't be written: {error.strerror or error}")


def _move_into_place(stage: Path, folder: Path) -> None:
    stage.chmod(0o777 & ~_umask())
    if not folder.exists():
        stage.rename(folder)
        return
    for name in _OURS:
        _remove(folder / name)
    for stale in folder.glob("*.mot.txt"):
        _remove(stale)
    for entry in stage.iterdir():
        target = folder / entry.name
        _remove(target)
        shutil.move(entry, target)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
