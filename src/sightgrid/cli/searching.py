"""``sightgrid identity search``: has this face been seen, in a run or at the site?"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from sightgrid.cli.output import json_option, note, print_table, write_json
from sightgrid.cli.runs import ledger_of
from sightgrid.cli.sites import on_site, opened_site

_Face = tuple[tuple[float, float], list[float], list[dict[str, Any]]]


@click.command("search")
@click.argument("photo", type=click.Path(path_type=Path))
@click.option(
    "--run",
    "folder",
    type=click.Path(path_type=Path),
    help="Folder of an offline run; else the configured server's ledger.",
)
@click.option("--reason", default="", help="Why; needed and kept in the audit, except with --run.")
@click.option("--pack", default="default", show_default=True, help="The pack of the run.")
@click.option(
    "--limit",
    type=click.IntRange(1, 50),
    default=5,
    show_default=True,
    help="Identities shown for each face.",
)
@on_site
@json_option
def search(
    photo: Path,
    folder: Path | None,
    reason: str,
    pack: str,
    limit: int,
    config_file: Path,
    data_folder: Path | None,
    json_file: str | None,
) -> int:
    """Ask of every face in PHOTO whether it has been seen; strangers are searched too."""
    if folder is None and not reason.strip():
        raise click.UsageError("say with --reason why you search; it is kept in the audit")
    if folder is not None:
        faces = _of_run(photo, folder, pack, limit)
    else:
        faces = _of_site(photo, reason, limit, config_file, data_folder)
    if json_file is not None:
        write_json({"faces": [{"box": box, "found": found} for _, box, found in faces]}, json_file)
    if json_file != "-":
        for number, ((x, y), _, found) in enumerate(faces, start=1):
            print_table(
                ["identity", "person", "similarity", "closest look", "wording", "seen"],
                [
                    (
                        one["identity"],
                        one["person"] or one.get("label") or "",
                        f"{one['score']:.2f}",
                        f"{one['closest']:.2f}",
                        one["wording"],
                        _last_of(one),
                    )
                    for one in found
                ],
                title=f"Face {number} of {len(faces)}, at {x:.0f}, {y:.0f}",
            )
    if not faces:
        note(f"error: no face was found in {photo} (use a photo with the face in view)")
        return 1
    return 0


def _of_run(photo: Path, folder: Path, pack: str, limit: int) -> list[_Face]:
    from sightgrid.ledger.searching import search as search_ledger
    from sightgrid.offline.engine import open_engine
    from sightgrid.offline.photosearch import faces_of
    from sightgrid.store import Store
    from sightgrid.vision.pictures import read_picture

    ledger = ledger_of(folder)
    pixels = read_picture(photo)
    engine = open_engine(pack)
    faces = faces_of(pixels, engine)
    with Store.open(ledger, create=False) as store, store.snapshot() as tx:
        return [
            (
                face.box.centre,
                [round(v, 1) for v in (b.left, b.top, b.right, b.bottom)],
                [
                    {
                        "identity": found.serial,
                        "person": found.person,
                        "score": round(found.score, 4),
                        "closest": round(found.closest, 4),
                        "wording": found.wording,
                        "crop": found.crop,
                    }
                    for found in search_ledger(
                        tx, face.embedding, policy=engine.policy, limit=limit
                    )
                ],
            )
            for face in faces
            for b in [face.box]
        ]


def _of_site(
    photo: Path, reason: str, limit: int, config_file: Path, data_folder: Path | None
) -> list[_Face]:
    from sightgrid.domain.errors import ImageError
    from sightgrid.domain.frames import format_time
    from sightgrid.server.photosearch import search_photo

    try:
        data = photo.read_bytes()
    except OSError as error:
        raise ImageError(f"{photo}: can't be read: {error.strerror}") from error
    with opened_site(config_file, data_folder) as site:
        answers = search_photo(site, data, actor="cli", reason=reason, limit=limit)
    return [
        (
            answer.box.centre,
            [round(v, 1) for v in (b.left, b.top, b.right, b.bottom)],
            [
                {
                    "identity": hit.serial,
                    "person": hit.person,
                    "label": hit.label,
                    "score": round(hit.score, 4),
                    "closest": round(hit.closest, 4),
                    "wording": hit.wording,
                    "band": hit.band,
                    "cameras": list(hit.where.cameras),
                    "sightings_total": hit.where.sightings,
                    "sightings": [
                        {
                            "sighting_id": one.sighting_id,
                            "camera": one.camera,
                            "first_seen": format_time(one.first_seen),
                            "last_seen": format_time(one.last_seen),
                            "score": None if one.score is None else round(one.score, 4),
                        }
                        for one in hit.sightings
                    ],
                }
                for hit in answer.hits
            ],
        )
        for answer in answers
        for b in [answer.box]
    ]


def _last_of(found: dict[str, Any]) -> str:
    sightings = found.get("sightings") or []
    if not sightings:
        return ""
    last = sightings[0]
    more = found["sightings_total"] - 1
    also = f" and {more} more times" if more else ""
    return f"{last['camera']}, {last['first_seen']}{also}"
