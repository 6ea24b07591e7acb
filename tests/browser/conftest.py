"""A filled site, served by a process of its own, and Chromium to look at it."""

from __future__ import annotations

import hashlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright
from tests.wire.sightings import sighting

from sightgrid.configuration import read_configuration
from sightgrid.domain.accounts import Role
from sightgrid.domain.faces import Embedding
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.ledger.taking_in import Arrived
from sightgrid.server.accounts import add_account
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store.cameras import save_grid

CHROMIUM = Path(os.environ.get("SIGHTGRID_TEST_CHROMIUM", "/usr/bin/chromium"))
FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
)
PASSWORD = "nine purple otters sing"
CAMERAS = ("entrance", "corridor", "stairs")
PATIENCE_SECS = 60.0
FILE = """\
site: {name: Mill, timezone: Europe/Paris}
# the camera of these tests answers on this machine
box: {networks: ["127.0.0.0/8"]}
"""


@dataclass(frozen=True)
class ServedSite:
    """A server process: its address and its site's folder."""

    url: str
    folder: Path


@contextmanager
def serving(folder: Path) -> Iterator[ServedSite]:
    """``sightgrid server`` for as long as the block lasts."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    address = f"127.0.0.1:{port}"
    order = [sys.executable, "-m", "sightgrid", "server"]
    order += ["--config", str(folder / "sightgrid.yml"), "--listen", address]
    with (folder / "server.log").open("wb") as log:
        process = subprocess.Popen(order, stdout=log, stderr=log)
    try:
        until = time.monotonic() + PATIENCE_SECS
        while True:
            try:
                with urllib.request.urlopen(f"http://{address}/api/v1/health", timeout=5):
                    break
            except (urllib.error.URLError, OSError):
                assert process.poll() is None, (folder / "server.log").read_text()
                assert time.monotonic() < until, "the server did not answer"
                time.sleep(0.2)
        yield ServedSite(f"http://{address}", folder)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def browser_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site with three cameras, some strangers and an account of each role."""
    folder = tmp_path_factory.mktemp("browser-site")
    fill(folder)
    with serving(folder) as served:
        yield served


def fill(folder: Path) -> None:
    """Makes the site: eight people, each seen by two or three cameras in the last half hour."""
    path = folder / "sightgrid.yml"
    path.write_text(FILE, "utf-8")
    site = Site(SiteSettings(read_configuration(path), folder))
    grid = CameraGrid(
        positions={name: (0.2 + 0.3 * number, 0.5) for number, name in enumerate(CAMERAS)},
        links=(CameraLink("entrance", "corridor", 4, 60), CameraLink("corridor", "stairs", 3, 40)),
    )
    site.store.run(lambda tx: save_grid(tx, grid, CAMERAS))
    for role in Role:
        account(site, role.value, role)
    account(site, "bound", Role.OPERATOR, ["stairs"])
    began = datetime.now(UTC) - timedelta(minutes=30)
    arrived = [
        seen(site, face, camera, began + timedelta(minutes=3 * face, seconds=20 * step))
        for face in range(8)
        for step, camera in enumerate(CAMERAS[: 2 + face % 2])
    ]
    site.intake.take_in("box", arrived)
    site.close()


def account(site: Site, login: str, role: Role, cameras: list[str] | None = None) -> None:
    made = add_account(site, login, role, cameras, actor="test")
    code, _ = site.door.setup_code(made.account_id)
    site.door.set_up(code, login=None, password=PASSWORD, address="here")


def seen(site: Site, face: int, camera: str, at: datetime) -> Arrived:
    """A good sighting of a made-up face; its crops are drawn, not photographed."""
    rng = np.random.default_rng(face)
    centre = rng.normal(size=site.contract.dimension)
    plain = sighting(
        sighting_id=str(uuid.uuid4()), camera=camera, start=at, closed=True, contract=None
    )
    looks = []
    for number, look in enumerate(plain.looks):
        vector = centre + 0.15 * rng.normal(size=site.contract.dimension)
        unit = (vector / np.linalg.norm(vector)).astype(np.float32)
        crop = replace(look.crop, captured_at=at + timedelta(seconds=number / 2))
        looks.append(replace(look, crop=crop, embedding=Embedding(unit, site.contract, 0.9)))
    whole = replace(plain, looks=tuple(looks))
    crops = tuple(drawn_face(face) for _ in looks)
    return Arrived(whole, hashlib.sha256(whole.sighting_id.encode()).hexdigest(), crops)


def drawn_face(number: int) -> bytes:
    """A head and shoulders in plain colours, JPEG."""
    hue = (37 * number) % 180
    back = cv2.cvtColor(np.array([[[hue, 60, 210]]], np.uint8), cv2.COLOR_HSV2BGR)[0, 0].tolist()
    pixels = np.full((112, 112, 3), back, np.uint8)
    cv2.ellipse(pixels, (56, 118), (46, 40), 0, 0, 360, (90, 70, 60), -1, cv2.LINE_AA)
    cv2.ellipse(pixels, (56, 50), (26, 34), 0, 0, 360, (150, 180, 225), -1, cv2.LINE_AA)
    for x in (46, 66):
        cv2.circle(pixels, (x, 46), 3, (50, 40, 40), -1, cv2.LINE_AA)
    cv2.ellipse(pixels, (56, 66), (9, 4), 0, 0, 180, (60, 60, 140), 2, cv2.LINE_AA)
    return cv2.imencode(".jpg", pixels)[1].tobytes()


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium: apt-get install chromium, or SIGHTGRID_TEST_CHROMIUM")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
        yield browser
        browser.close()


@dataclass
class Window:
    """A browser window on a site. What its pages ask and complain of is kept."""

    page: Page
    site: ServedSite
    foreign: list[str]
    complaints: list[str]

    def open(self, path: str) -> Page:
        """Goes to a page and waits until it is drawn and connected."""
        self.page.goto(self.site.url + path)
        self.page.wait_for_selector("#main")
        self.page.wait_for_load_state("networkidle")
        return self.page

    def sign_in(self, login: str) -> None:
        self.page.goto(f"{self.site.url}/sign-in")
        self.page.get_by_label("Login").fill(login)
        self.page.get_by_label("Password").fill(PASSWORD)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.wait_for_url(lambda url: "/sign-in" not in url)


Opener = Callable[..., Window]


@pytest.fixture
def window(chromium: Browser) -> Iterator[Opener]:
    """Opens windows; after the test no page may have asked another host for anything."""
    contexts: list[BrowserContext] = []
    windows: list[Window] = []

    def open_window(
        site: ServedSite, *, width: int = 1440, height: int = 900, look: str = "light"
    ) -> Window:
        context = chromium.new_context(
            viewport={"width": width, "height": height},
            color_scheme="dark" if look == "dark" else "light",
        )
        context.set_default_timeout(1000 * PATIENCE_SECS)
        contexts.append(context)
        made = Window(context.new_page(), site, [], [])
        made.page.on(
            "request",
            lambda request: (
                made.foreign.append(request.url)
                if not request.url.startswith((site.url, "data:", "blob:"))
                else None
            ),
        )
        made.page.on("pageerror", lambda error: made.complaints.append(str(error)))
        made.page.on(
            "console",
            lambda told: (
                made.complaints.append(told.text)
                if told.type == "error" and "Failed to load resource" not in told.text
                else None
            ),
        )
        windows.append(made)
        return made

    yield open_window
    for context in contexts:
        context.close()
    for one in windows:
        assert one.foreign == []
        assert one.complaints == []
