"""``sightgrid people``: who is known by name, and what they agreed to."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from sightgrid.cli.consents import consent, enrol, withdraw
from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.roster import document_of, person_argument, person_id_of, values_of
from sightgrid.cli.sites import on_site, opened_site

if TYPE_CHECKING:
    from sightgrid.store.roster import PersonRow

_ACTOR = "cli"
_set_option = click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="FIELD=VALUE",
    help="A field and its value; repeat for more. An empty value takes it away.",
)


@click.group("people")
def command() -> None:
    """Keep the roster: who is known by name, what they agreed to, their photos."""


command.add_command(consent)
command.add_command(withdraw)
command.add_command(enrol)


@command.command("list")
@click.option("--search", default="", help="Words that all have to stand in some field.")
@click.option("--removed", is_flag=True, help="Those who were removed instead.")
@on_site
@json_option
def list_people(
    search: str,
    removed: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """List the roster."""
    from sightgrid.domain.attributes import folded
    from sightgrid.store.roster import roster

    words = folded(search).split()
    with opened_site(config_file, data_folder) as site, site.store.snapshot() as tx:
        key = site.configuration.people.attributes.key
        rows = [
            row
            for row in roster(tx, at=site.clock(), removed=removed)
            if all(word in folded("\n".join(row.details.values())) for word in words)
        ]
    if json_file is not None:
        write_json({"items": [document_of(row) for row in rows]}, json_file)
    if json_file != "-":
        print_table(
            [key or "number", "name", "identity", "faces", "agreed", "shows up by", "id"],
            [
                (
                    row.details.get(key or "", ""),
                    row.name,
                    "" if row.serial is None else row.serial,
                    row.faces,
                    "yes" if row.agreed else "no",
                    row.method.value,
                    row.person_id,
                )
                for row in rows
            ],
            title="People",
        )


@command.command("add")
@_set_option
@on_site
@json_option
def add(
    settings: tuple[str, ...],
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Add somebody to the roster; prints their id."""
    from sightgrid.server import people

    with opened_site(config_file, data_folder) as site:
        row = people.add(site, values_of(settings), actor=_ACTOR)
    if json_file is not None:
        write_json(document_of(row), json_file)
    if json_file != "-":
        click.echo(row.person_id)


