"""``sightgrid identity name``, ``proposals``, ``accept`` and ``decline``, on the site's ledger."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from sightgrid.cli.editing import made_by, make_and_tell, preview_option, reason_option
from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.roster import person_argument, person_id_of
from sightgrid.cli.sites import on_site, opened_site

_MOST = 500


@click.command("name")
@click.argument("serial", type=click.IntRange(1))
@person_argument
@reason_option
@preview_option
@on_site
@json_option
def name(
    serial: int,
    person: str,
    reason: str,
    preview: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """The stranger SERIAL is PERSON of the roster, who agreed to be recognised."""
    from sightgrid.ledger.proposing import name_as

    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        make_and_tell(
            site.store,
            lambda tx: name_as(tx, serial, person_id, **made_by(reason)),
            ("name", f"serial:{serial}", reason),
            preview=preview,
            json_file=json_file,
        )


@click.command("proposals")
@click.option("--find", is_flag=True, help="Compare all identities now, as it is done at night.")
@click.option(
    "--status",
    type=click.Choice(["open", "accepted", "refused"]),
    default="open",
    show_default=True,
    help="What was said to them.",
)
@on_site
@json_option
def proposals(
    find: bool, status: str, config_file: Path, data_folder: Path | None, json_file: str | None
) -> None:
    """List serials that may be one person, the surest first."""
    from sightgrid.domain.frames import format_time
    from sightgrid.ledger.proposing import with_evidence
    from sightgrid.ledger.regrouping_nightly import propose_merges
    from sightgrid.store.proposals import proposals_page

    with opened_site(config_file, data_folder) as site:
        if find:
            done = propose_merges(
                site.store, policy=site.policy, contract=site.contract, at=site.clock()
            )
            note(f"compared {done.identities} identities, {done.proposed} proposals are new")
        with site.store.snapshot() as tx:
            rows = proposals_page(tx, status, after=None, limit=_MOST)
            found = with_evidence(tx, rows)
    if json_file is not None:
        write_json(
            {
                "items": [
                    {
                        "serial": one.proposal.serial,
                        "into": one.proposal.into,
                        "person": one.other.person,
                        "similarity": round(one.proposal.similarity, 4),
                        "threshold": round(one.proposal.threshold, 4),
                        "reason": one.proposal.reason,
                        "proposed_at": format_time(one.proposal.proposed_at),
                        "pictures": [list(some) for some in one.pictures],
                    }
                    for one in found
                ]
            },
            json_file,
        )
    if json_file != "-":
        print_table(
            ["serial", "may be", "similarity", "enough", "seen", "other seen", "why"],
            [
                (
                    one.proposal.serial,
                    one.other.person or one.proposal.into,
                    f"{one.proposal.similarity:.2f}",
                    f"{one.proposal.threshold:.2f}",
                    _span(one.one.first_seen, one.one.last_seen),
                    _span(one.other.first_seen, one.other.last_seen),
                    one.proposal.reason,
                )
                for one in found
            ],
            title="Proposed merges",
        )


@click.command("accept")
@click.argument("serial", type=click.IntRange(1))
@click.option("--into", type=click.IntRange(1), required=True, help="Who SERIAL may be.")
@reason_option
@preview_option
@on_site
@json_option
def accept(
    serial: int,
    into: int,
    reason: str,
    preview: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Yes, they are one person: merges SERIAL as was proposed."""
    from sightgrid.ledger import proposing

    with opened_site(config_file, data_folder) as site:
        make_and_tell(
            site.store,
            lambda tx: proposing.accept(tx, serial, into, **made_by(reason)),
            ("proposal-accepted", f"serial:{serial}", reason),
            preview=preview,
            json_file=json_file,
        )


@click.command("decline")
@click.argument("serial", type=click.IntRange(1))
@click.option("--into", type=click.IntRange(1), required=True, help="Who SERIAL is not.")
@reason_option
@on_site
@json_option
def decline(
    serial: int,
    into: int,
    reason: str,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """No, they are two people: kept, and never proposed again."""
    from sightgrid.ledger import proposing

    with opened_site(config_file, data_folder) as site:
        make_and_tell(
            site.store,
            lambda tx: proposing.decline(tx, serial, into, **made_by(reason)),
            ("proposal-declined", f"serial:{serial}", reason),
            preview=False,
            json_file=json_file,
        )


def _span(first: datetime | None, last: datetime | None) -> str:
    from sightgrid.domain.frames import format_time

    return "" if first is None or last is None else f"{format_time(first)} to {format_time(last)}"
