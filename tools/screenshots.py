"""Draws every page of the web application, light and dark, wide and narrow, into a folder.

A fresh site is set up in a temporary folder as a person would do it, the demo is loaded, Chromium
takes the pictures. Faces are blurred: the rights of most of the demo's photos stay with others.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright
from tests.browser.conftest import CHROMIUM, FLAGS, PASSWORD, ServedSite, serving

SIZES = {"desktop": (1440, 900), "phone": (390, 844)}
LOOKS = ("light", "dark")
BLUR = ".face img, .still > img { filter: blur(7px) !important }"
# paths with what to wait for besides the page itself
PAGES = {
    "live": "/live",
    "sightings": "/sightings",
    "identities": "/identities",
    "identity": "/identities/3",
    "search": "/search",
    "analytics": "/analytics",
    "cameras": "/cameras",
    "boxes": "/boxes",
    "users": "/users",
    "audit": "/audit",
    "settings": "/settings",
    "privacy": "/privacy",
    "account": "/account",
}
_DEMO_MS = 600_000


def main() -> None:
    """``python -m tools.screenshots FOLDER [PAGE…]``."""
    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    wanted = sys.argv[2:] or list(PAGES)
    with tempfile.TemporaryDirectory(prefix="sightgrid-pages-") as folder:
        (Path(folder) / "sightgrid.yml").touch()
        with serving(Path(folder)) as site, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=str(CHROMIUM), args=list(FLAGS))
            first_steps(browser, site, out)
            for look in LOOKS:
                for size in SIZES:
                    take(browser, site, out, look, size, wanted)
            browser.close()


def first_steps(browser: Browser, site: ServedSite, out: Path) -> None:
    """Sets the site up and loads the demo, with pictures of both."""
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    page.goto(site.url)
    page.get_by_label("Set-up code").fill((site.folder / "set-up-code").read_text().strip())
    page.get_by_label("Your login").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Create the owner's account").click()
    page.wait_for_url("**/welcome/site")
    page.get_by_label("Name").fill("Old Mill")
    page.wait_for_timeout(500)
    page.screenshot(path=out / "welcome-light-desktop.png")
    page.get_by_role("button", name="Show me the demo").click()
    page.wait_for_url("**/live", timeout=_DEMO_MS)
    page.context.close()


def take(
    browser: Browser, site: ServedSite, out: Path, look: str, size: str, wanted: list[str]
) -> None:
    """One picture of each page in one look and size."""
    width, height = SIZES[size]
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if look == "dark" else "light",
    )
    context.set_default_timeout(60_000)
    page = context.new_page()
    page.goto(f"{site.url}/sign-in")
    page.get_by_label("Login").fill("ada")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url("**/live")
    for name in wanted:
        page.goto(site.url + PAGES[name])
        settle(page)
        page.screenshot(path=out / f"{name}-{look}-{size}.png")
    context.close()


def settle(page: Page) -> None:
    """Waits until the page is drawn, with its faces blurred."""
    page.wait_for_selector("#main")
    page.add_style_tag(content=BLUR)
    page.wait_for_load_state("networkidle")
    page.wait_for_timeout(600)


if __name__ == "__main__":
    main()