@command.command("show")
@person_argument
@on_site
@json_option
def show(person: str, config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """Show what is written down about PERSON, with their consents."""
    from sightgrid.domain.frames import format_time
    from sightgrid.store.consents import consents_of
    from sightgrid.store.roster import person_row

    with opened_site(config_file, data_folder) as site, site.store.snapshot() as tx:
        now = site.clock()
        row = person_row(tx, person_id_of(tx, site, person), at=now)
        consents = consents_of(tx, row.person_id)
        labels = {one.name: one.label for one in site.configuration.people.attributes.attributes}
    agreed = [
        {
            "consent_id": consent_id,
            "text_version": one.text_version,
            "text_sha256": one.text_sha256,
            "channel": one.channel,
            "evidence": one.evidence,
            "given_by": one.given_by,
            "guardian": one.guardian,
            "given_at": format_time(one.given_at),
            "expires_at": None if one.expires_at is None else format_time(one.expires_at),
            "withdrawn_at": None if one.withdrawn_at is None else format_time(one.withdrawn_at),
            "holds": one.holds(now),
        }
        for consent_id, one in consents.items()
    ]
    if json_file is not None:
        write_json(document_of(row) | {"consents": agreed}, json_file)
    if json_file == "-":
        return
    facts: list[tuple[str, object]] = [
        (labels.get(name, name), value) for name, value in row.details.items()
    ]
    serial = "none yet" if row.serial is None else row.serial
    facts += [("Identity", serial), ("Faces", row.faces), ("Shows up by", row.method.value)]
    print_table(["field", "value"], facts, title=f"{row.name} ({row.person_id})")
    print_table(
        ["consent", "text", "how", "given", "until", "holds"],
        [
            (
                one["consent_id"],
                one["text_version"],
                one["channel"],
                one["given_at"],
                one["withdrawn_at"] or one["expires_at"] or "withdrawn",
                "yes" if one["holds"] else "no",
            )
            for one in agreed
        ],
        title="Consents",
    )


@command.command("update")
@person_argument
@_set_option
@on_site
@json_option
def update(
    person: str,
    settings: tuple[str, ...],
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Change fields of PERSON; prints the id of the change, which undoes it."""
    from sightgrid.server import people

    if not settings:
        raise click.UsageError("give what is to be changed with --set FIELD=VALUE")
    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        done = people.change(site, person_id, values_of(settings), actor=_ACTOR)
    if json_file is not None:
        write_json({"change_id": done.change_id, "person": document_of(done.person)}, json_file)
    if json_file != "-":
        if done.change_id is None:
            note("everything is like that already")
        else:
            _tell_change(done.change_id)


@command.command("remove")
@person_argument
@click.option("--reason", default="", help="Why; kept in the audit.")
@click.confirmation_option(prompt="They are recognised no more from now on. Go on?")
@on_site
@json_option
def remove(
    person: str,
    reason: str,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Take PERSON out of the roster; within a day that can be undone."""
    from sightgrid.server import people

    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        change_id = people.remove(site, person_id, actor=_ACTOR, reason=reason)
    if json_file is not None:
        write_json({"change_id": change_id}, json_file)
    if json_file != "-":
        _tell_change(change_id)


@command.command("undo")
@click.argument("change_id", metavar="CHANGE")
@on_site
@json_option
def undo(
    change_id: str, config_file: Path, data_folder: Path | None, json_file: str | None
) -> None:
    """Make a change or a removal as if it had not been."""
    from sightgrid.server import people

    with opened_site(config_file, data_folder) as site:
        row: PersonRow = people.undo(site, change_id, actor=_ACTOR)
    if json_file is not None:
        write_json(document_of(row), json_file)
    if json_file != "-":
        note(f"{row.name} is as before")


@command.command("import")
@click.argument("file", metavar="CSV", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--preview", is_flag=True, help="Only say what would be done.")
@on_site
@json_option
def import_people(
    file: Path,
    preview: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> int:
    """Add and change the people of a CSV file; with a mistake in it, nobody."""
    from sightgrid.domain.errors import NotFound
    from sightgrid.server.rosterfiles import import_roster

    try:
        data = file.read_bytes()
    except OSError as error:
        raise NotFound(f"{file}: can't be read: {error.strerror}") from error
    with opened_site(config_file, data_folder) as site:
        done = import_roster(site, data, actor=_ACTOR, preview=preview)
    if json_file is not None:
        write_json(
            {
                "preview": preview,
                "added": done.added,
                "changed": done.changed,
                "unchanged": done.unchanged,
                "problems": [
                    {"line": one.line, "field": one.field, "problem": one.problem}
                    for one in done.problems
                ],
            },
            json_file,
        )
    for problem in done.problems:
        note(str(problem))
    if done.problems:
        note("error: nothing was imported (mend these lines and try again)")
        return 1
    would = "would add" if preview else "added"
    note(f"{would} {done.added}, changed {done.changed}, as they were {done.unchanged}")
    return 0


@command.command("export")
@click.argument("file", metavar="CSV", type=click.Path(path_type=Path, dir_okay=False))
@on_site
def export_people(file: Path, config_file: Path, data_folder: Path | None) -> None:
    """Write the roster as CSV, for a spreadsheet."""
    from sightgrid.domain.errors import OutputError
    from sightgrid.server.rosterfiles import export_roster

    if not file.absolute().parent.is_dir():
        raise OutputError(f"{file}: there is no such folder")
    with opened_site(config_file, data_folder) as site:
        data = export_roster(site, actor=_ACTOR)
    try:
        file.write_bytes(data)
    except OSError as error:
        raise OutputError(f"{file}: can't be written: {error.strerror}") from error
    note(f"written to {file}: it holds personal data, keep it accordingly")


def _tell_change(change_id: str) -> None:
    note("undo it with: sightgrid people undo")
    click.echo(change_id)
