"""The pages of the ledger in a real browser: merge and undo, split, label, walking, roles."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page
from tests.browser.conftest import Opener, ServedSite, fill, serving

pytestmark = pytest.mark.browser
PAGES = ("/sightings", "/identities", "/identities/1", "/history", "/search", "/analytics")


@pytest.fixture(scope="module")
def ledger_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedSite]:
    """A site of its own: these tests change who is who."""
    folder = tmp_path_factory.mktemp("ledger-site")
    fill(folder)
    with serving(folder) as served:
        yield served


@pytest.fixture
def boss(ledger_site: ServedSite, window: Opener) -> Page:
    one = window(ledger_site)
    one.sign_in("owner")
    return one.page


def go(page: Page, site: ServedSite, path: str) -> None:
    page.goto(site.url + path)
    page.wait_for_selector("#main")
    page.wait_for_load_state("networkidle")


def visits_of(page: Page, site: ServedSite, serial: int) -> list[str]:
    """The cameras of an identity's visits, as the API tells them to this browser."""
    answer = page.request.get(f"{site.url}/api/v1/identities/{serial}/trajectory").json()
    return [visit["camera"] for visit in answer["visits"]]


def test_two_serials_are_merged_their_visits_move_and_it_is_undone(
    ledger_site: ServedSite, boss: Page
) -> None:
    before = [visits_of(boss, ledger_site, serial) for serial in (1, 2)]
    go(boss, ledger_site, "/identities?order=serial")
    for serial in (1, 2):
        boss.locator(f'[data-pick="{serial}"]').check()
    boss.get_by_role("button", name="Merge …").click()
    dialog = boss.get_by_role("dialog")
    # both faces, the direction and what will move are told first
    dialog.get_by_text("becomes part of", exact=True).wait_for()
    told = dialog.locator(".merge-told").get_by_text("You can undo this at any time.")
    told.wait_for()
    kept = int(dialog.locator(".kept .badge").inner_text().lstrip("#"))
    gone = 3 - kept
    assert f"#{gone} becomes part of #{kept}" in told.inner_text()
    assert f"{len(before[gone - 1])} visits move" in told.inner_text()
    dialog.get_by_role("button", name="Merge", exact=True).click()
    boss.get_by_text("Merged into").wait_for()
    assert sorted(visits_of(boss, ledger_site, kept)) == sorted(before[0] + before[1])
    boss.get_by_role("button", name="Undo").click()
    boss.get_by_text("Undone.").wait_for()
    assert [visits_of(boss, ledger_site, serial) for serial in (1, 2)] == before


def test_what_was_merged_by_mistake_is_split_and_the_history_takes_it_back(
    ledger_site: ServedSite, boss: Page
) -> None:
    go(boss, ledger_site, "/identities?order=serial")
    for serial in (3, 4):
        boss.locator(f'[data-pick="{serial}"]').check()
    boss.get_by_role("button", name="Merge …").click()
    boss.get_by_role("dialog").get_by_text("You can undo this").wait_for()
    kept = int(boss.locator(".kept .badge").inner_text().lstrip("#"))
    boss.get_by_role("dialog").get_by_role("button", name="Merge", exact=True).click()
    boss.get_by_text("Merged into").wait_for()
    whole = len(visits_of(boss, ledger_site, kept))
    go(boss, ledger_site, f"/identities/{kept}")
    boss.get_by_role("button", name="Split …").click()
    rows = boss.locator(".group-row")
    rows.nth(1).wait_for()
    rows.nth(1).get_by_role("checkbox").check()
    boss.get_by_text("become a new identity").wait_for()
    boss.get_by_role("dialog").get_by_role("button", name="Split", exact=True).click()
    boss.get_by_text("sightings moved").wait_for()
    assert 0 < len(visits_of(boss, ledger_site, kept)) < whole
    go(boss, ledger_site, "/history")
    boss.locator(".edit").first.get_by_text("split off").wait_for()
    for words in ("split off", "merged into"):
        line = boss.locator(".edit:not(.undone)").filter(has_text=words).first
        line.get_by_role("button", name="Undo").click()
        boss.locator(".edit.undone").filter(has_text=words).first.wait_for()


def test_a_stranger_gets_a_label_and_is_found_by_it(ledger_site: ServedSite, boss: Page) -> None:
    go(boss, ledger_site, "/identities/5")
    boss.get_by_role("button", name="Label …").click()
    boss.get_by_role("textbox", name="Label").fill("<b>Courier</b> in grey")
    boss.get_by_role("button", name="Save").click()
    # what people type is shown as they typed it, never as markup
    boss.get_by_role("heading", name="<b>Courier</b> in grey (#5)").wait_for()
    go(boss, ledger_site, "/identities")
    box = boss.get_by_label("Name, label or number")
    box.fill("courier")
    box.press("Enter")
    boss.wait_for_url("**text=courier**")
    boss.get_by_text("<b>Courier</b> in grey").wait_for()
    assert boss.locator("[data-card]").count() == 1


