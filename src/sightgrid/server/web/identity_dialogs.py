"""Dialogs that change identities: merge, split, label, erase; each says first what will change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from nicegui import ui

from sightgrid.server.api.candidates import GroupsAnswer, show_groups
from sightgrid.server.api.edits import (
    EditAnswer,
    Hide,
    Label,
    Merge,
    Sightings,
    hide,
    label,
    merge,
    split,
)
from sightgrid.server.api.identities import IdentityAnswer
from sightgrid.server.web import parts
from sightgrid.server.web.editing import Then, do_edit, offer_undo
from sightgrid.server.web.fragments import written
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import counted, name_of_identity, title_of_identity

_SHOWN_OF_A_GROUP = 7


async def merge_dialog(visitor: Visitor, some: Sequence[IdentityAnswer], then: Then) -> bool:
    """Makes several identities one. Both faces, the direction, and what moves are shown first.

    Returns:
        Whether anything was merged.
    """
    kept = _worthiest(some)
    reason = ""
    with parts.dialog("Are these the same person?", wide=True) as asked:
        stage = parts.box("merge-stage")
        told = parts.box("merge-told").props('aria-live="polite"')
        why = parts.text_input("Reason", placeholder="Optional, kept with the edit")

        async def show() -> None:
            stage.clear()
            gone = [one for one in some if one.identity != kept.identity]
            with stage:
                with parts.box("merge-side"):
                    for one in gone:
                        _portrait(one, "becomes part of")
                parts.icon("arrow_forward").classes("merge-arrow")
                with parts.box("merge-side kept"):
                    _portrait(kept, "stays")
            told.clear()
            with told:
                waiting = parts.loading(1)
            sightings = visits = 0
            for one in gone:
                would = await visitor.ask(
                    merge, serial=one.identity, body=Merge(into=kept.identity), preview=True
                )
                sightings, visits = sightings + would.sightings, visits + would.visits
            waiting.delete()
            with told:
                names = " and ".join(title_of_identity(one) for one in gone)
                verb = "becomes" if len(gone) == 1 else "become"
                parts.text(
                    f"{names} {verb} part of {title_of_identity(kept)}. "
                    f"{counted(sightings, 'sighting')} in {counted(visits, 'visit')} move. "
                    "You can undo this at any time."
                )

        async def swap() -> None:
            nonlocal kept
            others = [one for one in some if one.identity != kept.identity]
            kept = others[0]
            await show()

        with parts.dialog_actions():
            if not any(one.known for one in some):
                parts.button("Other direction", swap, icon="swap_horiz", kind="quiet")
            parts.button("Cancel", lambda: asked.submit(False))
            parts.button("Merge", lambda: asked.submit(True), kind="primary", icon="merge")
        await show()
    sure = bool(await asked)
    reason = str(why.value or "").strip()
    asked.delete()
    if not sure:
        return False
    made: list[EditAnswer] = []
    for one in some:
        if one.identity != kept.identity:
            body = Merge(into=kept.identity, reason=reason)
            made.append(await visitor.ask(merge, serial=one.identity, body=body))
    offer_undo(visitor, made, f"Merged into {title_of_identity(kept)}.", then)
    await then()
    return True


async def split_dialog(visitor: Visitor, one: IdentityAnswer, then: Then) -> int | None:
    """Parts an identity by the groups that its sightings fall into; returns the new serial."""
    found: GroupsAnswer | None = None
    picked: set[int] = set()
    with parts.dialog(
        f"Split {title_of_identity(one)}",
        "Faces that are alike stand in one row. Tick the rows that are somebody else.",
        wide=True,
    ) as asked:
        with parts.row("between"):
            parts.text("Rows: fewer to more", classes="field-label")
            finer = ui.slider(min=0, max=6, step=1, value=0).props('aria-label="Rows"')
            finer.classes("split-slider")
        rows = ui.html("", sanitize=False)
        told = parts.text("", classes="merge-told").props('aria-live="polite"')

        def chosen() -> list[str]:
            if found is None:
                return []
            return [
                sighting
                for index in sorted(picked)
                if 0 < index < len(found.groups)
                for sighting in found.groups[index].sightings
            ]

        async def show() -> None:
            nonlocal found
            picked.clear()
            rows.content = ""
            found = await visitor.ask(show_groups, serial=one.identity, finer=int(finer.value))
            rows.content = written("groups.html", groups=_rows(visitor, found, picked))
            if len(found.groups) < 2:
                told.text = "All its faces are alike; nothing to part. Try more rows."
            else:
                told.text = "Nothing is ticked yet."

        async def tick(event: Any) -> None:
            facts = event.args if isinstance(event.args, dict) else {}
            if facts.get("act") != "groups":
                return
            picked.clear()
            words = str(facts.get("groups", ""))[:200].split()
            picked.update(int(word) for word in words if word.isascii() and word.isdecimal())
            some = chosen()
            if not some:
                told.text = "Nothing is ticked yet."
                return
            would = await visitor.ask(
                split, serial=one.identity, body=Sightings(sightings=some), preview=True
            )
            told.text = (
                f"{counted(would.sightings, 'sighting')} become a new identity. "
                "You can undo this at any time."
            )

        finer.on("change", show)
        ui.on("sightgrid-deed", tick)

        def go() -> None:
            if chosen():
                asked.submit(True)
            else:
                parts.toast("Tick at least one row.", tone="warn")

        with parts.dialog_actions():
            parts.button("Cancel", lambda: asked.submit(False))
            parts.button("Split", go, kind="primary", icon="call_split")
        await show()
    sure = bool(await asked)
    some = chosen()
    asked.delete()
    if not sure or not some:
        return None
    made = await do_edit(
        visitor,
        split,
        "Split.",
        then,
        serial=one.identity,
        body=Sightings(sightings=some),
    )
    return made.into


async def label_dialog(visitor: Visitor, one: IdentityAnswer, then: Then) -> None:
    """Gives a stranger a word of the site's own."""
    with parts.dialog(
        f"Label {title_of_identity(one)}",
        "A word of your own for this stranger. It enrols nobody, and it is erased with the "
        "identity.",
    ) as asked:
        typed = parts.text_input("Label", one.label, placeholder="grey coat, courier …")
        typed.props("autofocus maxlength=200")
        typed.on("keydown.enter", lambda: asked.submit(True))
        with parts.dialog_actions():
            parts.button("Cancel", lambda: asked.submit(False))
            parts.button("Save", lambda: asked.submit(True), kind="primary")
    sure = bool(await asked)
    text = str(typed.value or "").strip()
    asked.delete()
    if sure and text != one.label:
        told = f"Labelled “{text}”." if text else "The label is gone."
        await do_edit(visitor, label, told, then, serial=one.identity, body=Label(label=text))


