"""The pages in a real browser: who gets in, what each role sees, whether everybody can use them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import cv2
import httpx
import numpy as np
import pytest
from axe_playwright_python.sync_playwright import Axe
from tests.browser.conftest import PASSWORD, Opener, ServedSite, serving

pytestmark = pytest.mark.browser

# paths of pages that need nothing of their own, with a role that may see them
PAGES = {
    "/live": "owner",
    "/cameras": "owner",
    "/boxes": "owner",
    "/users": "owner",
    "/account": "auditor",
    "/audit": "auditor",
    "/settings": "owner",
    "/privacy": "privacy-officer",
}


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[ServedSite]:
    """A site on which nothing was done yet."""
    (tmp_path / "sightgrid.yml").touch()
    with serving(tmp_path) as served:
        yield served


def test_the_first_steps_make_an_owner_and_name_the_site(fresh: ServedSite, window: Opener) -> None:
    one = window(fresh)
    page = one.page
    page.goto(fresh.url)
    page.get_by_label("Set-up code").fill("WRONG-WRONG-WRONG-WRONG")
    page.get_by_label("Your login").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the owner's account").click()
    page.get_by_role("alert").get_by_text("set-up code is wrong").wait_for()
    code = (fresh.folder / "set-up-code").read_text("utf-8").strip()
    page.get_by_label("Set-up code").fill(code)
    page.get_by_role("button", name="Create the owner's account").click()
    page.wait_for_url("**/welcome/site")
    page.get_by_label("Name").fill("Old Mill")
    # from here the demo is one click away
    assert page.get_by_role("button", name="Show me the demo").is_visible()
    page.get_by_role("button", name="Add a camera").click()
    page.get_by_label("Address").wait_for()
    assert "Old Mill" in (fresh.folder / "sightgrid.yml").read_text("utf-8")
    one.open("/live")
    page.get_by_text("No cameras yet").wait_for()


def test_a_wrong_password_is_told_and_a_right_one_leads_on(
    browser_site: ServedSite, window: Opener
) -> None:
    one = window(browser_site)
    page = one.page
    page.goto(f"{browser_site.url}/audit")
    page.wait_for_url("**/sign-in?next=/audit")
    page.get_by_label("Login").fill("auditor")
    page.get_by_label("Password").fill("not the password")
    page.keyboard.press("Enter")
    page.get_by_text("The login or the password is wrong").wait_for()
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/audit")


def test_a_link_leads_nowhere_else_after_signing_in(
    browser_site: ServedSite, window: Opener
) -> None:
    page = window(browser_site).page
    page.goto(f"{browser_site.url}/sign-in?next=//else.test/x")
    page.get_by_label("Login").fill("owner")
    page.get_by_label("Password").fill(PASSWORD)
    page.keyboard.press("Enter")
    page.wait_for_url("**/live")


def test_a_page_whose_session_has_ended_leads_to_signing_in(
    browser_site: ServedSite, window: Opener
) -> None:
    one = window(browser_site)
    one.sign_in("owner")
    one.open("/audit")
    other = one.page.context.new_page()
    other.goto(f"{browser_site.url}/account")
    other.get_by_role("button", name="Sign out").click()
    other.wait_for_url("**/sign-in")
    one.page.get_by_role("button", name="Check the chain").click()
    one.page.wait_for_url("**/sign-in?next=%2Faudit")


def test_each_role_sees_its_own_places(browser_site: ServedSite, window: Opener) -> None:
    one = window(browser_site)
    one.sign_in("auditor")
    page = one.open("/audit")
    places = page.get_by_role("navigation").get_by_role("listitem").all_inner_texts()
    assert not {"Live", "Users", "Settings"} & {text.split("\n")[-1] for text in places}
    one.open("/users").get_by_text("This page is not for your role").wait_for()
    bound = window(browser_site)
    bound.sign_in("bound")
    page = bound.open("/live")
    page.get_by_role("heading", name="stairs").wait_for()
    assert page.get_by_role("heading", name="entrance").count() == 0


def test_names_and_faces_are_for_those_who_may_see_them(
    browser_site: ServedSite, window: Opener
) -> None:
    one = window(browser_site)
    one.sign_in("attendance-manager")
    page = one.open("/live")
    page.get_by_text("Your role sees no pictures").first.wait_for()
    assert page.get_by_text("Last seen").count() == 0


@pytest.mark.parametrize("look", ["light", "dark"])
def test_everybody_can_use_every_page(browser_site: ServedSite, window: Opener, look: str) -> None:
    windows = {}
    for path, login in PAGES.items():
        if login not in windows:
            windows[login] = window(browser_site, look=look)
            windows[login].sign_in(login)
        page = windows[login].open(path)
        found = Axe().run(page).response["violations"]
        serious = [
            (one["id"], [node["target"] for node in one["nodes"]][:3])
            for one in found
            if one["impact"] in ("serious", "critical")
        ]
        assert serious == [], path


@pytest.mark.parametrize("width", [390, 1920])
def test_nothing_is_wider_than_the_window(
    browser_site: ServedSite, window: Opener, width: int
) -> None:
    windows = {}
    for path, login in PAGES.items():
        if login not in windows:
            windows[login] = window(browser_site, width=width, height=844)
            windows[login].sign_in(login)
        page = windows[login].open(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def test_the_menu_folds_on_a_phone(browser_site: ServedSite, window: Opener) -> None:
    one = window(browser_site, width=390, height=844)
    one.sign_in("owner")
    page = one.open("/live")
    users = page.get_by_role("link", name="Users")
    assert users.count() == 0
    page.get_by_role("button", name="Open the menu").click()
    users.click()
    page.wait_for_url("**/users")


def test_the_first_tab_skips_to_the_page(browser_site: ServedSite, window: Opener) -> None:
    one = window(browser_site)
    one.sign_in("owner")
    page = one.open("/live")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the page"
    page.keyboard.press("Enter")
    assert page.url.endswith("/live#main")


class _Camera(BaseHTTPRequestHandler):
    """Sends one drawn picture over and over, as cheap cameras do."""

    def do_GET(self) -> None:
        pixels = np.full((360, 640, 3), (120, 110, 100), np.uint8)
        cv2.rectangle(pixels, (200, 80), (440, 300), (200, 190, 150), -1)
        jpeg = cv2.imencode(".jpg", pixels)[1].tobytes()
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=cut")
        self.end_headers()
        part = b"--cut\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(jpeg)
        try:
            while True:
                self.wfile.write(part + jpeg + b"\r\n")
                threading.Event().wait(0.1)
        except OSError:
            return

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def camera_url() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Camera)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}/stream"
    server.shutdown()
    server.server_close()


def test_a_camera_is_tried_added_masked_and_removed(
    browser_site: ServedSite, window: Opener, camera_url: str
) -> None:
    one = window(browser_site)
    one.sign_in("owner")
    page = one.open("/cameras?add=1")
    dialog = page.get_by_role("dialog")
    dialog.get_by_label("Name").fill("yard")
    dialog.get_by_label("Address").fill("ftp://somewhere")
    dialog.get_by_role("button", name="Test").click()
    dialog.get_by_text("it must begin with rtsp://").wait_for()
    dialog.get_by_label("Address").fill(camera_url)
    dialog.get_by_role("button", name="Test").click()
    dialog.get_by_text("640 x 360 pixels, no face").wait_for()
    dialog.get_by_role("button", name="Add the camera").click()
    page.get_by_role("cell", name="yard").first.wait_for()

    page.get_by_role("button", name="Masks of yard").click()
    canvas = page.locator("sg-polygons svg")
    canvas.wait_for()
    place = canvas.bounding_box()
    assert place is not None
    for x, y in ((0.1, 0.1), (0.5, 0.1), (0.5, 0.5)):
        page.mouse.click(place["x"] + x * place["width"], place["y"] + y * place["height"])
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Keep the masks").click()
    page.get_by_text("The masks of yard are kept").wait_for()
    told = page.evaluate("fetch('/api/v1/cameras').then((answer) => answer.text())")
    kept = {camera["name"]: camera["masks"] for camera in json.loads(told)["items"]}["yard"]
    assert len(kept) == 1
    assert kept[0] == pytest.approx([0.1, 0.1, 0.5, 0.1, 0.5, 0.5], abs=0.01)

    page.get_by_role("button", name="Remove yard").click()
    page.get_by_role("button", name="Remove", exact=True).click()
    page.get_by_text("yard was removed").wait_for()


def test_a_user_is_added_and_sets_a_password(browser_site: ServedSite, window: Opener) -> None:
    one = window(browser_site)
    one.sign_in("owner")
    page = one.open("/users")
    page.get_by_role("button", name="Add a user").click()
    page.get_by_role("dialog").get_by_label("Login").fill("grace")
    page.get_by_role("button", name="Add", exact=True).click()
    code = page.locator("code.command").inner_text()
    other = window(browser_site).page
    other.goto(f"{browser_site.url}/set-password")
    other.get_by_label("Set-up code").fill(code)
    other.get_by_label("New password").fill(PASSWORD)
    other.get_by_role("button", name="Set the password").click()
    other.wait_for_url("**/live")


def test_answers_carry_a_policy_and_sockets_are_for_this_sites_pages(
    browser_site: ServedSite,
) -> None:
    page = httpx.get(f"{browser_site.url}/sign-in")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "'unsafe-inline'" not in policy.split("script-src")[1].split(";")[0]
    nonce = policy.split("'nonce-")[1].split("'")[0]
    # every script of the page carries the answer's own number
    assert page.text.count("<script") == page.text.count(f'<script nonce="{nonce}"')
    assert nonce not in httpx.get(f"{browser_site.url}/sign-in").text
    socket = f"{browser_site.url}/_nicegui_ws/socket.io/?EIO=4&transport=polling"
    foreign = httpx.get(socket, headers={"Origin": "https://else.test"})
    assert foreign.status_code == 403
    assert httpx.get(socket, headers={"Origin": browser_site.url}).status_code == 200
    assert httpx.get(f"{browser_site.url}/api/v1/nothing").json()["error"]["code"] == "not_found"
    assert httpx.get(f"{browser_site.url}/nothing").status_code == 404
