"""The documentation says what the code does: commands, columns, packs, fields, links."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from fastapi.routing import APIRoute

from sightgrid.cli.main import program
from sightgrid.configuration import document
from sightgrid.configuration.people import PEOPLE_FIELDS
from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.domain.errors import SettingsError
from sightgrid.domain.presence import Band
from sightgrid.offline.gridfile import read_grid
from sightgrid.offline.results import SourceState
from sightgrid.offline.tables import IDENTITY_COLUMNS, SIGHTING_COLUMNS, VISIT_COLUMNS
from sightgrid.recognition.calibration import ImpostorCurve, Policy
from sightgrid.server.app import API, ROUTERS
from sightgrid.vision.packs import catalogue

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"


def tracked() -> list[Path]:
    """What git knows or would add: files that are ignored are nobody's business."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT,
            capture_output=True,
            check=True,
        ).stdout
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("no git checkout")
    paths = [ROOT / name for name in listed.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def pages() -> list[Path]:
    return sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md")])


def sections(page: Path) -> dict[str, str]:
    """The text below each heading, by the heading's text."""
    found: dict[str, list[str]] = {}
    heading, in_code = "", False
    for line in page.read_text("utf-8").splitlines():
        in_code ^= line.startswith("```")
        match = None if in_code else re.fullmatch(r"#+ (.+)", line)
        if match:
            heading = match[1]
        else:
            found.setdefault(heading, []).append(line)
    return {heading: "\n".join(lines) for heading, lines in found.items()}


def rows(text: str) -> list[list[str]]:
    """The cells of every row of the tables in a text; headings and rulers are left out."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    table = [
        [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in lines
    ]
    rulers = {number for number, cells in enumerate(table) if not any("".join(cells).strip("-"))}
    rulers |= {number for number, cells in enumerate(table) if set("".join(cells)) <= {"-"}}
    return [
        cells
        for number, cells in enumerate(table)
        if number not in rulers and number + 1 not in rulers
    ]


def code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


def commands(
    command: click.Command = program, path: tuple[str, ...] = ("sightgrid",)
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            yield from commands(child, (*path, name))


COMMANDS = {path: command for path, command in commands()}


def heading_of(path: tuple[str, ...], command: click.Command) -> str:
    arguments = [p.make_metavar(click.Context(command)) for p in command.params if _is_argument(p)]
    return f"`{' '.join([*path, *arguments])}`"


def _is_argument(parameter: click.Parameter) -> bool:
    return isinstance(parameter, click.Argument)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_and_option_is_documented_and_no_other(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    documented = sections(DOCS / "cli.md")
    heading = heading_of(path, command)
    assert heading in documented, f"docs/cli.md needs a section {heading}"
    told = {}
    for cells in rows(documented[heading]):
        for spelled in code(cells[0]):
            told[re.split(r"[ \[]", spelled)[0]] = " ".join(cells)
    options = [p for p in command.params if isinstance(p, click.Option)]
    real = {name for option in options for name in option.opts}
    if path == ("sightgrid",):
        real |= {"-h", "--help"}
    assert told.keys() == real
    for option in options:
        row = told[option.opts[-1]]
        if option.required:
            assert "required" in row, f"{option.opts[-1]} is required"
        if option.show_default:
            assert re.search(rf"default `?{re.escape(str(option.default))}\b", row)
        if isinstance(option.type, click.Choice):
            assert all(choice in row for choice in option.type.choices)
        if not option.is_flag and not option.count:
            metavar = option.make_metavar(click.Context(command))
            assert metavar in row.replace("\\|", "|"), f"{option.opts[-1]} takes {metavar}"
        assert option.help, f"{option.opts[-1]} has no help"


def test_no_command_is_documented_that_is_not_there() -> None:
    real = {heading_of(path, command) for path, command in COMMANDS.items()}
    told = {heading for heading in sections(DOCS / "cli.md") if heading.startswith("`")}
    assert told == real


def command_lines() -> list[tuple[str, str]]:
    """Every ``sightgrid ...`` line of every fenced block, with the page it stands on."""
    found = []
    for page in pages():
        for block in re.findall(r"^```sh\n(.*?)^```", page.read_text("utf-8"), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                if re.match(r"(sightgrid|python -m sightgrid)\b", line):
                    found.append((str(page.relative_to(ROOT)), line))
    return found


def parse(line: str) -> None:
    """Reads a command line as click would, without running it."""
    words = shlex.split(line, comments=True)
    words = words[3:] if words[0] == "python" else words[1:]
    command: click.Command = program
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        name = words.pop(0)
        child = command.get_command(click.Context(command), name)
        if child is None:
            raise click.UsageError(f"there is no command {name}")
        command = child
    command.make_context("sightgrid", words)


@pytest.mark.parametrize(("page", "line"), command_lines())
def test_every_command_line_can_be_typed(page: str, line: str) -> None:
    try:
        parse(line)
    except click.UsageError as error:
        pytest.fail(f"{page}: {line}: {error.format_message()}")


def test_command_lines_are_found() -> None:
    assert len(command_lines()) > 10
    with pytest.raises(click.UsageError):
        parse("sightgrid track a.mp4")
    with pytest.raises(click.UsageError):
        parse("sightgrid identity forget 1")


def test_commands_named_in_the_text_are_there() -> None:
    names = {path[1] for path in COMMANDS if len(path) > 1}
    for page in pages():
        prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
        for name in re.findall(r"`sightgrid ([a-z]+)", prose):
            assert name in names, f"{page.name} names `sightgrid {name}`"


@pytest.mark.parametrize(
    ("file", "columns"),
    [
        ("sightings.csv", SIGHTING_COLUMNS),
        ("visits.csv", VISIT_COLUMNS),
        ("identities.csv", IDENTITY_COLUMNS),
    ],
)
def test_every_column_is_explained_in_order(file: str, columns: tuple[str, ...]) -> None:
    table = rows(sections(DOCS / "recordings.md")[f"`{file}`"])
    assert [code(cells[0])[0] for cells in table] == list(columns)
    assert all(cells[1] for cells in table)


def test_every_state_and_band_is_explained() -> None:
    recordings = (DOCS / "recordings.md").read_text("utf-8")
    assert all(f"`{state.value}`" in recordings for state in SourceState)
    assert all(f"`{band.value}`" in recordings for band in Band)
    bands = rows(sections(DOCS / "trajectories.md")["Bands"])
    assert {band.value for band in Band} <= {name for cells in bands for name in code(cells[0])}


def test_every_pack_is_described() -> None:
    table = {code(cells[0])[0]: cells for cells in rows(sections(DOCS / "packs.md")["Model packs"])}
    shelf = catalogue()
    assert table.keys() == shelf.keys()
    for name, manifest in shelf.items():
        assert manifest.detector.licence in table[name][1]
        assert manifest.embedder.licence in table[name][2]
        assert f"{manifest.embedder_input.dimension}-D" in table[name][2]


def test_budgets_and_thresholds_are_those_of_the_code() -> None:
    policy = Policy(ImpostorCurve.of(catalogue()["default"].thresholds.impostors))
    section = sections(DOCS / "trajectories.md")["Where the thresholds come from"]
    table = {code(cells[0])[0]: cells for cells in rows(section)}
    bands = [policy.bands(enrolled=count, identities=count) for count in (1, 10, 100, 1000)]
    expected = {
        "confirmed": (policy.confirmed, [b.confirmed for b in bands]),
        "likely": (policy.likely, [b.likely for b in bands]),
        "stranger_merges": (policy.stranger_merges, [b.same for b in bands]),
        "possible": (policy.possible, [b.possible for b in bands]),
    }
    for name, (share, levels) in expected.items():
        assert table[name][2] == f"1 per {round(1 / share)}"
        assert table[name][3:] == [f"{level:.2f}" for level in levels]
    assert table.keys() == expected.keys()


def grid_fields(tmp_path: Path, text: str) -> set[str]:
    """The fields that are known where ``text`` has a ``?``, as the error names them."""
    path = tmp_path / "grid.yml"
    path.write_text(text.replace("?", "'0': 1"), "utf-8")
    with pytest.raises(SettingsError) as caught:
        read_grid(path, cameras=())
    assert caught.value.hint is not None
    return set(caught.value.hint.removeprefix("known: ").split(", "))


@pytest.mark.parametrize(
    ("where", "text"),
    [("top", "?"), ("camera", "cameras: {a: {?}}"), ("link", "links: [{?}]")],
)
def test_every_field_of_a_grid_file_is_explained(tmp_path: Path, where: str, text: str) -> None:
    table = rows(sections(DOCS / "trajectories.md")["The grid file"])
    told = {code(cells[1])[0] for cells in table if cells[0] == where}
    assert told == grid_fields(tmp_path, text)


def test_the_grid_file_of_the_page_can_be_read(tmp_path: Path) -> None:
    section = sections(DOCS / "trajectories.md")["The grid file"]
    (block,) = re.findall(r"^```yaml\n(.*?)^```", section, re.M | re.S)
    path = tmp_path / "grid.yml"
    path.write_text(block, "utf-8")
    grid = read_grid(path, cameras=("entrance", "stairs", "office"))
    assert grid.least_secs("entrance", "stairs") == 4
    assert grid.least_secs("stairs", "office") == 0
    assert grid.positions["office"] == (0.9, 0.3)


def test_every_environment_variable_is_explained() -> None:
    read = {
        name
        for path in (ROOT / "src").rglob("*.py")
        for name in re.findall(r"environ\S*?[\"'](SIGHTGRID_\w+)", path.read_text("utf-8"))
    }
    table = rows(sections(DOCS / "cli.md")["Commands"])
    told = {name for cells in table for name in code(cells[0]) if name.startswith("SIGHTGRID_")}
    assert read == told


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page have on the usual forges."""
    return {
        re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in sections(page)
    }


@pytest.mark.parametrize("page", pages(), ids=lambda page: str(page.relative_to(ROOT)))
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    prose = re.sub(r"^```.*?^```", "", page.read_text("utf-8"), flags=re.M | re.S)
    for link in re.findall(r"\]\(([^)\s]+)\)", prose):
        if re.match(r"[a-z]+:", link):
            continue
        target, _, anchor = unquote(link).partition("#")
        path = (page.parent / target).resolve() if target else page
        assert path.exists(), f"{page.name}: {link} leads nowhere"
        if anchor:
            assert anchor in anchors(path), f"{page.name}: {link} names no heading"


def test_every_page_can_be_reached_from_the_readme() -> None:
    reached, waiting = set(), [ROOT / "README.md"]
    while waiting:
        page = waiting.pop()
        if page in reached:
            continue
        reached.add(page)
        for link in re.findall(r"\]\(([^)#\s]+\.md)[)#]", page.read_text("utf-8")):
            if not re.match(r"[a-z]+:", link):
                waiting.append((page.parent / link).resolve())
    assert reached == set(pages())


def test_every_test_that_a_page_names_is_there() -> None:
    for page in pages():
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", page.read_text("utf-8"))
        for file, function in named:
            text = (ROOT / file).read_text("utf-8")
            assert not function or f"def {function}(" in text, f"{page.name}: {file}::{function}"


def test_no_file_names_a_machine_or_a_registry() -> None:
    # put together here, so that this file does not hold what it looks for
    places = "|".join(("work", "root", r"home/\w+", r"Users/\w+", "opt/pypi"))
    hosts = "|".join((r"pypi\.org", r"pythonhosted\.org", "arti" + "factory", "nex" + "us"))
    flags = "|".join(f"--{flag}" for flag in ("index-url", "extra-index-url", "find-links"))
    pattern = re.compile(
        rf"(?<![\w.~/-])/(?:{places})(?:/|\b)|(?<!\w)(?:{hosts})|^\s*(?:{flags})[ =]", re.M
    )
    for path in tracked():
        try:
            text = path.read_text("utf-8")
        except UnicodeDecodeError:
            continue
        match = pattern.search(text)
        assert match is None, f"{path.relative_to(ROOT)} holds {match and match[0].strip()!r}"


def test_every_field_of_the_configuration_is_explained() -> None:
    table = rows(sections(DOCS / "cameras.md")["`sightgrid.yml`"])
    told = {(cells[0], code(cells[1])[0]) for cells in table}
    known = {
        "top": document.TOP_FIELDS,
        "site": document.SITE_FIELDS,
        "camera": document.CAMERA_FIELDS,
        "recognition": document.RECOGNITION_FIELDS,
        "retention": document.RETENTION_FIELDS,
        "people": PEOPLE_FIELDS,
        "mqtt": document.MQTT_FIELDS,
        "mail": document.MAIL_FIELDS,
        "moodle": document.MOODLE_FIELDS,
        "frappe": document.FRAPPE_FIELDS,
        "box": document.BOX_FIELDS,
    }
    assert told == {(where, field) for where, fields in known.items() for field in fields}


def test_the_configuration_of_the_page_can_be_read(tmp_path: Path) -> None:
    (block,) = re.findall(
        r"^```yaml\n(.*?)^```", sections(DOCS / "cameras.md")["`sightgrid.yml`"], re.M | re.S
    )
    path = tmp_path / "sightgrid.yml"
    path.write_text(block, "utf-8")
    secrets = {"SIGHTGRID_CAM_USER": "u", "SIGHTGRID_CAM_PASSWORD": "p"}
    assert len(document.read_configuration(path, environment=secrets).cameras) == 2


def test_every_state_and_trouble_of_a_camera_is_explained() -> None:
    table = rows(sections(DOCS / "cameras.md")["States"])
    told = {code(cells[0])[0] for cells in table}
    assert told == {state.value for state in CameraState} | {word.value for word in Trouble}


def test_every_route_is_in_the_list_of_the_api() -> None:
    told = set(re.findall(r"`([A-Z]+ /api/v1/[^`]*)`", (DOCS / "api.md").read_text("utf-8")))
    there = {
        f"{method} {API}{route.path}"
        for module in ROUTERS
        for route in module.router.routes
        if isinstance(route, APIRoute)
        for method in route.methods or ()
    }
    assert told == there
