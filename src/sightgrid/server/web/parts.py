"""What pages are made of: one way to draw a button, a card, a table, a face.

Texts are always set as text, never as HTML. Sizes, colours and type are in ``sightgrid.css``.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal, TypeAlias, TypeVar

from nicegui import background_tasks, ui
from nicegui.element import Element
from nicegui.elements.mixins.text_element import TextElement

from sightgrid.domain.presence import Band

Tone: TypeAlias = Literal["neutral", "known", "stranger", "unsure", "good", "warn", "bad"]
Kind: TypeAlias = Literal["primary", "plain", "quiet", "danger"]
Action: TypeAlias = Callable[..., Any]
Cell: TypeAlias = str | int | float | Callable[[], Any] | None

Made = TypeVar("Made", bound=Element)

_NEAR_RIGHT = 0.7
_TOAST_ICONS = {"good": "check_circle", "bad": "error", "warn": "warning"}


class Text(TextElement):
    """Some text in an element of its own."""

    def __init__(self, text: str, tag: str) -> None:
        super().__init__(tag=tag, text=text)


def text(content: str, *, tag: str = "span", classes: str = "") -> Text:
    """Text; ``text.text = ...`` changes it."""
    return _classed(Text(content, tag), classes)


def box(*classes: str, tag: str = "div") -> Element:
    """An element of some classes, to be filled in a ``with``."""
    return _classed(ui.element(tag), " ".join(classes))


def icon(name: str) -> Text:
    """A sign that says nothing which the words beside it don't."""
    return text(name, tag="i", classes="icon").props('aria-hidden="true"')


@contextmanager
def head(title: str, lead: str = "") -> Iterator[None]:
    """The page's title and what it is for; what is drawn in the ``with`` stands at its right."""
    with box("page-head"):
        with box("page-words"):
            text(title, tag="h1", classes="t-title")
            if lead:
                text(lead, tag="p", classes="t-lead")
        with box("page-actions"):
            yield


def button(
    label: str,
    on_click: Action | None = None,
    *,
    kind: Kind = "plain",
    icon: str = "",
    href: str = "",
) -> Element:
    """A button, or with ``href`` a link that looks like one. While what it does is under way it
    can't be pressed again."""
    made = ui.element("a" if href else "button").classes(f"button {kind}")
    if href:
        made.props["href"] = href
    else:
        made.props("type=button")
    with made:
        if icon:
            _icon(icon)
        text(label)
    if on_click is not None:
        _press(made, on_click)
    return made


def icon_button(icon: str, label: str, on_click: Action | None = None) -> Element:
    """A button of a sign only; ``label`` is read aloud and shown under the pointer."""
    made = ui.element("button").classes("button icon-only")
    made.props["type"] = "button"
    made.props["aria-label"] = label
    made.props["title"] = label
    with made:
        _icon(icon)
    if on_click is not None:
        _press(made, on_click)
    return made


def link(label: str, href: str) -> Element:
    """A link in running text."""
    made = text(label, tag="a", classes="link")
    made.props["href"] = href
    return made


@contextmanager
def card(title: str = "", *, note: str = "", classes: str = "") -> Iterator[Element]:
    """A surface of its own."""
    with _classed(box("card", tag="section"), classes) as made:
        if title:
            with box("card-head"):
                text(title, tag="h2", classes="t-head")
                if note:
                    text(note, tag="p", classes="t-small muted")
        yield made


@contextmanager
def section(title: str, note: str = "") -> Iterator[Element]:
    """A part of a page under a heading of its own."""
    with box("section", tag="section") as made:
        text(title, tag="h2", classes="t-head")
        if note:
            text(note, tag="p", classes="t-small muted")
        yield made


def row(*classes: str) -> Element:
    """Side by side; wraps where there is no room."""
    return box("row", *classes)


def column(*classes: str) -> Element:
    """Under each other."""
    return box("column", *classes)


def grid(least_px: int = 280) -> Element:
    """As many columns as fit."""
    made = box("grid")
    made.style(f"--least: {least_px}px")
    return made


def badge(label: str, *, tone: Tone = "neutral", icon: str = "") -> Element:
    """A word of state."""
    with box("badge", tone, tag="span") as made:
        if icon:
            _icon(icon)
        text(label)
    return made


def band_badge(band: Band | str | None, serial: int | None, person: str | None) -> Element:
    """Who it was, as far as that is decided: a name in green, a stranger's serial in amber, grey
    where it is not sure."""
    value = band.value if isinstance(band, Band) else band
    if value in {Band.CONFIRMED.value, Band.LIKELY.value}:
        shown = person or (f"#{serial}" if serial is not None else "known")
        made = badge(shown, tone="known", icon="" if value == Band.CONFIRMED.value else "help")
        if value == Band.LIKELY.value:
            made.props["title"] = "likely: have a look"
        return made
    if value == Band.STRANGER.value:
        return badge(f"#{serial}" if serial is not None else "stranger", tone="stranger")
    return badge("unsure" if value else "undecided", tone="unsure")


