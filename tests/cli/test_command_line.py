"""What every command promises: help at once, exit codes, one line of reason, JSON."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import click
import pytest
from scenery import call

from sightgrid.cli.main import program


def every_command() -> list[list[str]]:
    """The program itself, its commands and theirs, as they are typed."""
    found: list[list[str]] = [[]]
    for name in program.list_commands(click.Context(program)):
        command = program.get_command(click.Context(program), name)
        found.append([name])
        found += [[name, below] for below in sorted(getattr(command, "commands", ()))]
    return found


COMMANDS = every_command()
HEAVY = ("cv2", "av", "onnx", "onnxruntime", "openvino", "scipy", "sqlalchemy", "numpy")


def sightgrid(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "sightgrid", *arguments], capture_output=True, text=True, timeout=60
    )


def test_the_commands_of_the_contract_are_there() -> None:
    for wanted in ("demo", "doctor", "identity search", "models verify", "track"):
        assert wanted.split() in COMMANDS


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "sightgrid")
def test_help_says_what_the_command_does(command: list[str]) -> None:
    called = call(*command, "--help")
    assert called.code == 0
    assert called.out.startswith("Usage: sightgrid")
    assert not called.err
    assert call(*command, "-h") == called or command


def test_help_of_no_command_imports_anything_heavy() -> None:
    script = f"""
import sys
from sightgrid.cli.main import run
for command in {COMMANDS!r}:
    assert run([*command, "--help"]) == 0
print(*({set(HEAVY)!r} & sys.modules.keys()), file=sys.stderr)
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stderr.split() == []


@pytest.mark.speed
@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: " ".join(command) or "sightgrid")
def test_help_is_there_in_half_a_second(command: list[str]) -> None:
    best = float("inf")
    for _ in range(3):
        began = time.perf_counter()
        sightgrid(*command, "--help")
        best = min(best, time.perf_counter() - began)
    assert best < 0.5


def test_version_is_the_packages() -> None:
    from sightgrid import __version__

    assert __version__ in call("--version").out


def test_a_person_who_types_nothing_is_shown_the_commands() -> None:
    called = call()
    assert called.code == 2
    assert "track" in called.out + called.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nonsense"], "'nonsense'"),
        (["identity", "nonsense"], "'nonsense'"),
        (["--nonsense"], "'--nonsense'"),
        (["doctor", "--nonsense"], "'--nonsense'"),
        (["identity", "show", "three", "--run", "."], "'three'"),
        (["identity", "show"], "'SERIAL'"),
        (["models", "show"], "NAME"),
    ],
)
def test_wrong_usage_is_exit_2_with_one_line_that_points_to_the_help(
    arguments: list[str], said: str
) -> None:
    line = call(*arguments).failed_in_one_line(2)
    assert said in line
    assert "--help" in line


def test_debug_shows_where_it_failed_and_nothing_else_does(tmp_path: Path) -> None:
    command = ["identity", "list", "--run", str(tmp_path)]
    plain = sightgrid(*command)
    assert plain.returncode == 1
    assert plain.stderr.startswith("error:")
    assert len(plain.stderr.splitlines()) == 1
    told = sightgrid(*command, "--debug")
    assert told.returncode == 1
    assert "Traceback (most recent call last)" in told.stderr
    assert told.stderr.splitlines()[-1] == plain.stderr.strip()


def test_a_reader_that_goes_away_is_no_disaster() -> None:
    pipe_in, pipe_out = os.pipe()
    os.close(pipe_in)
    with os.fdopen(pipe_out, "w") as gone:
        done = subprocess.run(
            [sys.executable, "-m", "sightgrid", "models", "list", "--json"],
            stdout=gone,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    assert "Traceback" not in done.stderr
    assert done.returncode in (0, 1)


def test_doctor_finds_this_machine_ready(tmp_path: Path) -> None:
    called = call("doctor", "--json")
    checks = {check["check"]: check for check in json.loads(called.out)}
    assert called.code == 0, called.out
    assert {"pack default", "runtimes", "video", "database", "disk", "cache", "clock"} <= (
        checks.keys()
    )
    assert {check["state"] for check in checks.values()} <= {"good", "advice"}
    assert all(check["advice"] for check in checks.values() if check["state"] != "good")


def test_doctor_fails_with_advice_when_the_results_have_no_place(tmp_path: Path) -> None:
    called = call("doctor", "--out", tmp_path / "missing", "--json", tmp_path / "checks.json")
    assert called.code == 1
    assert "failed" in called.out
    (failed,) = [
        check
        for check in json.loads((tmp_path / "checks.json").read_text())
        if check["state"] == "failed"
    ]
    assert failed["check"] == "disk"
    assert failed["advice"]


def test_models_list_names_licence_and_state_of_every_pack() -> None:
    called = call("models", "list", "--json")
    assert called.code == 0
    packs = {pack["name"]: pack for pack in json.loads(called.out)}
    assert packs["default"]["state"] in ("installed", "on first use")
    for pack in packs.values():
        assert pack["detector"]["licence"]
        assert pack["embedder"]["licence"]
    assert "default" in call("models", "list").out


def test_models_show_tells_origin_checksums_and_contract() -> None:
    called = call("models", "show", "default", "--json")
    assert called.code == 0
    pack = json.loads(called.out)
    assert len(pack["contract"]) == 64
    for part in ("detector", "embedder"):
        assert {"licence", "origin", "sha256"} <= pack[part].keys()
    assert pack["contract"] in call("models", "show", "default").out
    assert "'nonsense'" in call("models", "show", "nonsense").failed_in_one_line()


def test_models_verify_runs_the_networks() -> None:
    called = call("models", "verify", "default", "--json")
    assert called.code == 0, called.err
    findings = json.loads(called.out)
    assert findings
    assert all(finding["problem"] is None for finding in findings)
    assert "nonsense" in call("models", "verify", "nonsense").failed_in_one_line()
