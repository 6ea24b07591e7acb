"""A stranger is found by a photo, and the way through the building is opened: on real faces."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.browser.conftest import FILE, Opener, ServedSite, account, serving
from tests.browser.ledger_filling import fill, people_in

from sightgrid.configuration import read_configuration
from sightgrid.domain.accounts import Role
from sightgrid.server.site import Site, SiteSettings

pytestmark = [pytest.mark.browser, pytest.mark.footage]
FOLDER = Path(os.environ.get("SIGHTGRID_DATA", "")) / "lfw_ident_dev"


@pytest.fixture(scope="module")
def photos() -> dict[str, list[Path]]:
    if "SIGHTGRID_DATA" not in os.environ or not FOLDER.is_dir():
        pytest.skip("SIGHTGRID_DATA holds no lfw_ident_dev")
    return people_in(FOLDER, most=9)


@pytest.fixture(scope="module")
def seen_site(
    photos: dict[str, list[Path]], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[ServedSite]:
    """Eight people walked past six cameras; the ninth was never there."""
    folder = tmp_path_factory.mktemp("photo-site")
    path = folder / "sightgrid.yml"
    path.write_text(FILE, "utf-8")
    site = Site(SiteSettings(read_configuration(path), folder))
    account(site, "owner", Role.OWNER)
    there = dict(list(photos.items())[:8])
    fill(site, {name: some[1:] for name, some in there.items()}, passages=48, days=1)
    site.close()
    with serving(folder) as served:
        yield served


def test_a_stranger_is_found_by_a_photo_and_followed(
    seen_site: ServedSite, photos: dict[str, list[Path]], window: Opener
) -> None:
    one = window(seen_site)
    one.sign_in("owner")
    page = one.open("/search")
    # this very photo was never before a camera
    page.locator("input[type=file]").set_input_files(photos[next(iter(photos))][0])
    # without a reason nothing is searched
    page.get_by_text("Now say why you search.").wait_for()
    assert page.locator(".found-one").count() == 0
    page.get_by_label("Reason").fill("lost child")
    page.get_by_role("button", name="Search", exact=True).click()
    page.locator(".photo-face").first.wait_for()
    band = page.locator(".found-band").first
    band.get_by_text("Strong").wait_for()
    best = page.locator(".found-one").first
    assert best.locator(".found-seen a").count() >= 1
    best.locator(".found-head").click()
    page.wait_for_url("**/identities/*")
    page.locator(".stage").wait_for()
    audit = page.request.get(f"{seen_site.url}/api/v1/audit").json()["items"]
    (noted,) = [row for row in audit if row["action"] == "photo-search"]
    assert noted["reason"] == "lost child"


def test_whoever_was_never_there_is_nobody(
    seen_site: ServedSite, photos: dict[str, list[Path]], window: Opener
) -> None:
    one = window(seen_site)
    one.sign_in("owner")
    page = one.open("/search")
    page.get_by_label("Reason").fill("theft report 14")
    page.locator("input[type=file]").set_input_files(photos[list(photos)[8]][0])
    page.locator(".found-band").first.wait_for()
    assert "Strong" not in page.locator(".search-results").inner_text()


def test_a_file_that_is_no_picture_is_told(
    seen_site: ServedSite, window: Opener, tmp_path: Path
) -> None:
    one = window(seen_site)
    one.sign_in("owner")
    page = one.open("/search")
    page.get_by_label("Reason").fill("theft report 14")
    broken = tmp_path / "broken.jpg"
    broken.write_bytes(b"no picture at all")
    page.locator("input[type=file]").set_input_files(broken)
    page.get_by_role("alert").get_by_text("no picture that can be read").wait_for()
