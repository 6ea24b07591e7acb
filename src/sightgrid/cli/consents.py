"""``sightgrid people consent``, ``withdraw`` and ``enrol``: agreeing, not any more, photos."""

from __future__ import annotations

from hashlib import sha256
from pathlib import Path

import click

from sightgrid.cli.output import json_option, note, print_table, progress, write_json
from sightgrid.cli.roster import person_argument, person_id_of
from sightgrid.cli.sites import on_site, opened_site

_ACTOR = "cli"


@click.command("consent")
@person_argument
@click.option(
    "--text",
    "text_file",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    help="File with the text that was agreed to; its SHA-256 is kept.",
)
@click.option("--text-version", required=True, help="The version of that text.")
@click.option("--language", default="en", show_default=True, help="The language of the text.")
@click.option("--channel", required=True, help="How: paper, web, e-mail...")
@click.option("--evidence", required=True, help="Where that can be looked up.")
@click.option("--given-by", required=True, help="Who agreed: usually the person.")
@click.option("--given-at", help="When; default now.")
@click.option("--expires-at", help="Until when; default until withdrawn.")
@click.option("--guardian", help="Who agreed for a child.")
@on_site
@json_option
def consent(
    person: str,
    text_file: Path,
    text_version: str,
    language: str,
    channel: str,
    evidence: str,
    given_by: str,
    given_at: str | None,
    expires_at: str | None,
    guardian: str | None,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """Write down that PERSON agreed to be recognised; prints the consent's id."""
    from sightgrid.domain.errors import NotFound
    from sightgrid.domain.frames import parse_time
    from sightgrid.domain.people import Consent
    from sightgrid.server import people

    try:
        text = text_file.read_bytes()
    except OSError as error:
        raise NotFound(f"{text_file}: can't be read: {error.strerror}") from error
    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        given = Consent(
            purpose="recognition",
            text_version=text_version,
            text_sha256=sha256(text).hexdigest(),
            language=language,
            channel=channel,
            evidence=evidence,
            given_by=given_by,
            recorded_by=_ACTOR,
            given_at=site.clock() if given_at is None else parse_time(given_at),
            expires_at=None if expires_at is None else parse_time(expires_at),
            guardian=guardian,
        )
        consent_id = people.consent(site, person_id, given, actor=_ACTOR)
    if json_file is not None:
        write_json({"consent_id": consent_id}, json_file)
    if json_file != "-":
        click.echo(consent_id)


@click.command("withdraw")
@person_argument
@click.argument("consent_id", metavar="CONSENT")
@click.option(
    "--method",
    type=click.Choice(["qr", "pin", "tap"]),
    default="tap",
    show_default=True,
    help="How they show from now on that they are here.",
)
@click.option("--reason", default="", help="Why; kept in the audit.")
@on_site
@json_option
def withdraw(
    person: str,
    consent_id: str,
    method: str,
    reason: str,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> None:
    """PERSON agrees no more: their faces, photos and pictures are deleted at once."""
    from sightgrid.domain.people import Method
    from sightgrid.server import people

    with opened_site(config_file, data_folder) as site:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        done = people.withdraw(
            site, person_id, consent_id, method=Method(method), actor=_ACTOR, reason=reason
        )
    if json_file is not None:
        write_json({"method": done.method.value, "crops_deleted": done.crops}, json_file)
    if json_file != "-":
        if done.method is Method.FACE:
            note("withdrawn; another consent of theirs holds, so they are still recognised")
        else:
            note(f"withdrawn; faces and photos are deleted, they show up by {done.method.value}")


@click.command("enrol")
@person_argument
@click.argument(
    "photos", metavar="PHOTO...", nargs=-1, required=True, type=click.Path(path_type=Path)
)
@click.option("--anyway", is_flag=True, help="Take photos that are more like somebody else, too.")
@on_site
@json_option
def enrol(
    person: str,
    photos: tuple[Path, ...],
    anyway: bool,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> int:
    """Learn PERSON's face from photos; says of each that is not used why."""
    from sightgrid.domain.errors import ImageError
    from sightgrid.server.enrolment import enrol_photo

    rows: list[tuple[Path, bool, str]] = []
    with opened_site(config_file, data_folder) as site, progress() as tell:
        with site.store.snapshot() as tx:
            person_id = person_id_of(tx, site, person)
        for number, photo in enumerate(photos, 1):
            try:
                done = enrol_photo(site, person_id, photo.read_bytes(), actor=_ACTOR, anyway=anyway)
                rows.append((photo, done.taken, done.reason))
            except ImageError as error:
                rows.append((photo, False, str(error)))
            except OSError as error:
                rows.append((photo, False, f"can't be read: {error.strerror}"))
            tell("photos", number, len(photos))
    taken = sum(one for _, one, _ in rows)
    if json_file is not None:
        write_json(
            {
                "taken": taken,
                "photos": [
                    {"photo": str(photo), "taken": used, "reason": reason or None}
                    for photo, used, reason in rows
                ],
            },
            json_file,
        )
    if json_file != "-":
        print_table(
            ["photo", "used", "reason"],
            [(photo.name, "yes" if used else "no", reason) for photo, used, reason in rows],
            title="Photos",
        )
    if not taken:
        note("error: none of the photos could be used (the reasons stand beside each)")
        return 1
    return 0
