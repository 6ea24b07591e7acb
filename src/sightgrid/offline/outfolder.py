"""The folder a run writes into: all of it appears at once, or nothing does.

Everything is written into a hidden folder and moved into place at the end, so that a crash, a full
disk or an interrupt leaves no half-written run that looks like a whole one. The hidden folder lies
beside the wanted one, or inside it if that is there already: it may be a disk of its own, and who
may write to it need not be allowed to write beside it.
"""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sightgrid.domain.errors import OutputError

# what a run leaves in its folder; --force replaces these and touches nothing else
_OF_A_RUN = (
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
_UNFINISHED = ".partial-"
_LONGEST_NAME = 40


def check_free(folder: Path, *, force: bool) -> None:
    """Whether a run may be written to ``folder``; nothing is changed.

    Raises:
        OutputError: it is a file, can't be made, or is not empty and ``force`` is not given.
    """
    for there in (folder, *folder.absolute().parents):
        if there.is_dir():
            if not os.access(there, os.W_OK | os.X_OK):
                raise OutputError(f"{there} may not be written to", hint="give another --out")
            break
        if there.exists() or there.is_symlink():
            raise OutputError(f"{there} is a file, not a folder", hint="give another --out")
    if folder.is_dir() and not force and any(map(_is_foreign, folder.iterdir())):
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
    # from Python 3.12 on, mkdtemp answers with an absolute path whatever it was given
    folder = folder.absolute()
    missing = [parent for parent in folder.parents if not parent.exists()]
    try:
        if folder.is_dir():
            stage = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=folder))
        else:
            folder.parent.mkdir(parents=True, exist_ok=True)
            prefix = f".{folder.name[:_LONGEST_NAME]}{_UNFINISHED}"
            stage = Path(tempfile.mkdtemp(prefix=prefix, dir=folder.parent))
    except OSError as error:
        _remove_empty(missing)
        raise output_error(error, folder) from error
    try:
        yield stage
        _move_into_place(stage, folder)
    except OSError as error:
        if error.errno is None:
            raise
        raise output_error(error, folder) from error
    finally:
        shutil.rmtree(stage, ignore_errors=True)
        if not folder.exists():
            _remove_empty(missing)


def output_error(error: OSError, folder: Path) -> OutputError:
    """The error of a failed write, in words a person can act on."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return OutputError(
            f"the disk is full: {folder} could not be written",
            hint="free some space or give an --out on another disk; nothing was left behind",
        )
    return OutputError(f"{folder} can't be written: {error.strerror or error}")


def _move_into_place(stage: Path, folder: Path) -> None:
    if stage.parent != folder:
        stage.chmod(0o777 & ~_umask())
        stage.rename(folder)
        return
    fresh = list(stage.iterdir())
    stale = {entry.name for entry in fresh}
    # a folder that holds no run may hold clips of its owner's
    if (folder / "run.json").is_file():
        stale |= {*_OF_A_RUN, *(path.name for path in folder.glob("*.mot.txt"))}
    # everything is renamed, which is quick, and deleted only when the new run is in place
    replaced = Path(tempfile.mkdtemp(dir=stage))
    for name in stale:
        if os.path.lexists(folder / name):
            (folder / name).rename(replaced / name)
    for entry in fresh:
        entry.rename(folder / entry.name)


def _is_foreign(entry: Path) -> bool:
    """Whether a file or folder is more than what a killed run left unfinished."""
    return not entry.name.startswith(_UNFINISHED)


def _remove_empty(folders: Iterable[Path]) -> None:
    """Removes folders, innermost first, up to the first that holds something."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