def band_tone(band: Band | str | None) -> Tone:
    """The colour of an answer."""
    value = band.value if isinstance(band, Band) else band
    if value in {Band.CONFIRMED.value, Band.LIKELY.value}:
        return "known"
    return "stranger" if value == Band.STRANGER.value else "unsure"


def face(sighting_id: str | None, *, size: int = 64, tone: Tone = "neutral") -> Element:
    """The best look of a sighting, fetched under the viewer's own rights."""
    made = box("face", tone, tag="span")
    made.style(f"--size: {size}px")
    with made:
        if sighting_id is None:
            _icon("face")
        else:
            picture = ui.element("img")
            picture.props.update(
                {
                    "src": f"/api/v1/sightings/{sighting_id}/crop",
                    "alt": "",
                    "loading": "lazy",
                    "decoding": "async",
                    "width": size,
                    "height": size,
                }
            )
    return made


def still(source: str, words: str, aspect: float = 16 / 9) -> Element:
    """A camera's picture; boxes are drawn over it in the ``with``."""
    made = box("still")
    made.style(f"--aspect: {aspect:.4f}")
    with made:
        picture = ui.element("img")
        picture.props["src"] = source
        picture.props["alt"] = words
    return made


def frame_box(place: tuple[float, float, float, float], *, tone: Tone, label: str = "") -> Element:
    """A box around a face: left, top, right, bottom in fractions of the picture."""
    left, top, right, bottom = (min(max(value, 0.0), 1.0) for value in place)
    # near the right edge the label would be cut off
    made = box("frame-box", tone, "at-right" if left > _NEAR_RIGHT else "")
    made.style(
        f"left: {left:.2%}; top: {top:.2%}; width: {right - left:.2%}; height: {bottom - top:.2%}"
    )
    with made:
        if label:
            text(label)
    return made


def progress(label: str) -> Element:
    """How far something has come; :func:`set_progress` moves it."""
    made = box("progress").props('role="progressbar" aria-valuemin=0 aria-valuemax=100')
    made.props["aria-label"] = label
    with made:
        box("progress-bar")
    set_progress(made, 0.0)
    return made


def set_progress(made: Element, share: float) -> None:
    """Moves a progress bar to a share, 0-1."""
    made.props["aria-valuenow"] = round(100 * share)
    made.style(f"--share: {share:.3f}")


def empty(
    sign: str, title: str, words: str = "", *, action: Callable[[], Any] | None = None
) -> None:
    """What stands where there is nothing yet: why, and what to do; ``action`` draws a button."""
    with box("empty"):
        icon(sign)
        text(title, tag="h2", classes="t-head")
        if words:
            text(words, tag="p")
        if action is not None:
            action()


def loading(lines: int = 3) -> Element:
    """Grey lines where something is on its way; ``delete()`` or ``clear()`` it when it is there."""
    with box("loading").props('role="status" aria-label="Loading"') as made:
        for _ in range(lines):
            box("loading-line")
    return made


def notice(words: str, *, tone: Tone = "neutral") -> Element:
    """A sentence that belongs to the page."""
    with box("notice", tone) as made:
        _icon({"bad": "error", "warn": "warning", "good": "check_circle"}.get(tone, "info"))
        text(words)
    return made


def facts(known: Mapping[str, Cell]) -> Element:
    """Names and values; a callable draws its value."""
    with box("facts", tag="dl") as made:
        for name, value in known.items():
            text(name, tag="dt")
            with ui.element("dd"):
                _cell(value)
    return made


def stat(label: str, value: str, note: str = "") -> Element:
    """One number that matters."""
    with box("stat") as made:
        text(value, classes="stat-value")
        text(label, classes="stat-label")
        if note:
            text(note, classes="t-small muted")
    return made


def table(columns: Sequence[str], rows: Sequence[Sequence[Cell]], *, label: str = "") -> Element:
    """A table that scrolls sideways by itself. A cell is text, a number, or draws itself."""
    with box("table-frame").props('tabindex="0"') as made:
        made.props["role"] = "region"
        made.props["aria-label"] = label or ", ".join(one for one in columns if one)
        with ui.element("table"):
            with ui.element("thead"), ui.element("tr"):
                for name in columns:
                    if name:
                        text(name, tag="th").props('scope="col"')
                    else:
                        ui.element("td")
            with ui.element("tbody"):
                for cells in rows:
                    with ui.element("tr"):
                        for value in cells:
                            cell = ui.element("td")
                            if isinstance(value, int | float):
                                cell.classes("number")
                            with cell:
                                _cell(value)
    return made


def _cell(value: Cell) -> None:
    if callable(value):
        value()
    else:
        text("\u2013" if value is None or value == "" else str(value))


def text_input(
    label: str,
    value: str = "",
    *,
    note: str = "",
    placeholder: str = "",
    password: bool = False,
    on_change: Action | None = None,
) -> ui.input:
    """A line to type in, under its label."""
    with _field(label, note):
        made = ui.input(
            value=value, placeholder=placeholder, password=password, on_change=on_change
        )
    return _in_field(made, label)


