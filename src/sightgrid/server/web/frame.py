"""What surrounds every page: skip link, navigation, who is signed in."""

from __future__ import annotations

from dataclasses import dataclass

from nicegui import ui
from nicegui.element import Element

from sightgrid.domain.accounts import Permission
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor


@dataclass(frozen=True, slots=True)
class Place:
    """A line of the navigation; shown to whoever has the permission."""

    path: str
    name: str
    icon: str
    permission: Permission | None


NAVIGATION: tuple[tuple[str, tuple[Place, ...]], ...] = (
    (
        "Watch",
        (
            Place("/live", "Live", "videocam", Permission.SEE_CAMERAS),
            Place("/sightings", "Sightings", "view_timeline", Permission.SEE_SIGHTINGS),
        ),
    ),
    (
        "Find",
        (
            Place("/identities", "Identities", "groups", Permission.SEE_SIGHTINGS),
            Place("/search", "Search by photo", "image_search", Permission.SEARCH_PHOTO),
            Place("/analytics", "Analytics", "bar_chart", Permission.SEE_ANALYTICS),
        ),
    ),
    (
        "Site",
        (
            Place("/cameras", "Cameras", "linked_camera", Permission.MANAGE_CAMERAS),
            Place("/boxes", "Boxes", "dns", Permission.MANAGE_BOXES),
            Place("/users", "Users", "manage_accounts", Permission.MANAGE_ACCOUNTS),
            Place("/privacy", "Privacy", "shield", Permission.MANAGE_RETENTION),
            Place("/audit", "Audit", "fact_check", Permission.SEE_AUDIT),
            Place("/settings", "Settings", "settings", Permission.MANAGE_SETTINGS),
        ),
    ),
)
"""Every place that there may be; those whose page is not registered are left out."""

registered: set[str] = set()
"""The paths of the pages that there are."""

ROLES = {
    "owner": "Owner",
    "privacy-officer": "Privacy officer",
    "operator": "Operator",
    "attendance-manager": "Attendance manager",
    "auditor": "Auditor",
}


def first_place(visitor: Visitor) -> str:
    """Where somebody begins: the first page that is for their role."""
    for _, places in NAVIGATION:
        for place in places:
            if _is_for(visitor, place):
                return place.path
    return "/account"


def _is_for(visitor: Visitor, place: Place) -> bool:
    there = place.path in registered
    return there and (place.permission is None or visitor.may(place.permission))


def draw_frame(visitor: Visitor, path: str, title: str) -> Element:
    """Draws the frame around the page at ``path``; returns where the page goes."""
    ui.context.client.content.classes("shell")
    with ui.element("a").classes("skip").props('href="#main"'):
        parts.text("Skip to the page")
    with ui.element("header").classes("topbar"):
        parts.icon_button("menu", "Open the menu").props("data-menu").classes("menu-button")
        parts.text("sightgrid", classes="brand-name")
        parts.text(title, classes="topbar-title")
    with ui.element("nav").classes("side").props('aria-label="Pages"'):
        with ui.element("a").classes("brand").props('href="/"'):
            ui.element("img").props('src="/web/sightgrid.svg" alt="" width=24 height=24')
            with ui.element("span"):
                parts.text("sightgrid", classes="brand-name")
                parts.text(visitor.site.configuration.site.name, classes="brand-site")
        for heading, places in NAVIGATION:
            shown = [one for one in places if _is_for(visitor, one)]
            if not shown:
                continue
            parts.text(heading, classes="side-heading")
            with ui.element("ul"):
                for place in shown:
                    _line(place, here=path == place.path or path.startswith(f"{place.path}/"))
        with ui.element("div").classes("side-foot"):
            with ui.element("a").classes("who").props('href="/account"'):
                parts.icon("account_circle")
                with ui.element("span"):
                    parts.text(visitor.caller.account.login, classes="who-name")
                    parts.text(ROLES[visitor.caller.account.role.value], classes="who-role")
            parts.icon_button("contrast", "Light or dark").props("data-switch-look")

            async def leave() -> None:
                await visitor.run(None, lambda caller: visitor.sign_out())
                ui.navigate.to("/sign-in")

            parts.icon_button("logout", "Sign out", on_click=leave)
    ui.element("div").classes("side-shade").props("data-menu")
    return ui.element("main").classes("page").props('id="main" tabindex="-1"')


def draw_alone(*, wide: bool = True) -> Element:
    """A page without navigation: one card in the middle, under the product's name."""
    ui.context.client.content.classes("lone")
    with parts.box("lone-card", "wide" if wide else "", tag="main") as made:
        made.props('id="main"')
    with made, parts.box("lone-brand"):
        ui.element("img").props('src="/web/sightgrid.svg" alt="" width=32 height=32')
        parts.text("sightgrid", classes="brand-name")
    return made


def _line(place: Place, *, here: bool) -> None:
    with ui.element("li"):
        link = ui.element("a").classes("side-link").props(f'href="{place.path}"')
        if here:
            link.props('aria-current="page"')
        with link:
            parts.icon(place.icon)
            parts.text(place.name)
