"""``sightgrid privacy hold``: records that must be kept past their time."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.sites import on_site, opened_site


@click.group("hold")
def hold() -> None:
    """Legal holds: what they cover is neither removed nor erased until they end."""


@hold.command("add")
@click.argument("subject", metavar="[person:ID|serial:N]", required=False)
@click.option("--camera", metavar="NAME", help="Hold what this camera saw instead.")
@click.option("--since", metavar="TIME", help="With --camera: from when on.")
@click.option("--until", metavar="TIME", help="With --camera: until when.")
@click.option("--owner", required=True, help="Who answers for it, such as a case or an office.")
@click.option("--reason", required=True, help="Why; kept sealed.")
@click.option("--ends", metavar="TIME", required=True, help="When it ends by itself.")
@on_site
@json_option
def add(
    subject: str | None,
    camera: str | None,
    since: str | None,
    until: str | None,
    owner: str,
    reason: str,
    ends: str,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Begin a hold on a person, an identity, or what a camera saw in a span of time."""
    from sightgrid.domain.frames import format_time, parse_time
    from sightgrid.server.holding import add_hold, scope_of

    def moment(text: str | None) -> datetime | None:
        return None if text is None else parse_time(text)

    scope = scope_of(subject, camera, moment(since), moment(until))
    with opened_site(config_file, data_folder) as site:
        made = add_hold(
            site, scope, owner=owner, reason=reason, ends_at=parse_time(ends), actor="cli"
        )
    if json_file is not None:
        write_json({"hold_id": made.hold_id, "ends_at": format_time(made.ends_at)}, json_file)
    if json_file != "-":
        note(f"hold {made.hold_id} is on until {format_time(made.ends_at)}")


@hold.command("list")
@on_site
@json_option
def list_holds(config_file: Path, data_folder: Path | None, json_file: str | None) -> None:
    """Every hold, those that are over too."""
    from sightgrid.domain.frames import format_time
    from sightgrid.server.holding import all_holds, spelled_scope

    with opened_site(config_file, data_folder) as site:
        found, now = all_holds(site), site.clock()
    documents = [
        {
            "hold_id": one.hold_id,
            "covers": spelled_scope(one.scope),
            "owner": one.owner,
            "reason": one.reason,
            "made_by": one.made_by,
            "made_at": format_time(one.made_at),
            "ends_at": format_time(one.ends_at),
            "ended_at": None if one.ended_at is None else format_time(one.ended_at),
            "on": one.is_on(now),
        }
        for one in found
    ]
    if json_file is not None:
        write_json({"items": documents}, json_file)
    if json_file != "-":
        columns = ["hold_id", "covers", "owner", "reason", "ends_at", "on"]
        rows = [[one[column] for column in columns] for one in documents]
        print_table(columns, rows, title="Legal holds")


@hold.command("end")
@click.argument("hold_id")
@click.option("--reason", required=True, help="Why it ends now; kept in the audit.")
@on_site
def end(hold_id: str, reason: str, config_file: Path, data_folder: Path | None) -> None:
    """End a hold before its time; what is past its own time goes with the next retention."""
    from sightgrid.server.holding import end_hold

    with opened_site(config_file, data_folder) as site:
        end_hold(site, hold_id, actor="cli", reason=reason)
    note(f"hold {hold_id} is over")
