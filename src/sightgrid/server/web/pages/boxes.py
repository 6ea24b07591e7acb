"""Boxes: whether they are there, what waits in them, and how a new one is enrolled."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.server.api.boxes import (
    BoxAnswer,
    CodeAnswer,
    NewBox,
    add_box,
    list_boxes,
    revoke_box,
)
from sightgrid.server.web import parts
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor

_SILENT = timedelta(minutes=3)
_EVERY_SECS = 15.0
# what waits longer than this is late: people look at the wall for now, not for then
_LATE_SECS = 60.0
_KIB = 1024


@page("/boxes", title="Boxes", permission=Permission.MANAGE_BOXES)
async def boxes(visitor: Visitor) -> None:
    """Every box with its backlog and lag."""
    with parts.head(
        "Boxes",
        "The machines near the cameras. What they see waits in them, encrypted, until the server "
        "has it.",
    ):
        parts.button("Add a box", lambda: _add(visitor), kind="primary", icon="add")
    where = parts.box("column")

    async def show() -> None:
        found = (await visitor.ask(list_boxes)).items
        where.clear()
        with where:
            _table(visitor, found, show)

    await show()
    visitor.every(_EVERY_SECS, show)


def _table(visitor: Visitor, found: list[BoxAnswer], show: parts.Action) -> None:
    shown = [one for one in found if not one.revoked]
    if not shown:
        parts.empty(
            "dns",
            "No box yet",
            "'sightgrid up' brings one along on this machine. For cameras elsewhere, add a box and "
            "run the command that you are given on the machine near them.",
        )
        return
    parts.table(
        ("Box", "State", "Last heard", "Waiting", "Lag", "Lost", "Cameras", ""),
        [_line(visitor, one, show) for one in shown],
        label="Boxes",
    )


def _line(visitor: Visitor, one: BoxAnswer, show: parts.Action) -> list[parts.Cell]:
    health = one.health or {}
    pending, lag = _number(health.get("pending")), _number(health.get("oldest_unacknowledged_secs"))
    cameras = health.get("cameras")
    states = [
        str(camera.get("state"))
        for camera in (cameras.values() if isinstance(cameras, dict) else ())
        if isinstance(camera, dict)
    ]
    live = sum(state == "live" for state in states)

    async def revoke() -> None:
        if await parts.confirm(
            f"Revoke {one.name}?",
            "Its token is void at once: what it sends from now on is refused. What it has sent "
            "stays.",
            action="Revoke",
            danger=True,
        ):
            await visitor.ask(revoke_box, box_id=one.box_id)
            parts.toast(f"{one.name} was revoked.")
            await show()

    return [
        lambda: parts.text(one.name, classes="strong"),
        lambda: _state(visitor, one),
        visitor.when(one.last_seen_at),
        None if pending is None else f"{pending:.0f} ({_size(health.get('pending_bytes'))})",
        lambda: _lag(lag),
        _lost(health),
        f"{live} of {len(states)} live" if states else None,
        lambda: parts.icon_button("link_off", f"Revoke {one.name}", revoke),
    ]


def _state(visitor: Visitor, one: BoxAnswer) -> None:
    now = visitor.site.clock()
    if one.cloned:
        parts.badge("Cloned", tone="bad").props["title"] = "two machines use its token"
    elif one.last_seen_at is None or now - one.last_seen_at > _SILENT:
        parts.badge("Silent", tone="bad")
    else:
        parts.badge("Online", tone="good")


def _lag(secs: float | None) -> None:
    if secs is None:
        parts.text("\u2013")
    elif secs > _LATE_SECS:
        parts.badge(_span(secs), tone="warn")
    else:
        parts.text(_span(secs))


def _lost(health: Mapping[str, object]) -> str | None:
    lost = [
        f"{count:.0f} {word}"
        for word in ("dropped", "quarantined")
        if (count := _number(health.get(word)))
    ]
    return ", ".join(lost) or ("nothing" if health else None)


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _size(count: object) -> str:
    size = _number(count) or 0.0
    for unit in ("B", "KiB", "MiB"):
        if size < _KIB:
            return f"{size:.0f} {unit}"
        size /= _KIB
    return f"{size:.1f} GiB"


def _span(secs: float) -> str:
    if secs < 60:
        return f"{secs:.0f} s"
    if secs < 5400:
        return f"{secs / 60:.0f} min"
    return f"{secs / 3600:.0f} h"


async def _add(visitor: Visitor) -> None:
    with parts.dialog(
        "Add a box",
        "You get a command for the machine near the cameras. It is valid for ten "
        "minutes and works once.",
    ) as asked:
        name = parts.text_input("Name", placeholder="gate", note="Letters, digits, - and _.")
        shown = parts.box("column")

        async def make() -> None:
            code = await visitor.ask(add_box, body=NewBox(name=(name.value or "").strip()))
            actions.delete()
            with shown:
                _told(visitor, code)

        with parts.dialog_actions() as actions:
            parts.button("Cancel", asked.close)
            parts.button("Make the command", make, kind="primary")
    asked.open()


def _told(visitor: Visitor, code: CodeAnswer) -> None:
    address = str(visitor.request.base_url).rstrip("/")
    command = f"sightgrid edge --server {address} --code {code.code}"
    parts.text("Run this on the box:", tag="p")
    parts.text(command, tag="code", classes="command")
    parts.button("Copy", lambda: ui.clipboard.write(command), icon="content_copy")
    if address.startswith("https://"):
        parts.text(
            "With a certificate of the server's own, add --ca authority.pem.",
            tag="p",
            classes="t-small muted",
        )
