"""``sightgrid models``: the packs on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sightgrid.cli.output import json_option, note, print_table, progress, write_json

if TYPE_CHECKING:
    from sightgrid.vision.manifests import Manifest


@click.group("models")
def command() -> None:
    """List, show, add, pull and verify model packs.

    A pack is a face detector and an embedder with their licences, origins and SHA-256.
    """


@command.command("list")
@json_option
def list_packs(json_file: str | None) -> None:
    """List the packs that are known and whether their files are here."""
    from sightgrid.vision.packs import catalogue, installed, load_pack, missing_extras

    shelf, present = catalogue(), installed()
    rows = []
    for name in sorted(shelf.keys() | present.keys()):
        manifest = load_pack(name).manifest if name in present else shelf[name]
        state = "installed" if name in present else "on first use"
        if name not in present and not manifest.carried:
            state = "not pulled"
        elif name not in present and (missing := missing_extras(manifest)):
            state = f"needs extra {', '.join(missing)}"
        rows.append((manifest, state))
    if json_file is not None:
        write_json([_fields(manifest) | {"state": state} for manifest, state in rows], json_file)
    if json_file != "-":
        print_table(
            ["pack", "version", "state", "detector", "embedder", "licences", "contents"],
            [
                (
                    m.name,
                    m.version,
                    state,
                    m.detector.kind,
                    f"{m.embedder_input.dimension}-D",
                    f"{m.detector.licence}, {m.embedder.licence}",
                    m.title,
                )
                for m, state in rows
            ],
            title="Model packs",
        )


@command.command("show")
@click.argument("name")
@json_option
def show(name: str, json_file: str | None) -> None:
    """Show a pack: licences, origins, training data, SHA-256, embedding contract, thresholds."""
    from sightgrid.domain.errors import PackError
    from sightgrid.vision.packs import catalogue, installed, load_pack, missing_extras

    shelf = catalogue()
    contract: str | None = None
    manifest = shelf.get(name)
    buildable = manifest is not None and manifest.carried and not missing_extras(manifest)
    if name in installed() or buildable:
        pack = load_pack(name)
        manifest, contract = pack.manifest, pack.contract.id
    if manifest is None:
        raise PackError(f"there is no pack '{name}'", hint="see them with: sightgrid models list")
    document = _fields(manifest) | {"contract": contract}
    if json_file is not None:
        write_json(document, json_file)
    if json_file == "-":
        return
    rows: list[tuple[str, object]] = [
        ("pack", f"{manifest.name} {manifest.version}"),
        ("contents", manifest.title),
    ]
    for part in ("detector", "embedder"):
        fields = document[part]
        rows += [(f"{part} {key}", value) for key, value in _flat(fields)]
    rows += [(f"threshold {key}", value) for key, value in document["thresholds"].items()]
    rows.append(("embedding contract", contract or "known once the pack is installed"))
    print_table(["field", "value"], [(key, str(value)) for key, value in rows], title=name)


@command.command("add")
@click.argument("folder", type=click.Path(path_type=Path))
def add(folder: Path) -> None:
    """Add the pack that lies in FOLDER (manifest.json and the networks it names)."""
    from sightgrid.vision.acquiring import add_pack

    pack = add_pack(folder)
    click.echo(f"added pack {pack.manifest.name} {pack.manifest.version}: {pack.contract.id}")


@command.command("architecture")
@click.argument("name", type=click.Choice(["vgg-face"]))
@click.option(
    "--classes",
    type=click.IntRange(min=2),
    help="Transferred to so many people: all frozen, the last three layers replaced.",
)
@json_option
def architecture(name: str, classes: int | None, json_file: str | None) -> None:
    """Show the layers of a network that can be trained, and how many parameters it has."""
    from sightgrid.recognition.training.vgg_face import (
        PUBLIC,
        described_layers,
        parameters,
        transferred,
        vgg_face,
    )

    model = vgg_face(PUBLIC)
    if classes is not None:
        model = transferred(model, classes=classes)
    count, layers = parameters(model), described_layers(model)
    if json_file is not None:
        write_json(
            {
                "name": name,
                "classes": classes or PUBLIC.classes,
                "parameters": count.total,
                "trainable_parameters": count.trainable,
                "frozen_parameters": count.frozen,
                "layers": [
                    {
                        "name": layer.name,
                        "kind": layer.kind,
                        "output": list(layer.output),
                        "parameters": layer.parameters,
                    }
                    for layer in layers
                ],
            },
            json_file,
        )
    if json_file == "-":
        return
    print_table(
        ["layer", "kind", "output", "parameters"],
        [
            (one.name, one.kind, " x ".join(map(str, one.output)), f"{one.parameters:,}")
            for one in layers
        ],
        title=name,
    )
    click.echo(
        f"{count.total:,} parameters, {count.trainable:,} trainable, {count.frozen:,} frozen"
    )


@command.command("pull")
@click.argument("name")
@click.option("--url", "urls", multiple=True, help="Fetch from here: detector, then embedder.")
@click.option("--sha256", "digests", multiple=True, help="What the fetched bytes must have.")
def pull(name: str, urls: tuple[str, ...], digests: tuple[str, ...]) -> None:
    """Fetch the files of a catalogue pack from the web, or from addresses of your own."""
    from sightgrid.vision.acquiring import pull_pack

    with progress() as tell:
        pack = pull_pack(name, urls=urls, digests=digests, tell=tell)
    click.echo(f"pack {pack.manifest.name} is in place: {pack.folder}")


@command.command("verify")
@click.argument("names", metavar="[NAME]...", nargs=-1)
@json_option
def verify(names: tuple[str, ...], json_file: str | None) -> int:
    """Check bytes, contracts and that the networks run; of all installed packs by default."""
    from sightgrid.vision.acquiring import verify_pack
    from sightgrid.vision.packs import installed

    findings = [
        (name, finding)
        for name in names or (*installed(),) or ("default",)
        for finding in verify_pack(name)
    ]
    failed = [(name, finding) for name, finding in findings if finding.problem]
    if json_file is not None:
        write_json(
            [
                {"pack": name, "subject": finding.subject, "problem": finding.problem}
                for name, finding in findings
            ],
            json_file,
        )
    if json_file != "-":
        print_table(
            ["pack", "subject", "finding"],
            [(name, finding.subject, finding.problem or "good") for name, finding in findings],
            title="Verified",
        )
    for name, finding in failed:
        note(f"error: pack {name}: {finding.subject}: {finding.problem}")
    return 1 if failed else 0


def _fields(manifest: Manifest) -> dict[str, Any]:
    from sightgrid.vision.manifests import manifest_fields

    return manifest_fields(manifest)


def _flat(fields: dict[str, Any], prefix: str = "") -> list[tuple[str, object]]:
    flat: list[tuple[str, object]] = []
    for key, value in fields.items():
        name = f"{prefix}{key.replace('_', ' ')}"
        flat += _flat(value, f"{name} ") if isinstance(value, dict) else [(name, value)]
    return flat
