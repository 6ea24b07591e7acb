"""How long pages take on a large site: ``python -m benchmarks.pages_speed``.

A sealed SQLite database is filled with strangers who were seen again and again: made-up vectors,
one small picture for all. A server of its own serves it; headless Chromium opens each page anew,
and what is told is the time from going there until its main content is drawn and the browser has
fetched everything, the pictures too. The first visit to each page is left out: it loads scripts
that the browser keeps.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import cv2
import numpy as np

from benchmarks import pages
from sightgrid.configuration import Configuration
from sightgrid.domain.accounts import Role
from sightgrid.domain.faces import Embedding, EmbeddingContract, FaceCrop, Quality
from sightgrid.domain.geometry import Box
from sightgrid.domain.grid import CameraGrid, CameraLink
from sightgrid.domain.presence import Band, Decision, Match, Sighting, Visit
from sightgrid.domain.tracklets import Look, PathPoint
from sightgrid.server.accounts import add_account
from sightgrid.server.site import Site, SiteSettings
from sightgrid.store import Transaction
from sightgrid.store.cameras import save_grid
from sightgrid.store.crops import crop_name, save_crops
from sightgrid.store.decisions import record_decisions
from sightgrid.store.identities import mint
from sightgrid.store.prototypes import Contribution, Prototype, save_prototype, with_sighting
from sightgrid.store.sightings import insert_sightings
from sightgrid.store.visits import save_visits

CAMERAS = ("entrance", "corridor", "stairs", "canteen", "office", "car-park")
PASSWORD = "nine purple otters sing"  # noqa: S105 - of a site that is thrown away
A_BATCH = 250
# page, and what is there once it can be used
WATCHED = (
    ("/sightings", ".sighting"),
    ("/sightings?band=unsure", ".sighting, .empty"),
    ("/sightings?identity=7", ".sighting"),
    ("/identities", "[data-card]"),
    ("/identities?kind=anonymous&text=77", "[data-card]"),
    ("/identities/7", ".stage"),
    ("/identities/7?day=all", ".stage"),
    ("/analytics?days=7", ".heat"),
    ("/history", ".empty, .edit"),
)
MOST_SECS = 1.5


def fill(site: Site, *, sightings: int, identities: int, now: datetime) -> None:
    """Everybody is seen about equally often, over the last seven days."""
    rng, random_ = np.random.default_rng(1), random.Random(1)  # noqa: S311
    contract = site.contract
    jpeg = cv2.imencode(".jpg", np.full((112, 112, 3), 150, np.uint8))[1].tobytes()
    links = tuple(CameraLink(one, "corridor", 4.0) for one in CAMERAS if one != "corridor")

    def begin(tx: Transaction) -> None:
        save_grid(tx, CameraGrid(links=links), CAMERAS)
        for _ in range(identities):
            mint(tx, minted_at=now)

    site.store.run(begin)
    centres = rng.normal(size=(identities, contract.dimension)).astype(np.float32)
    centres /= np.linalg.norm(centres, axis=1, keepdims=True)
    each = sightings // identities
    for first in range(0, identities, A_BATCH // each + 1):
        last = min(first + A_BATCH // each + 1, identities)

        def write(tx: Transaction, first: int = first, last: int = last) -> None:
            for index in range(first, last):
                serial, prototype = index + 1, Prototype(index + 1, contract.id)
                made = []
                for nth in range(each):
                    at = now - timedelta(seconds=random_.uniform(60, 7 * 86400))
                    camera = CAMERAS[random_.randrange(len(CAMERAS))]
                    made.append(_sighting(index * each + nth, camera, at, centres[index], contract))
                    seen = Contribution(centres[index], 0.8, at, at + timedelta(seconds=4))
                    prototype = with_sighting(prototype, seen)
                _store(tx, serial, made, jpeg, now)
                save_prototype(tx, prototype)

        site.store.run(write)
        pages.tell("filling", last, identities)


def _store(tx: Transaction, serial: int, made: list[Sighting], jpeg: bytes, now: datetime) -> None:
    names = {one.sighting_id: [crop_name(one.sighting_id, 1)] for one in made}
    insert_sightings(tx, made, crop_paths=names)
    for one in made:
        save_crops(tx, one.sighting_id, [jpeg])
    match = Match(Band.STRANGER, serial, None, 0.7, 0.3, None, "like other sightings of them")
    record_decisions(tx, [Decision(one, match) for one in made], decided_at=now)
    save_visits(
        tx,
        [
            Visit(serial, None, one.camera, one.first_seen, one.last_seen, (one.sighting_id,))
            for one in made
        ],
    )


def _sighting(
    number: int, camera: str, at: datetime, vector: np.ndarray, contract: EmbeddingContract
) -> Sighting:
    box = Box(10.0, 10.0, 70.0, 80.0)
    path = tuple(
        PathPoint(frame + 1, at + timedelta(seconds=frame), box, 0.95) for frame in range(5)
    )
    crop = FaceCrop(
        np.zeros((0, 0, 3), np.uint8),
        Quality(60, 0.9, 0.9, 0.9, 0.9, 1.0, 0.9, 0, 0, overall=0.7),
        at,
        1,
        box,
        np.zeros((5, 2), np.float32),
        0.95,
    )
    look = Look(1, crop, Embedding(vector, contract, strength=0.9))
    return Sighting(str(UUID(int=number + 1)), 1, True, camera, number, path, (look,))


def timed(url: str, *, rounds: int) -> list[tuple[str, list[float]]]:
    """Seconds for each page, each round."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("SIGHTGRID_TEST_CHROMIUM", "/usr/bin/chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--headless", "--no-sandbox", "--disable-gpu"]
        )
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(60_000)
        page.goto(f"{url}/sign-in")
        page.get_by_label("Login").fill("owner")
        page.get_by_label("Password").fill(PASSWORD)
        page.get_by_role("button", name="Sign in").click()
        page.wait_for_url(lambda where: "/sign-in" not in where)
        found = []
        for path, ready in WATCHED:
            took = []
            for _ in range(rounds + 1):
                began = time.perf_counter()
                page.goto(url + path, wait_until="commit")
                page.wait_for_selector(ready)
                page.wait_for_load_state("load")
                took.append(time.perf_counter() - began)
            found.append((path, took[1:]))
        browser.close()
    return found


