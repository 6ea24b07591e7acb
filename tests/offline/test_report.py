from __future__ import annotations

import base64
import errno
import hashlib
import re
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path

import cv2
import numpy as np
import pytest

from sightgrid.domain.errors import OutputError
from sightgrid.domain.frames import EPOCH
from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Band, Candidate, Decision, Identity, Match, Sighting, Visit
from sightgrid.domain.tracklets import PathPoint
from sightgrid.offline.report import TruthRow, write_report
from sightgrid.offline.report_page import compose, redacted
from sightgrid.offline.results import IdentitySummary, RunResult, SourceState, SourceStatus
from sightgrid.offline.spelling import Clock, counted, duration, from_start, listed

START = datetime(2026, 1, 2, 14, 3, 5, 678000, tzinfo=UTC)
HOSTILE = "<script>alert('x')</script>\"&{{7*7}}"


def painted(seed: int) -> bytes:
    colour = np.random.default_rng(seed).integers(40, 220, 3)
    pixels = np.full((112, 112, 3), colour, np.uint8)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


def build_run(
    folder: Path,
    *,
    identities: int = 4,
    visits_each: int = 3,
    cameras: Sequence[str] = ("entrance", "hall", "stairs"),
    names: Sequence[str] = (),
    unsure: int = 2,
    start: datetime = START,
    clock: str = "container",
    gap_secs: float = 20.0,
    stay_secs: float = 4.0,
    crops_each: int = 6,
    crop: Callable[[int, int], bytes] = lambda identity, number: painted(identity),
    seed: int = 1,
) -> RunResult:
    """A run with invented visits whose crops lie in ``folder/crops``."""
    rng = np.random.default_rng(seed)
    (folder / "crops").mkdir(exist_ok=True)
    decisions: list[Decision] = []
    summaries: list[IdentitySummary] = []
    visits: list[Visit] = []
    crop_paths: dict[str, tuple[str, ...]] = {}

    def sighting(name: str, camera: str, first: datetime, last: datetime) -> Sighting:
        box = Box(10, 10, 60, 60)
        path = (PathPoint(1, first, box, 0.9), PathPoint(9, last, box, 0.9))
        return Sighting(name, 1, True, camera, len(decisions) + 1, path, ())

    for serial in range(1, identities + 1):
        person = names[serial - 1] if serial <= len(names) else None
        at = start + timedelta(seconds=float(rng.uniform(0, gap_secs * 2)))
        crops = tuple(f"crops/{serial}_{number}.jpg" for number in range(crops_each))
        for number, path in enumerate(crops):
            (folder / path).write_bytes(crop(serial, number))
        own = []
        for number in range(visits_each):
            camera = cameras[int(rng.integers(len(cameras)))]
            last = at + timedelta(seconds=float(rng.uniform(0.3, 1.7) * stay_secs))
            name = f"s{serial}-{number}"
            score = None if number == 0 and person is None else float(rng.uniform(0.4, 0.85))
            band = Band.STRANGER if person is None else Band.CONFIRMED if number else Band.LIKELY
            decisions.append(
                Decision(
                    sighting(name, camera, at, last),
                    Match(band, serial, person, score, 0.1, None, "made up"),
                )
            )
            crop_paths[name] = crops[:1]
            own.append(Visit(serial, person, camera, at, last, (name,)))
            at = last + timedelta(seconds=float(rng.uniform(-0.1, 1.0) * gap_secs))
        own.sort(key=lambda visit: visit.first_seen)
        visits += own
        summaries.append(
            IdentitySummary(
                Identity(serial, person),
                tuple(dict.fromkeys(visit.camera for visit in own)),
                tuple(own),
                min(visit.first_seen for visit in own),
                max(visit.last_seen for visit in own),
                crops,
            )
        )
    for number in range(unsure):
        name, camera = f"u{number}", cameras[number % len(cameras)]
        at = start + timedelta(seconds=3.0 * number)
        path = f"crops/{name}.jpg"
        (folder / path).write_bytes(crop(1000 + number, 0))
        match = Match(
            Band.UNSURE, None, None, None, None, Candidate(1, None, 0.31), "too small and blurred"
        )
        decisions.append(Decision(sighting(name, camera, at, at + timedelta(seconds=0.6)), match))
        crop_paths[name] = (path,)
    ends = max((v.last_seen for v in visits), default=start + timedelta(seconds=5))
    sources = tuple(
        SourceStatus(
            camera, f"{camera}.mp4", SourceState.DONE, None, 1280, 720, 750, 90, 9, start, clock,
            (ends - start).total_seconds(), 4.2,
        )
        for camera in cameras
    )  # fmt: skip
    return RunResult(
        title="Main building, Friday",
        started_at=datetime(2026, 1, 3, 9, 30, tzinfo=UTC),
        sources=sources,
        decisions=tuple(sorted(decisions, key=lambda d: d.sighting.first_seen)),
        identities=tuple(summaries),
        visits=tuple(visits),
        crop_paths=crop_paths,
        settings={"pack": "default 1.0", "detector": "yunet", "one stranger from": "0.46"},
    )


