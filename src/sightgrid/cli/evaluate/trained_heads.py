"""``evaluate identification --head FILE``: what heads that are trained already make of photos."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sightgrid.cli.evaluate.options import engine_settings
from sightgrid.cli.output import print_table, progress, write_json

if TYPE_CHECKING:
    from sightgrid.evaluation.photos import FaceReader


def ask_trained_heads(
    files: Sequence[Path],
    *,
    people_folder: Path,
    reader: FaceReader,
    degrade: str | None,
    json_file: str | None,
) -> None:
    """Embeds every photo once and asks each head about all of them; prints a row a head.

    The JSON is one object for one file, else ``{"heads": [...]}``.
    """
    from sightgrid.cli.evaluate.identification import identification_document
    from sightgrid.evaluation.datasets import read_people
    from sightgrid.evaluation.identification import deal_to_head, identify_with
    from sightgrid.evaluation.photos import embed_photos
    from sightgrid.evaluation.trained_heads import at_own_threshold
    from sightgrid.recognition.headfiles import load_head

    contract = reader.engine.pack.contract
    loaded = [(file, load_head(file, contract=contract)) for file in files]
    people = read_people(people_folder)
    dealt = [deal_to_head(people, trained.head) for _, trained in loaded]
    with progress() as tell:
        photos = embed_photos(
            [photo for person in people for photo in person.photos], reader=reader, tell=tell
        )
    documents: list[dict[str, Any]] = []
    for (file, trained), one in zip(loaded, dealt, strict=True):
        result = identify_with(one, photos=photos, head=trained.head)
        own = at_own_threshold(one, photos=photos, trained=trained)
        documents.append(
            identification_document(result, photos)
            | {
                "head": trained.head.kind.value,
                "file": str(file),
                "rightly_named": own.rightly_named,
                "wrongly_named": own.wrongly_named,
                "strangers_named": own.strangers_named,
                "total_parameters": trained.facts.total_parameters,
                "bytes": file.stat().st_size,
            }
            | engine_settings(reader.engine, degrade)
        )
    if json_file is not None:
        write_json(documents[0] if len(documents) == 1 else {"heads": documents}, json_file)
    if json_file != "-":
        print_table(
            ["head", "file", "rank 1", "rightly named", "wrongly named", "strangers named", "ms"],
            [
                (
                    document["head"],
                    Path(document["file"]).name,
                    f"{document['rank1']:.1%}",
                    f"{document['rightly_named']:.1%}",
                    f"{document['wrongly_named']:.1%}",
                    _share(document["strangers_named"]),
                    f"{document['probe_ms']:.3f}",
                )
                for document in documents
            ],
            title="Identification by trained heads, at their own thresholds",
        )


def _share(rate: float | None) -> str:
    return "no strangers asked" if rate is None else f"{rate:.1%}"
