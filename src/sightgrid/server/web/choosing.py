"""A dialog in which somebody is chosen: by face, by name, by number."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from sightgrid.server.api.identities import IdentityAnswer, list_identities
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import counted, name_of_identity
from sightgrid.store.cards import CardOrder

_MOST_SHOWN = 12


async def choose_identity(
    visitor: Visitor,
    title: str,
    *,
    suggested: Sequence[IdentityAnswer] = (),
    besides: Collection[int | None] = (),
    words: str = "",
) -> IdentityAnswer | None:
    """Asks who it is; ``None`` if the dialog was closed.

    Args:
        suggested: shown first. besides: never shown.
    """
    with parts.dialog(title, words) as asked:
        typed = parts.text_input("Name or number", placeholder="Type to search")
        typed.props("autofocus clearable debounce=250")
        results = parts.box("choices").props('aria-live="polite"')

        def show(found: Sequence[IdentityAnswer], told: str) -> None:
            results.clear()
            with results:
                offered = [one for one in found if one.identity not in besides][:_MOST_SHOWN]
                if not offered:
                    parts.text("Nobody found.", classes="muted")
                    return
                parts.text(told, classes="t-small muted")
                for one in offered:
                    _choice(one, lambda one=one: asked.submit(one))

        async def search() -> None:
            text = str(typed.value or "").strip()
            if not text and suggested:
                show(suggested, "Most alike")
                return
            answer = await visitor.ask(
                list_identities, text=text or None, order=CardOrder.LAST_SEEN, limit=2 * _MOST_SHOWN
            )
            show(answer.items, "Found" if text else "Seen last")

        typed.on_value_change(search)
        await search()
    chosen = await asked
    asked.delete()
    return chosen if isinstance(chosen, IdentityAnswer) else None


def _choice(one: IdentityAnswer, take: object) -> None:
    name = name_of_identity(one)
    made = parts.button("", take, kind="plain").classes("choice")  # type: ignore[arg-type]
    made.clear()
    with made:
        parts.face(one.best_sighting, size=44, tone=name.tone)
        with parts.column("tight"):
            parts.badge(name.text, tone=name.tone)
            parts.text(
                (f"{one.label}, " if one.label else "")
                + f"#{one.identity}, {counted(one.sightings, 'sighting')}",
                classes="t-small muted",
            )