def test_arrow_keys_walk_and_say_why(ledger_site: ServedSite, boss: Page) -> None:
    go(boss, ledger_site, "/sightings")
    boss.locator(".panel .why").wait_for()
    cards = boss.locator(".sighting")
    boss.keyboard.press("ArrowRight")
    boss.keyboard.press("ArrowRight")
    third = cards.nth(2)
    boss.wait_for_function(
        "document.querySelectorAll('.sighting')[2].getAttribute('aria-current') === 'true'"
    )
    name = third.locator(".badge").inner_text()
    boss.locator(".panel-name", has_text=name).wait_for()
    assert boss.locator(".candidate").count() > 1
    boss.keyboard.press("ArrowLeft")
    boss.wait_for_function(
        "document.querySelectorAll('.sighting')[1].getAttribute('aria-current') === 'true'"
    )


def test_sightings_are_narrowed_and_the_address_says_how(
    ledger_site: ServedSite, boss: Page
) -> None:
    go(boss, ledger_site, "/sightings?camera=stairs")
    cameras = boss.locator(".sighting-camera")
    cameras.first.wait_for()
    assert set(cameras.all_inner_texts()) == {"stairs"}
    who = boss.get_by_label("Who")
    who.fill("#2")
    who.press("Enter")
    boss.wait_for_url("**identity=2**")
    go(boss, ledger_site, "/sightings?at=2020-01-01T00:00:00")
    boss.get_by_text("Nothing fits").wait_for()


def test_a_trajectory_is_drawn_replayed_and_exported(ledger_site: ServedSite, boss: Page) -> None:
    go(boss, ledger_site, "/identities/6")
    visits = visits_of(boss, ledger_site, 6)
    boss.locator(".stage").wait_for()
    assert boss.locator(".leg").count() == len(visits) - 1
    assert boss.locator(".leg path[stroke-dasharray]").count() == len(visits) - 1
    assert boss.locator(".gantt-bar").count() == len(visits)
    slider = boss.get_by_label("Replay: time")
    slider.evaluate(
        "one => { one.value = one.min; one.dispatchEvent(new Event('input', {bubbles: true})) }"
    )
    assert boss.locator(".stays tr.to-come").count() == len(visits) - 1
    for kind in ("CSV", "GeoJSON", "PDF"):
        with boss.expect_download() as got:
            boss.get_by_role("link", name=kind).click()
        assert Path(got.value.path()).stat().st_size > 50


@pytest.mark.parametrize("path", PAGES)
@pytest.mark.parametrize("look", ["light", "dark"])
def test_pages_have_no_serious_findings_and_nothing_is_cut_off(
    ledger_site: ServedSite, window: Opener, path: str, look: str
) -> None:
    one = window(ledger_site, width=390, look=look)
    one.sign_in("owner")
    page = one.open(path)
    page.wait_for_timeout(400)
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    found = Axe().run(page).response["violations"]
    bad = [each for each in found if each["impact"] in ("serious", "critical")]
    told = [(each["id"], [node["html"][:160] for node in each["nodes"][:3]]) for each in bad]
    assert told == []


def test_on_a_phone_the_list_is_free_until_a_sighting_is_chosen(
    ledger_site: ServedSite, window: Opener
) -> None:
    one = window(ledger_site, width=390)
    one.sign_in("owner")
    page = one.open("/sightings")
    side = page.locator(".ledger-side")
    side.wait_for(state="hidden")
    page.locator(".sighting").nth(1).click()
    side.get_by_role("button", name="This is").wait_for()
    side.get_by_role("button", name="Close").click()
    side.wait_for(state="hidden")


def test_who_is_bound_to_a_camera_sees_that_one_and_changes_nothing(
    ledger_site: ServedSite, window: Opener
) -> None:
    one = window(ledger_site)
    one.sign_in("bound")
    page = one.open("/sightings")
    assert set(page.locator(".sighting-camera").all_inner_texts()) <= {"stairs"}
    page = one.open("/identities")
    for card in page.locator(".person-link").all():
        assert "stairs" in card.inner_text()


def test_an_auditor_counts_and_sees_nobody(ledger_site: ServedSite, window: Opener) -> None:
    one = window(ledger_site)
    one.sign_in("auditor")
    page = one.open("/analytics")
    page.get_by_text("Visitors by hour").wait_for()
    assert page.locator("img[src*=crop]").count() == 0
    page = one.open("/identities")
    page.get_by_text("This page is not for your role").wait_for()