def area(label: str, value: str = "", *, note: str = "", rows: int = 3) -> ui.textarea:
    """Some lines to type in."""
    with _field(label, note):
        made = ui.textarea(value=value)
    made.props["rows"] = rows
    return _in_field(made, label)


def number(
    label: str,
    value: float | None = None,
    *,
    note: str = "",
    least: float | None = None,
    most: float | None = None,
    step: float | None = None,
) -> ui.number:
    """A number to type in."""
    with _field(label, note):
        made = ui.number(value=value, min=least, max=most, step=step)
    return _in_field(made, label)


def select(
    label: str,
    options: Mapping[Any, str] | Sequence[str],
    value: Any = None,
    *,
    note: str = "",
    many: bool = False,
    searchable: bool = False,
    clearable: bool = False,
    on_change: Action | None = None,
) -> ui.select:
    """One of some, or with ``many`` some of them; with ``searchable`` by typing."""
    choices: Any = dict(options) if isinstance(options, Mapping) else list(options)
    with _field(label, note):
        made = ui.select(
            choices,
            value=value,
            multiple=many,
            with_input=searchable,
            clearable=clearable,
            on_change=on_change,
        )
    made.props("options-dense")
    if many:
        made.props("use-chips")
    return _in_field(made, label)


def switch(label: str, value: bool = False, *, on_change: Action | None = None) -> ui.switch:
    """On or off, at once."""
    return ui.switch(label, value=value, on_change=on_change).props("dense").classes("switch")


def checkbox(label: str, value: bool = False, *, on_change: Action | None = None) -> ui.checkbox:
    """Yes or no, as part of a form."""
    return ui.checkbox(label, value=value, on_change=on_change).props("dense").classes("checkbox")


@contextmanager
def _field(label: str, note: str) -> Iterator[None]:
    with box("field"):
        text(label, classes="field-label").props('aria-hidden="true"')
        yield
        if note:
            text(note, classes="field-note")


def _in_field(made: Made, label: str) -> Made:
    made.props("outlined dense hide-bottom-space")
    made.props["aria-label"] = label
    # a select shows its label to screen readers under this name
    made.props["for"] = f"f{made.id}"
    return made


@contextmanager
def dialog(title: str, words: str = "", *, wide: bool = False) -> Iterator[ui.dialog]:
    """A dialog, drawn in the ``with``; ``.open()`` shows it, Escape closes it."""
    made = ui.dialog()
    made.props["aria-label"] = title
    with made, box("dialog", "wide" if wide else "", tag="section"):
        with box("dialog-head"):
            text(title, tag="h2", classes="t-head")
            icon_button("close", "Close", made.close)
        if words:
            text(words, tag="p", classes="muted")
        yield made


def dialog_actions() -> Element:
    """The dialog's last line, to be filled with buttons; the one that does it comes last."""
    return box("dialog-actions")


async def confirm(title: str, words: str, *, action: str, danger: bool = False) -> bool:
    """Asks before something is done that matters; Escape means no."""
    with dialog(title, words) as asked, dialog_actions():
        button("Cancel", lambda: asked.submit(False))
        button(action, lambda: asked.submit(True), kind="danger" if danger else "primary")
    answer = await asked
    asked.delete()
    return bool(answer)


def toast(
    words: str,
    *,
    tone: Literal["good", "bad", "warn"] = "good",
    undo: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """A sentence that goes away by itself, sooner or later; with ``undo`` a button takes back what
    was done."""
    host = _toasts()
    with host:
        made = box("toast", tone)
        made.props["role"] = "alert" if tone == "bad" else "status"
        with made:
            _icon(_TOAST_ICONS[tone])
            text(words)
            if undo is not None:

                async def take_back() -> None:
                    made.delete()
                    await undo()

                button("Undo", take_back, kind="quiet")
            icon_button("close", "Close", made.delete)
        secs = 12.0 if undo is not None or tone == "bad" else 5.0
        # with the toast it goes too, so nothing is left to fire for one that was closed
        with made:
            ui.timer(secs, made.delete, once=True)


def _toasts() -> Element:
    client = ui.context.client
    for one in client.layout.default_slot.children:
        if "toasts" in one.classes:
            return one
    with client.layout:
        return box("toasts")


def _press(made: Element, action: Action) -> None:
    busy = False

    async def pressed() -> None:
        nonlocal busy
        if busy:
            return
        busy = True
        made.classes("busy")
        try:
            done = action()
            if inspect.isawaitable(done):
                await done
        finally:
            busy = False
            if not made.is_deleted:
                made.classes(remove="busy")

    made.on("click", pressed, [])


def _classed(made: Made, classes: str) -> Made:
    if classes.strip():
        made.classes(classes)
    return made


_icon = icon


def start(work: Awaitable[Any]) -> None:
    """Begins something whose end the page does not wait for, in the page's own context."""
    content = ui.context.client.content

    async def run() -> None:
        with content:
            await work

    background_tasks.create(run(), name="page")
