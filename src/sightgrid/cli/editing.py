"""``sightgrid identity merge``, ``split`` and ``undo``: putting right who is who."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.output import json_option, note, write_json
from sightgrid.cli.runs import ledger_of
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from sightgrid.ledger.editing import Consequences, Made, MadeEdit
    from sightgrid.store import Store, Transaction

_ACTOR = "cli"

run_option = click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of an offline run; else the configured server's ledger.",
)
reason_option = click.option("--reason", default="", help="Why; kept with the edit.")
preview_option = click.option("--preview", is_flag=True, help="Only say what would change.")


@click.command("merge")
@click.argument("serial", type=click.IntRange(1))
@click.option("--into", type=click.IntRange(1), required=True, help="Who SERIAL is.")
@run_option
@reason_option
@preview_option
@on_site
@json_option
def merge(
    serial: int,
    into: int,
    folder: Path | None,
    reason: str,
    preview: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """From now on SERIAL stands for another identity; everything seen of it is theirs."""
    from sightgrid.ledger import editing

    with _editable(folder, config_file, data_folder) as store:
        make_and_tell(
            store,
            lambda tx: editing.merge(tx, serial, into=into, **made_by(reason)),
            ("merge", f"serial:{serial}", reason),
            preview=preview,
            json_file=json_file,
        )


@click.command("split")
@click.argument("serial", type=click.IntRange(1))
@click.option(
    "--sightings",
    "sighting_ids",
    required=True,
    metavar="ID,…",
    help="Those that are somebody else, by id, separated by commas.",
)
@run_option
@reason_option
@preview_option
@on_site
@json_option
def split(
    serial: int,
    sighting_ids: str,
    folder: Path | None,
    reason: str,
    preview: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Some sightings of SERIAL are somebody else, who gets a new serial."""
    from sightgrid.ledger import editing

    chosen = [one.strip() for one in sighting_ids.split(",") if one.strip()]
    with _editable(folder, config_file, data_folder) as store:
        make_and_tell(
            store,
            lambda tx: editing.split(tx, serial, chosen, **made_by(reason)),
            ("split", f"serial:{serial}", reason),
            preview=preview,
            json_file=json_file,
        )


@click.command("undo")
@click.argument("edit_id", metavar="EDIT")
@run_option
@on_site
@json_option
def undo(
    edit_id: str,
    folder: Path | None,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Make an edit count no more, whatever was done after it."""
    with _editable(folder, config_file, data_folder) as store:
        found = store.run(lambda tx: _undo(tx, edit_id))
    _tell(edit_id, None, found, json_file)


def _undo(tx: Transaction, edit_id: str) -> Consequences:
    from sightgrid.ledger import editing
    from sightgrid.store.audit import note_event

    found = editing.undo(tx, edit_id, by=_ACTOR, at=_now())
    if tx.keys is not None:
        note_event(tx, at=_now(), actor=_ACTOR, action="edit-undone", subject=f"edit:{edit_id}")
    return found


def make_and_tell(
    store: Store,
    work: Callable[[Transaction], MadeEdit],
    noted: tuple[str, str, str],
    *,
    preview: bool,
    json_file: str | None,
) -> None:
    """Makes an edit; on a server's ledger with its row in the audit."""
    from sightgrid.ledger.editing import previewed
    from sightgrid.server.edits import Noted, make_noted

    if preview:
        _tell(None, None, previewed(store, work), json_file)
        return
    if store.keys is None:
        made = store.run(work)
    else:
        made = make_noted(store, work, Noted(_ACTOR, *noted, _now()))
    _tell(made.edit_id, made.into, made.consequences, json_file)


def _tell(edit_id: str | None, into: int | None, what: Consequences, json_file: str | None) -> None:
    if json_file is not None:
        write_json(
            {
                "edit_id": edit_id,
                "into": into,
                "sightings": what.sightings,
                "visits": what.visits,
                "identities": list(what.serials),
            },
            json_file,
        )
    if json_file != "-":
        if edit_id is None:
            note(f"would change: {what}")
            return
        note(str(what) + ("" if into is None else f"; the new identity is {into}"))
        note("undo it with: sightgrid identity undo")
        click.echo(edit_id)


@contextmanager
def _editable(folder: Path | None, config_file: Path, data_folder: Path | None) -> Iterator[Store]:
    """The ledger to edit: an offline run's, or the site's."""
    from sightgrid.store import Store

    if folder is not None:
        with Store.open(ledger_of(folder), create=False) as store:
            yield store
    else:
        with opened_site(config_file, data_folder) as site:
            yield site.store


def made_by(reason: str) -> Made:
    """Who makes an edit here, why and when."""
    return {"by": _ACTOR, "reason": reason, "at": _now()}


def _now() -> datetime:
    return datetime.now(UTC)
