"""One sighting, closely: its pictures, why it has its name, and what can be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from nicegui import ui

from sightgrid.domain.accounts import Permission
from sightgrid.domain.presence import Band
from sightgrid.server.api.candidates import WhyAnswer, explain
from sightgrid.server.api.edits import SightingsOf, confirm, move, not_this
from sightgrid.server.api.sightings import SightingAnswer
from sightgrid.server.web import parts
from sightgrid.server.web.choosing import choose_identity
from sightgrid.server.web.editing import do_edit
from sightgrid.server.web.fragments import draw
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import lasted, name_of_identity, name_of_sighting

_QUALITIES = (
    ("Size", "size"),
    ("Sharpness", "sharpness"),
    ("Light", "light"),
    ("Facing", "pose"),
    ("Uncovered", "visible"),
)


class SightingPanel:
    """Shows the sighting that was chosen last. ``changed`` is called after an edit."""

    def __init__(self, visitor: Visitor, *, changed: Callable[[], Awaitable[None]]) -> None:
        self._visitor = visitor
        self._changed = changed
        self._asked = ""
        self._why: WhyAnswer | None = None
        self._place = parts.box("panel")
        with self._place:
            parts.empty("touch_app", "Choose a sighting", "Click one, or walk with the arrow keys.")

    @property
    def sighting(self) -> SightingAnswer | None:
        return None if self._why is None else self._why.sighting

    async def show(self, sighting_id: str) -> None:
        """Fetches and shows; of several that are asked for quickly only the last is shown."""
        self._asked = sighting_id
        answer = await self._visitor.ask(explain, sighting_id=sighting_id)
        if self._asked != sighting_id:
            return
        self._why = answer
        self._place.clear()
        with self._place:
            self._draw(answer)

    def _draw(self, why: WhyAnswer) -> None:
        one, visitor = why.sighting, self._visitor
        name = name_of_sighting(one)
        with parts.box("panel-head"):
            parts.face(one.sighting_id if one.has_crop else None, size=112, tone=name.tone)
            with parts.column("tight"):
                if one.identity is not None:
                    parts.link(name.text, f"/identities/{one.identity}").classes("panel-name")
                else:
                    parts.text(name.text, classes="panel-name")
                parts.text(name.note, classes="t-small muted")
                parts.text(f"{one.camera}, {visitor.when(one.first_seen)}", classes="t-small")
                stayed = lasted(one.last_seen - one.first_seen)
                parts.text(
                    f"{stayed}, {one.faces} frames" + ("" if one.closed else ", still there"),
                    classes="t-small muted",
                )
        looks = [
            {
                "rank": look.rank,
                "spoken": f"{visitor.clock(look.captured_at)}, quality {look.overall:.2f}",
            }
            for look in why.looks
        ]
        if one.has_crop and len(looks) > 1:
            draw("looks.html", id=one.sighting_id, looks=looks)
        if visitor.may(Permission.EDIT_IDENTITIES):
            with parts.box("panel-deeds"):
                if one.identity is not None:
                    parts.button("Right", self.confirm, icon="check")
                    parts.button("Not this person", self.refuse, icon="close")
                parts.button("This is …", self.give, icon="person_search")
        draw("why.html", why=self._reasons(why))

    def _reasons(self, why: WhyAnswer) -> dict[str, Any]:
        one = why.sighting
        words = one.reason or "No reason was written down."
        told = [words[:1].upper() + words[1:] + ("" if words.endswith(".") else ".")]
        if one.score is not None:
            told.append(f"Similarity {one.score:.2f}.")
        if one.runner_up is not None and one.runner_up_score is not None:
            told.append(f"Next best: #{one.runner_up} with {one.runner_up_score:.2f}.")
        edited = ""
        if why.edited:
            own = "unsure" if why.own_identity is None else f"#{why.own_identity}"
            edited = f"A person changed this. By itself the ledger said: {own}."
        best = why.looks[0] if why.looks else None
        quality = []
        if best is not None:
            quality = [
                {
                    "name": "Face width",
                    "share": min(round(best.face_width_px), 100),
                    "text": f"{best.face_width_px:.0f} px",
                }
            ] + [
                {
                    "name": name,
                    "share": round(100 * getattr(best, part)),
                    "text": f"{getattr(best, part):.2f}",
                }
                for name, part in _QUALITIES
            ]
        return {
            "words": " ".join(told),
            "edited": edited,
            "lead": f"{why.lead_needed:.2f}",
            "quality": quality,
            "candidates": [
                {
                    "serial": each.identity.identity,
                    "name": name_of_identity(each.identity),
                    "crop": each.closest if each.closest_has_crop else each.identity.best_sighting,
                    "score": f"{each.score:.2f}",
                    "needed": f"{each.needed:.2f}",
                    "share": round(100 * min(max(each.score, 0.0), 1.0)),
                    "bar": round(100 * min(max(each.needed, 0.0), 1.0)),
                    "enough": each.score >= each.needed,
                    "refused": each.refused,
                    "note": "somebody said: not this person"
                    if each.refused
                    else each.identity.label
                    or (
                        ""
                        if each.closest_score is None
                        else f"closest look {each.closest_score:.2f}"
                    ),
                }
                for each in why.candidates
            ],
        }

    async def why(self) -> None:
        """Brings the reasons into view."""
        ui.run_javascript(
            "document.querySelector('.why')?.scrollIntoView({block: 'nearest', behavior: 'smooth'})"
        )

    async def open_identity(self) -> None:
        """Goes to whom the sighting is given to."""
        one = self.sighting
        if one is not None and one.identity is not None:
            ui.navigate.to(f"/identities/{one.identity}")

    async def confirm(self) -> None:
        """Somebody vouches that the name is right."""
        one = self.sighting
        if one is None or one.identity is None or not self._may_edit():
            return
        body = SightingsOf(sightings=[one.sighting_id], identity=one.identity)
        if one.band is Band.CONFIRMED and self._why is not None and not self._why.edited:
            parts.toast("It is confirmed already.", tone="good")
        await do_edit(
            self._visitor, confirm, f"Confirmed as #{one.identity}.", self._after, body=body
        )

    async def refuse(self) -> None:
        """Not this person, now and whenever it is decided again."""
        one = self.sighting
        if one is None or one.identity is None or not self._may_edit():
            return
        body = SightingsOf(sightings=[one.sighting_id], identity=one.identity)
        await do_edit(
            self._visitor, not_this, f"No longer #{one.identity}.", self._after, body=body
        )

    async def give(self) -> None:
        """This is somebody else, who is chosen in a dialog."""
        one, why = self.sighting, self._why
        if one is None or why is None or not self._may_edit():
            return
        first = [each.identity for each in why.candidates]
        into = await choose_identity(
            self._visitor, "This is …", suggested=first, besides={one.identity}
        )
        if into is None:
            return
        body = SightingsOf(sightings=[one.sighting_id], identity=into.identity)
        name = name_of_identity(into).text
        await do_edit(self._visitor, move, f"Given to {name}.", self._after, body=body)

    async def _after(self) -> None:
        await self._changed()
        if self._asked:
            await self.show(self._asked)

    def _may_edit(self) -> bool:
        return self._visitor.may(Permission.EDIT_IDENTITIES)