async def hide_some(
    visitor: Visitor, some: Sequence[IdentityAnswer], then: Then, *, hidden: bool
) -> None:
    """Keeps identities out of lists, or shows them again."""
    made = [await visitor.ask(hide, serial=one.identity, body=Hide(hidden=hidden)) for one in some]
    what = counted(len(some), "identity", "identities")
    offer_undo(visitor, made, f"{what} {'hidden' if hidden else 'shown again'}.", then)
    await then()


def _worthiest(some: Sequence[IdentityAnswer]) -> IdentityAnswer:
    """Whose number should stay: an enrolled person's, else the one seen most."""
    return max(some, key=lambda one: (one.known, one.sightings, -one.identity))


def _portrait(one: IdentityAnswer, role: str) -> None:
    name = name_of_identity(one)
    with parts.box("portrait"):
        parts.face(one.best_sighting, size=132, tone=name.tone)
        parts.badge(name.text, tone=name.tone)
        if one.label:
            parts.text(one.label, classes="t-small")
        counts = f"{counted(one.sightings, 'sighting')}, {counted(one.visits, 'visit')}"
        parts.text(counts, classes="t-small muted")
        parts.text(role, classes="t-small portrait-role")


def _rows(visitor: Visitor, found: GroupsAnswer, picked: set[int]) -> list[Mapping[str, Any]]:
    return [
        {
            "count": counted(len(group.sightings), "sighting"),
            "when": _span(visitor, group.first_seen, group.last_seen),
            "cameras": ", ".join(group.cameras),
            "likeness": f"{group.likeness:.2f}",
            "picked": index in picked,
            "shown": group.sightings[:_SHOWN_OF_A_GROUP],
            "more": max(len(group.sightings) - _SHOWN_OF_A_GROUP, 0),
        }
        for index, group in enumerate(found.groups)
    ]


def _span(visitor: Visitor, first: Any, last: Any) -> str:
    if visitor.day(first) == visitor.day(last):
        return f"{visitor.day(first)}, {visitor.clock(first)} to {visitor.clock(last)}"
    return f"{visitor.when(first)} to {visitor.when(last)}"
