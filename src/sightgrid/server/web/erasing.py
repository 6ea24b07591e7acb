"""Erasing from a page: what can't be undone is asked for with a reason and a second look."""

from __future__ import annotations

from nicegui import ui

from sightgrid.server.api.identities import IdentityAnswer
from sightgrid.server.api.privacy import Erasing, erase
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import counted, name_of_identity, title_of_identity

_LEAST_REASON = 3


async def erase_dialog(visitor: Visitor, one: IdentityAnswer) -> None:
    """Erases an identity for good, with all that was ever seen of it, and shows the receipt."""
    with parts.dialog(f"Erase {title_of_identity(one)}?") as asked:
        with parts.row():
            parts.face(one.best_sighting, size=72, tone=name_of_identity(one).tone)
            parts.text(
                f"{counted(one.sightings, 'sighting')} and {counted(one.visits, 'visit')} go, with "
                "pictures, vectors and everything that names them. This can't be undone."
            ).classes("grow")
        why = parts.text_input("Reason", placeholder="Needed, kept in the audit")
        why.props("autofocus")

        def go() -> None:
            if len(str(why.value or "").strip()) < _LEAST_REASON:
                parts.toast("Say in a few words why.", tone="warn")
            else:
                asked.submit(True)

        with parts.dialog_actions():
            parts.button("Cancel", lambda: asked.submit(False))
            parts.button("Erase for good", go, kind="danger", icon="delete_forever")
    sure, reason = bool(await asked), str(why.value or "").strip()
    asked.delete()
    if not sure:
        return
    subject = f"person:{one.person_id}" if one.person_id else f"serial:{one.identity}"
    receipt = await visitor.ask(erase, body=Erasing(subject=subject, reason=reason))
    with parts.dialog(
        "Erased", "This is the receipt. The audit has it too, with a keyed hash for the name."
    ) as told:
        parts.facts(
            {
                "When": visitor.when(receipt.erased_at),
                "Numbers": ", ".join(f"#{each}" for each in receipt.identities),
                **{name: str(count) for name, count in receipt.deleted.items()},
            }
        )
        with parts.dialog_actions():
            parts.button("Done", told.close, kind="primary")
    told.on("hide", lambda: ui.navigate.to("/identities"))
    told.open()
