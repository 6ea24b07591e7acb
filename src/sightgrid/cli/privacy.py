"""``sightgrid privacy``: erasing people, and checking what was written down about it."""

from __future__ import annotations

from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site


@click.group("privacy")
def command() -> None:
    """Erase somebody; check the audit."""


@command.command("erase")
@click.argument("subject", metavar="person:ID|serial:N")
@click.option("--reason", required=True, help="Why; kept in the audit.")
@click.confirmation_option(prompt="Everything of this person is destroyed for good. Go on?")
@on_site
@json_option
def erase(
    subject: str,
    reason: str,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Destroy everything of an enrolled person or a stranger and print a receipt.

    Their keys and rows go, and a copy of an old backup can't bring them back: what is kept is that
    something was erased, as a keyed hash.
    """
    from sightgrid.domain.frames import format_time
    from sightgrid.server.erasure import erase_subject

    with opened_site(config_file, data_folder) as site:
        erased = erase_subject(site, subject, actor="cli", reason=reason)
    rows = {
        "sightings": erased.deleted.sightings,
        "crops": erased.deleted.crops,
        "people": erased.deleted.people,
        "keys": erased.deleted.keys,
    }
    document = {
        "subject": subject,
        "erased_at": format_time(erased.at),
        "identities": list(erased.serials),
        "deleted": rows,
        "ledger_entries": erased.ledger_entries,
    }
    if json_file is not None:
        write_json(document, json_file)
    if json_file != "-":
        print_table(
            ["what", "deleted"],
            list(rows.items()),
            title=f"Receipt: {subject}, erased {document['erased_at']}",
        )
        note("what boxes still hold of them is refused when it comes")


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
