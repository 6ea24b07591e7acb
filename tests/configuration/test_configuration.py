"""sightgrid.yml: what it means, that a mistake is answered with its line, that secrets stay out."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from sightgrid.configuration import Configuration, read_configuration
from sightgrid.configuration.schedules import parse_span, watched
from sightgrid.domain.cameras import Purpose
from sightgrid.domain.errors import InvalidValue, SettingsError

# the example of the public contract, word for word
CONTRACT = """\
site: {name: Main building, timezone: Europe/Paris, floor_plan: plan.png}
database: sqlite:///sightgrid.db        # postgresql+psycopg://…  mysql+pymysql://…
cameras:
  entrance: {url: "rtsp://{SIGHTGRID_CAM_USER}:{SIGHTGRID_CAM_PASSWORD}@10.0.0.11/stream", \
purposes: [trajectories], zone: hall, position: [0.2, 0.7], masks: [[0,0, .3,0, .3,.2, 0,.2]]}
  stairs: {url: clip.mp4}
links: [{from: entrance, to: stairs, secs: [4, 60]}]
recognition: {pack: default, false_alarms: "1 per 10000 passages", \
stranger_merges: "1 per 1000 passages", stranger_window: 24h}
retention: {crops: 72h, strangers: 30d, sightings: 30d, visits: 30d, evidence: 60d, \
registers: 730d, enrolment: until-withdrawal, audit: 365d}
mqtt: {url: mqtt://127.0.0.1:1883}      # optional
"""
ENVIRONMENT = {"SIGHTGRID_CAM_USER": "viewer", "SIGHTGRID_CAM_PASSWORD": "p@ss/w:rd"}


def read(folder: Path, text: str, environment: dict[str, str] | None = None) -> Configuration:
    path = folder / "sightgrid.yml"
    path.write_text(text, "utf-8")
    return read_configuration(path, environment=ENVIRONMENT if environment is None else environment)


def mistake(folder: Path, text: str) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        read(folder, text)
    return caught.value


def test_the_contracts_example_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, CONTRACT)
    assert found.site.name == "Main building"
    assert found.site.zone == ZoneInfo("Europe/Paris")
    assert found.site.floor_plan == tmp_path / "plan.png"
    entrance, stairs = found.cameras
    assert entrance.url.reveal() == "rtsp://viewer:p%40ss%2Fw%3Ard@10.0.0.11/stream"
    assert entrance.purposes == (Purpose.TRAJECTORIES,)
    assert entrance.zone == "hall"
    assert entrance.masks == (((0, 0), (0.3, 0), (0.3, 0.2), (0, 0.2)),)
    assert stairs.detections_per_sec == 5
    assert found.grid.positions == {"entrance": (0.2, 0.7)}
    assert found.grid.least_secs("stairs", "entrance") == 4
    assert found.recognition.false_alarms == pytest.approx(1e-4)
    assert found.recognition.stranger_merges == pytest.approx(1e-3)
    assert found.retention.crops == timedelta(hours=72)
    assert found.retention.enrolment is None
    assert found.mqtt is not None


def test_an_empty_file_is_a_box_without_cameras(tmp_path: Path) -> None:
    found = read(tmp_path, "")
    assert found.cameras == ()
    assert found.database.reveal() == f"sqlite:///{tmp_path / 'sightgrid.db'}"
    assert found.box.data_folder == tmp_path / "sightgrid-box"


def test_a_secret_is_never_printed(tmp_path: Path) -> None:
    found = read(tmp_path, CONTRACT)
    assert "p@ss" not in repr(found)
    assert "p%40ss" not in repr(found)
    assert "viewer" not in repr(found)
    assert f"{found.cameras[0].url}" == "rtsp://***@10.0.0.11/stream"
    assert {"p@ss/w:rd", "p%40ss%2Fw%3Ard", "viewer"} <= found.secret_values
    assert found.secret_variables == {"SIGHTGRID_CAM_USER", "SIGHTGRID_CAM_PASSWORD"}


def test_a_named_secret_comes_from_a_private_file_or_the_environment(tmp_path: Path) -> None:
    text = "cameras: {door: {url: !secret door-url}}\n"
    vault = tmp_path / "secrets.yml"
    vault.write_text("door-url: rtsp://a:b@10.0.0.1/x\n", "utf-8")
    vault.chmod(0o644)
    assert "can be read by others" in str(mistake(tmp_path, text))
    vault.chmod(0o600)
    assert read(tmp_path, text).cameras[0].url.reveal() == "rtsp://a:b@10.0.0.1/x"
    vault.unlink()
    error = mistake(tmp_path, text)
    assert "line 1" in str(error)
    assert error.hint is not None
    assert "SIGHTGRID_DOOR_URL" in error.hint
    there = {"SIGHTGRID_DOOR_URL": "rtsp://c:d@10.0.0.2/y"}
    assert read(tmp_path, text, there).cameras[0].url.reveal() == "rtsp://c:d@10.0.0.2/y"
    credentials = tmp_path / "credentials"
    credentials.mkdir()
    (credentials / "door-url").write_text("rtsp://e:f@10.0.0.3/z\n", "utf-8")
    there["CREDENTIALS_DIRECTORY"] = str(credentials)
    assert read(tmp_path, text, there).cameras[0].url.reveal() == "rtsp://e:f@10.0.0.3/z"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("site: {}\ncamras: {}\n", 2, "'camras' is no field of sightgrid.yml (did you mean 'cam"),
        ("cameras:\n  a:\n    url: x\n    purpose: []\n", 4, "did you mean 'purposes'"),
        ("cameras:\n  a: {zone: hall}\n", 2, "camera a needs 'url'"),
        ("cameras:\n  a b: {url: x}\n", 2, "'a b' can't be the name of a camera"),
        ("cameras: {a: {url: x, purposes: [trajectory]}}", 1, "did you mean 'trajectories'"),
        ("cameras: {a: {url: x, masks: [[0, 0, 1, 1]]}}", 1, "three corners"),
        ("cameras: {a: {url: x, masks: [[0, 0, 1, 1, 2, 0]]}}", 1, "from 0 to 1"),
        ("cameras: {a: {url: x, detections_per_sec: 0}}", 1, "not from 0.2 to 30"),
        ("cameras: {a: {url: x, schedule: [always]}}", 1, "'always' is no part of the week"),
        ("cameras:\n  a: {url: 'rtsp://{SIGHTGRID_NOPE}@h/'}", 2, "SIGHTGRID_NOPE is not set"),
        ("cameras:\n  a: {url: 'rtsp://{HOME}@h/'}", 2, "only variables that begin with"),
        ("cameras: {a: {url: x}}\nlinks: [{from: a, to: b, secs: [1]}]", 2, "'b' is not known"),
        ("site: {timezone: Mars/Olympus}", 1, "is no time zone"),
        ("recognition: {false_alarms: seldom}", 1, "is no budget"),
        ("retention:\n  crops: forever\n", 2, "no length of time"),
        ("box: {networks: [10.0.0.1/8]}", 1, "has host bits set"),
        ("box: {metrics: 'localhost'}", 1, "is no address"),
        ("a: [\n", 2, ""),
    ],
)
def test_a_mistake_is_named_by_its_line(tmp_path: Path, text: str, line: int, words: str) -> None:
    error = mistake(tmp_path, text)
    told = f"{error} ({error.hint})"
    assert f"sightgrid.yml, line {line}: " in told
    assert words in told


def test_the_box(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        "box: {data_folder: spool, networks: [10.0.0.0/8, 'fd00::/8'], metrics: '127.0.0.1:9108',"
        " server: 'https://grid.example', spool_gib: 3}",
    ).box
    assert found.data_folder == tmp_path / "spool"
    assert found.networks == (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))
    assert found.metrics == ("127.0.0.1", 9108)
    assert found.spool_gib == 3


def test_a_schedule_follows_the_sites_wall_clock() -> None:
    paris = ZoneInfo("Europe/Paris")
    office = (parse_span("mon-fri 07:00-19:00"),)
    assert watched(office, datetime(2026, 1, 5, 6, 30, tzinfo=UTC), paris)  # 07:30 in winter
    assert not watched(office, datetime(2026, 1, 5, 5, 30, tzinfo=UTC), paris)
    assert watched(office, datetime(2026, 7, 6, 5, 30, tzinfo=UTC), paris)  # 07:30 in summer
    assert not watched(office, datetime(2026, 1, 4, 12, 0, tzinfo=UTC), paris)  # a Sunday
    night = (parse_span("sat 22:00-04:00"),)
    assert watched(night, datetime(2026, 1, 11, 2, 0, tzinfo=UTC), paris)  # Sunday 03:00
    assert not watched(night, datetime(2026, 1, 10, 2, 0, tzinfo=UTC), paris)
    assert watched((parse_span("fri-mon 00:00-24:00"),), datetime(2026, 1, 4, tzinfo=UTC), UTC)
    assert watched((), datetime(2026, 1, 4, tzinfo=UTC), UTC)


@pytest.mark.parametrize(
    "text", ["mon 7-19", "mon 25:00-26:00", "xyz 07:00-08:00", "mon 8:00-8:00"]
)
def test_what_is_no_part_of_the_week(text: str) -> None:
    with pytest.raises(InvalidValue):
        parse_span(text)