class Tree(HTMLParser):
    """What a report is made of: tags with their attributes, and the text by enclosing id."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.scripts: list[str] = []
        self._in: list[str] = []
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag in ("script", "style"):
            self._in.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._in and self._in[-1] == tag:
            self._in.pop()

    def handle_data(self, data: str) -> None:
        if self._in:
            if self._in[-1] == "script":
                self.scripts.append(data)
        else:
            self.text.append(data)

    @property
    def words(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.text))

    def of_class(self, name: str, tag: str | None = None) -> list[dict[str, str | None]]:
        return [
            attrs
            for found, attrs in self.tags
            if name in (attrs.get("class") or "").split() and tag in (None, found)
        ]


def report(result: RunResult, folder: Path, **extra: object) -> Tree:
    return Tree(write_report(result, folder=folder, **extra).read_text())  # type: ignore[arg-type]


def test_every_count_is_that_of_the_run(tmp_path: Path) -> None:
    result = build_run(tmp_path, identities=5, visits_each=4, names=["Miranda"], unsure=2)
    tree = report(result, tmp_path)
    assert len(tree.of_class("card", "article")) == 5
    assert len(tree.of_class("tl-row")) == 5
    assert len(tree.of_class("bar", "a")) == len(result.visits) == 20
    assert len([1 for tag, attrs in tree.tags if tag == "tr" and "data-id" in attrs]) == 20
    assert len(tree.of_class("hop", "li")) == 20
    assert "5 people on 3 cameras, 20 visits; 2 sightings were too unclear to tell." in tree.words
    assert "1 known by name and 4 strangers" in tree.words
    # every crop once in its card, one for each unsure sighting
    assert len(tree.of_class("face", "img")) == 5 * 6 + 2
    assert tree.words.count("too small and blurred") == 2
    assert "closest: #1, similarity 0.31" in tree.words


def test_the_file_asks_nothing_of_anybody(tmp_path: Path) -> None:
    result = build_run(tmp_path, names=["Miranda"])
    grid = CameraGrid(positions={"entrance": (0.1, 0.5), "hall": (0.5, 0.5)})
    html = write_report(result, folder=tmp_path, grid=grid).read_text()
    without_pictures = re.sub(r"data:image/jpeg;base64,[\w+/=]+", "", html)
    assert not re.search(r"https?:|//\w|@import|url\((?!#)|fetch\(|XMLHttp", without_pictures)
    tree = Tree(html)
    for _, attrs in tree.tags:
        for name in ("src", "href", "data", "action", "poster", "srcset", "xlink:href"):
            assert (attrs.get(name) or "#").startswith(("#", "data:image/jpeg;base64,"))
        assert not [name for name in attrs if name.startswith("on")]
    assert not {"link", "iframe", "object", "embed", "base"} & {tag for tag, _ in tree.tags}


def test_the_policy_allows_this_script_and_no_other(tmp_path: Path) -> None:
    tree = report(build_run(tmp_path), tmp_path)
    [policy] = [
        attrs["content"] or ""
        for tag, attrs in tree.tags
        if tag == "meta" and attrs.get("http-equiv") == "Content-Security-Policy"
    ]
    digest = base64.b64encode(hashlib.sha256("".join(tree.scripts).encode()).digest()).decode()
    assert len([tag for tag, _ in tree.tags if tag == "script"]) == 1
    assert policy.startswith("default-src 'none'")
    assert f"script-src 'sha256-{digest}'" in policy


def test_hostile_names_stay_words(tmp_path: Path) -> None:
    result = build_run(tmp_path, cameras=(HOSTILE, "hall"), names=[HOSTILE])
    result = replace(
        result,
        title=HOSTILE,
        settings={HOSTILE: HOSTILE},
        sources=(
            replace(result.sources[0], state=SourceState.FAILED, reason=HOSTILE, source=HOSTILE),
            *result.sources[1:],
        ),
    )
    grid = CameraGrid(positions={HOSTILE: (0.2, 0.2), "hall": (0.7, 0.7)})
    truth = [TruthRow(HOSTILE, HOSTILE, START, START, 1)]
    tree = report(result, tmp_path, grid=grid, truth_rows=truth)
    assert len([tag for tag, _ in tree.tags if tag == "script"]) == 1
    assert tree.words.count(HOSTILE) > 10
    assert "alert" not in "".join(tree.scripts)


@pytest.mark.parametrize("state", [SourceState.FAILED, SourceState.BROKEN_OFF])
def test_a_camera_that_failed_is_named_with_its_reason(tmp_path: Path, state: SourceState) -> None:
    result = build_run(tmp_path)
    broken = replace(
        result.sources[1], state=state, reason="the file ends in mid-picture", frames=0
    )
    result = replace(result, sources=(result.sources[0], broken, result.sources[2]))
    tree = report(result, tmp_path)
    assert tree.of_class("trouble")[0]["role"] == "alert"
    assert "1 of 3 cameras did not come through whole" in tree.words
    assert tree.words.count("the file ends in mid-picture") == 1


def test_nothing_seen_and_nothing_read_are_reports_too(tmp_path: Path) -> None:
    empty = build_run(tmp_path, identities=0, unsure=0)
    assert "No faces were seen on 3 cameras." in report(empty, tmp_path).words
    unclear = build_run(tmp_path, identities=0, unsure=1)
    assert "1 sighting was too unclear to tell" in report(unclear, tmp_path).words
    nothing = replace(empty, sources=())
    assert "nothing could be read" in report(nothing, tmp_path).words


def test_relative_clocks_count_from_the_start(tmp_path: Path) -> None:
    tree = report(build_run(tmp_path, start=EPOCH, clock="relative"), tmp_path)
    assert "Relative clock." in tree.words
    assert "1970" not in tree.words
    assert re.search(r"\b0:\d\d\.\d{3} – 0:\d\d\.\d{3}", tree.words)  # noqa: RUF001


def test_dates_are_said_once_unless_there_are_several(tmp_path: Path) -> None:
    one_day = report(build_run(tmp_path), tmp_path)
    assert one_day.words.count("2 January 2026") == 1
    assert "14:03:" in one_day.words
    days = report(build_run(tmp_path, gap_secs=90_000), tmp_path)
    assert re.search(r"\d Jan \d\d:\d\d:\d\d", days.words)


def test_two_kinds_of_clock_are_not_drawn_on_one_axis(tmp_path: Path) -> None:
    result = build_run(tmp_path, identities=6, visits_each=5)
    relative = replace(result.sources[0], clock="relative", starts_at=EPOCH)
    shift = START - EPOCH

    def moved(visit: Visit) -> Visit:
        if visit.camera != relative.camera:
            return visit
        first, last = visit.first_seen - shift, visit.last_seen - shift
        return replace(visit, first_seen=first, last_seen=last)

    identities = tuple(
        replace(
            summary,
            visits=tuple(sorted(map(moved, summary.visits), key=lambda v: v.first_seen)),
            first_seen=min(moved(v).first_seen for v in summary.visits),
        )
        for summary in result.identities
    )
    mixed = replace(
        result,
        sources=(relative, *result.sources[1:]),
        identities=identities,
        visits=tuple(map(moved, result.visits)),
    )
    page = compose(mixed, grid=None, truth_rows=())
    assert page.clock == "mixed"
    assert [timeline.relative for timeline in page.timelines] == [False, True]
    assert all(timeline.ends - timeline.starts < 3_600_000 for timeline in page.timelines)
    assert any(hop.gap == "its clock can't be compared" for hop in page.hops)
    assert "Two kinds of clock." in report(mixed, tmp_path).words


def test_overlapping_visits_get_lanes_of_their_own(tmp_path: Path) -> None:
    result = build_run(tmp_path, identities=1, visits_each=1)
    visit = result.visits[0]
    both = (visit, replace(visit, camera="hall"))
    result = replace(result, visits=both, identities=(replace(result.identities[0], visits=both),))
    page = compose(result, grid=None, truth_rows=())
    [row] = page.timelines[0].rows
    assert [bar.lane for bar in row.bars] == [0, 1]
    assert page.hops[1].gap == "at the same time also on"


def test_cameras_keep_their_colour_whatever_their_order(tmp_path: Path) -> None:
    result = build_run(tmp_path, cameras=[f"camera-{n:02d}" for n in range(30)], identities=1)
    page = compose(result, grid=None, truth_rows=())
    turned = compose(replace(result, sources=result.sources[::-1]), grid=None, truth_rows=())
    assert [(c.name, c.colour, c.pattern) for c in page.cameras] == [
        (c.name, c.colour, c.pattern) for c in turned.cameras
    ]
    assert len({(c.colour, c.pattern) for c in page.cameras[:24]}) == 24
    assert [page.cameras[n].code for n in (0, 25, 26)] == ["A", "Z", "AA"]


def test_the_plan_shows_what_has_a_place(tmp_path: Path) -> None:
    grid = CameraGrid(
        positions={"entrance": (0, 0.5), "hall": (1, 0.5), "not in this run": (0.5, 0.5)},
        links=(CameraLink("entrance", "hall", 4, 60), CameraLink("hall", "stairs", 1)),
    )
    tree = report(build_run(tmp_path), tmp_path, grid=grid)
    assert len(tree.of_class("spot")) == 2
    assert len(tree.of_class("link")) == 1
    assert "4.0 s to 60 s" in tree.words or "4.0 s to 1 min" in tree.words
    assert "Not on the plan: C stairs" in tree.words
    assert not report(build_run(tmp_path), tmp_path).of_class("plan")


def test_a_missing_damaged_or_foreign_crop_is_a_blank_face(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    result = build_run(folder, identities=1, crops_each=4, unsure=0)
    (folder / "crops/1_0.jpg").unlink()
    (folder / "crops/1_1.jpg").write_bytes(b"<svg onload=alert(1)>")
    (tmp_path / "outside.jpg").write_bytes(painted(1))
    crops = ("crops/1_0.jpg", "crops/1_1.jpg", "../outside.jpg", "crops/1_3.jpg")
    result = replace(result, identities=(replace(result.identities[0], crops=crops),))
    tree = report(result, folder)
    assert len(tree.of_class("face", "img")) == 1
    assert len(tree.of_class("none", "span")) == 3


def test_large_crops_are_made_small(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (600, 600, 3), np.uint8)
    large = cv2.imencode(".jpg", noise)[1].tobytes()
    result = build_run(tmp_path, identities=1, crop=lambda identity, number: large, unsure=0)
    assert write_report(result, folder=tmp_path).stat().st_size < 6 * 40_000 + 120_000


def test_the_truth_stands_beside_the_answer(tmp_path: Path) -> None:
    rows = [
        TruthRow("Ann", "entrance", START, START + timedelta(seconds=2), 1),
        TruthRow("Ann", "hall", START + timedelta(seconds=9), START + timedelta(seconds=12), 1),
        TruthRow("Bob", "hall", START + timedelta(seconds=1), START + timedelta(seconds=2), 1),
        TruthRow("Bob", "stairs", START + timedelta(seconds=5), START + timedelta(seconds=7), None),
    ]
    tree = report(build_run(tmp_path), tmp_path, truth_rows=rows)
    assert "2 of 4 true passages told right, 1 told wrong, 1 missed" in tree.words
    assert len(tree.of_class("verdict")) == 4


def test_sources_are_shown_without_their_secrets(tmp_path: Path) -> None:
    assert redacted("rtsp://me:pa@ss@10.0.0.1/live?token=x") == "rtsp://10.0.0.1/live"
    assert redacted("clips/a@b?.mp4") == "clips/a@b?.mp4"
    result = build_run(tmp_path)
    secret = replace(result.sources[0], source="rtsp://me:secret@cam/live?key=secret")
    html = write_report(replace(result, sources=(secret,)), folder=tmp_path).read_text()
    assert "secret" not in html


def test_a_full_disk_is_named_and_the_old_report_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = build_run(tmp_path)
    write_report(result, folder=tmp_path)

    def full(self: Path, content: bytes) -> int:
        with self.open("wb") as file:
            file.write(content[:10])
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutputError, match="disk is full"):
        write_report(result, folder=tmp_path)
    monkeypatch.undo()
    assert "</html>" in (tmp_path / "report.html").read_text()
    assert not list(tmp_path.glob(".*"))


def test_a_large_run_is_quick(tmp_path: Path) -> None:
    picture = painted(3)
    result = build_run(
        tmp_path, identities=500, visits_each=10, crop=lambda identity, number: picture
    )
    began = time.process_time()
    tree_file = write_report(result, folder=tmp_path)
    assert time.process_time() - began < 5.0
    assert tree_file.read_text().count('class="hop ') == 5000


@pytest.mark.parametrize(
    ("secs", "words"),
    [(0.04, "0.0 s"), (9.94, "9.9 s"), (12.3, "12 s"), (185, "3 min 5 s"), (3600, "1 h"),
     (7800, "2 h 10 min"), (86400, "1 d"), (273600, "3 d 4 h")],
)  # fmt: skip
def test_durations(secs: float, words: str) -> None:
    assert duration(secs) == words


def test_numbers_and_times_in_words() -> None:
    assert counted(1, "visit") == "1 visit"
    assert counted(1204, "visit") == "1,204 visits"
    assert counted(2, "person", "people") == "2 people"
    assert listed(["a", "b", "c"]) == "a, b and c"
    assert from_start(63.2) == "1:03.200"
    assert from_start(3723.0049) == "1:02:03.005"
    late = START + timedelta(days=1)
    clock = Clock.over(START, late, relative=False)
    assert clock.span(START, START) == "2 Jan 14:03:05 – 14:03:05"  # noqa: RUF001
    assert clock.span(START, late) == "2 Jan 14:03:05 – 3 Jan 14:03:05"  # noqa: RUF001