def serve(folder: Path, *, rounds: int) -> list[tuple[str, list[float]]]:
    """Times the pages of a site's own server."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    url = f"http://127.0.0.1:{port}"
    order = [sys.executable, "-m", "sightgrid", "server", "--config"]
    order += [str(folder / "sightgrid.yml"), "--listen", f"127.0.0.1:{port}"]
    server = subprocess.Popen(order, stdout=subprocess.DEVNULL)
    try:
        for _ in range(300):
            try:
                with urllib.request.urlopen(f"{url}/api/v1/health", timeout=5):  # noqa: S310
                    break
            except (urllib.error.URLError, OSError):
                time.sleep(0.2)
        return timed(url, rounds=rounds)
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(30)


def main() -> None:
    """Fills, serves, times, and says whether every page keeps its time."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sightings", type=int, default=100_000)
    parser.add_argument("--identities", type=int, default=5_000)
    parser.add_argument("--rounds", type=int, default=12)
    parser.add_argument("--write", action="store_true", help="put the figures into the page")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="sightgrid-pages-") as name:
        folder, now = Path(name), datetime.now(UTC)
        (folder / "sightgrid.yml").write_text("retention: {crops: 30d}\n", "utf-8")
        site = Site(SiteSettings(Configuration.default(folder / "sightgrid.yml"), folder))
        fill(site, sightings=chosen.sightings, identities=chosen.identities, now=now)
        made = add_account(site, "owner", Role.OWNER, None, actor="benchmark")
        code, _ = site.door.setup_code(made.account_id)
        site.door.set_up(code, login=None, password=PASSWORD, address="here")
        site.close()
        found = serve(folder, rounds=chosen.rounds)
    rows = []
    for path, took in found:
        slowest = float(np.quantile(took, 0.95))
        kept = "yes" if slowest < MOST_SECS else "**no**"
        rows.append((f"`{path}`", f"{statistics.median(took):.2f}", f"{slowest:.2f}", kept))
    text = (
        f"{chosen.sightings:,} sightings of {chosen.identities:,} identities, SQLite, sealed; "
        f"{chosen.rounds} visits a page, in headless Chromium on the same machine.\n\n"
        + pages.table(["page", "median s", "p95 s", f"under {MOST_SECS} s"], rows)
    )
    pages.publish("pages", text, command="python -m benchmarks.pages_speed", chosen=chosen)


if __name__ == "__main__":
    main()
