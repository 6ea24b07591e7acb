"""``sightgrid privacy``: how long what is kept, erasing people, legal holds, checking the audit."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.holding import hold
from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site


@click.group("privacy")
def command() -> None:
    """Remove what is past its time; erase somebody; hold records; check the audit."""


command.add_command(hold)


@command.command("retention")
@click.option("--dry-run", is_flag=True, help="Only say what would be removed.")
@on_site
@json_option
def retention(
    dry_run: bool, config_file: Path, data_folder: Path | None, json_file: str | None
) -> None:
    """Remove what is older than its class allows, now; the server does it every ten minutes."""
    from sightgrid.domain.frames import format_time
    from sightgrid.domain.retention import RetentionClass
    from sightgrid.server.spelling import spelled_span

    with opened_site(config_file, data_folder) as site:
        at = site.clock()
        expired = site.retention.run(actor="cli", reason="by hand", dry_run=dry_run)
        settings = site.configuration.retention
    if json_file is not None:
        write_json(
            {
                "at": format_time(at),
                "dry_run": dry_run,
                "classes": [
                    {
                        "name": one.kind.value,
                        "older_than": None if one.before is None else format_time(one.before),
                        "removed": dict(one.removed),
                        "held": one.held,
                    }
                    for one in expired
                ],
            },
            json_file,
        )
    if json_file != "-":
        removed = {one.kind: one for one in expired}
        print_table(
            ["class", "kept for", "would remove" if dry_run else "removed", "under hold"],
            [
                (
                    kind.value,
                    "until withdrawal" if span is None else spelled_span(span),
                    ", ".join(f"{count} {what}" for what, count in removed[kind].removed.items())
                    or "nothing",
                    removed[kind].held,
                )
                for kind in RetentionClass
                for span in [settings.kept_for(kind)]
            ],
            title="Retention, as it would be" if dry_run else "Retention",
        )


@command.command("export")
@click.argument("subject", metavar="person:ID")
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The ZIP file to write; only its owner can read it.",
)
@on_site
@json_option
def export(
    subject: str,
    out: Path,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Write everything that is kept of a person into a file for them, others blurred."""
    import os

    from sightgrid.domain.errors import InvalidValue
    from sightgrid.server.exporting import export_person

    kind, _, person_id = subject.partition(":")
    if kind != "person" or not person_id:
        raise InvalidValue(f"'{subject}' is nobody", hint="write person:ID")
    with opened_site(config_file, data_folder) as site:
        made = export_person(site, person_id, actor="cli")
    # readable by its owner from the first byte on
    handle = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as stream:
        stream.write(made.data)
    if json_file is not None:
        write_json({"subject": subject, "file": str(out), "counts": dict(made.counts)}, json_file)
    if json_file != "-":
        print_table(["what", "in it"], list(made.counts.items()), title=f"{out}: {subject}")


@command.command("erase")
@click.argument("subject", metavar="person:ID|serial:N")
@click.option("--reason", required=True, help="Why; kept in the audit.")
@click.option("--despite-holds", is_flag=True, help="Erase even what a legal hold covers.")
@click.confirmation_option(prompt="Everything of this person is destroyed for good. Go on?")
@on_site
@json_option
def erase(
    subject: str,
    reason: str,
    despite_holds: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Destroy everything of an enrolled person or a stranger and print a receipt.

    Their keys and rows go, and a copy of an old backup can't bring them back: what is kept is that
    something was erased, as a keyed hash.
    """
    from sightgrid.domain.frames import format_time
    from sightgrid.server.erasure import erase_subject, later_records

    with opened_site(config_file, data_folder) as site:
        erased = erase_subject(
            site, subject, actor="cli", reason=reason, despite_holds=despite_holds
        )
        later = later_records(site)
    document = {
        "subject": subject,
        "erased_at": format_time(erased.at),
        "identities": list(erased.serials),
        "deleted": erased.deleted.counts,
        "ledger_entries": erased.ledger_entries,
        "boxes_told": erased.boxes,
        "holds_overridden": [one.hold_id for one in erased.holds],
        "traces_wiped": erased.traces_wiped,
        "later_records": later,
    }
    if json_file is not None:
        write_json(document, json_file)
    if json_file != "-":
        print_table(
            ["what", "deleted"],
            list(erased.deleted.counts.items()),
            title=f"Receipt: {subject}, erased {document['erased_at']}",
        )
        if erased.boxes:
            note(f"{erased.boxes} boxes drop what they hold of it when they next ask")
        note(later)
        if not erased.traces_wiped:
            note("somebody was reading the database: its journal is emptied by the next retention")


@command.group("audit")
def audit() -> None:
    """Who did what, when and why."""


@audit.command("verify")
@on_site
@json_option
def verify(config_file: Path, data_folder: Path | None, json_file: str | None) -> int:
    """Check that no row of the audit was changed, taken out, or cut off."""
    from sightgrid.store.audit import verify_audit

    with opened_site(config_file, data_folder) as site, site.store.snapshot() as tx:
        verdict = verify_audit(tx)
    intact = verdict.first_bad is None
    if json_file is not None:
        write_json(
            {
                "rows": verdict.rows,
                "intact": intact,
                "first_bad": verdict.first_bad,
                "reason": verdict.reason,
            },
            json_file,
        )
    if intact:
        note(f"{verdict.rows} rows: {verdict.reason}")
        return 0
    note(f"error: row {verdict.first_bad}: {verdict.reason} ({verdict.rows} rows before it are)")
    return 1
