"""Has this face been seen? A photo is compared with everybody, strangers too."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from typing import Any

from nicegui import events, ui
from nicegui.element import Element
from PIL import Image, ImageOps, UnidentifiedImageError

from sightgrid.domain.accounts import Caller, Permission
from sightgrid.domain.errors import InvalidValue
from sightgrid.server.api.search import FoundAnswer, SearchAnswer, search_photo_bytes
from sightgrid.server.limits import MOST_PHOTO_BYTES
from sightgrid.server.web import parts
from sightgrid.server.web.fragments import draw, number_in, on_deeds
from sightgrid.server.web.paging import page
from sightgrid.server.web.visiting import Visitor
from sightgrid.server.web.wording import Name, counted

_LEAST_REASON = 3
_MOST_FOUND = 12
_SHOWN_PX = 1280
_WORDINGS = {
    "same": ("Strong", "Very likely the same person."),
    "possible": ("Possible", "Alike. Look at the pictures yourself."),
    "unlike": ("Weak", "The most alike of the rest; most likely other people."),
}


@page("/search", title="Search by photo", permission=Permission.SEARCH_PHOTO)
async def photo_search(visitor: Visitor) -> None:
    """The page."""
    _View(visitor).draw()


class _View:
    def __init__(self, visitor: Visitor) -> None:
        self._visitor = visitor
        self._photo = b""
        self._shown = ""
        self._answer: SearchAnswer | None = None
        self._face = -1
        self._picture: Element
        self._results: Element

    def draw(self) -> None:
        with parts.head(
            "Search by photo",
            "Was this face seen, where and when? Everybody is compared, strangers too. Each search "
            "is noted in the audit.",
        ):
            pass
        with parts.box("search-two"):
            with parts.column("search-ask"):
                self._reason = parts.text_input(
                    "Reason",
                    placeholder="Lost child, theft report 2026-14 …",
                    note="Needed. Kept in the audit with your account.",
                )
                self._reason.on("keydown.enter", self._search)
                self._upload = (
                    ui.upload(
                        on_upload=self._take,
                        on_rejected=lambda: parts.toast(
                            "Give one picture: JPEG, PNG, WebP or BMP, at most 15 MB.", tone="warn"
                        ),
                        auto_upload=True,
                        max_files=None,
                        max_file_size=MOST_PHOTO_BYTES,
                    )
                    .props('accept="image/jpeg,image/png,image/webp,image/bmp" flat bordered')
                    .props('label="Drop a picture here"')
                    .classes("drop")
                )
                # the uploader's own button has no name that could be read aloud
                parts.button(
                    "Choose a picture",
                    lambda: self._upload.run_method("pickFiles"),
                    icon="add_photo_alternate",
                )
                self._picture = parts.box("search-picture")
                self._go = parts.button("Search", self._search, kind="primary", icon="image_search")
                self._go.set_visibility(False)
            self._results = parts.box("search-results").props('aria-live="polite"')
        with self._results:
            parts.empty(
                "image_search",
                "Give a picture and a reason",
                "Every face in the picture is found; then you choose one or see all.",
            )
        on_deeds({"face": self._choose})

    async def _take(self, event: events.UploadEventArguments) -> None:
        content = await event.file.read()
        self._upload.reset()
        self._shown = shown_picture(content)
        self._photo, self._answer, self._face = content, None, -1
        self._draw_picture()
        self._go.set_visibility(True)
        if len(str(self._reason.value or "").strip()) >= _LEAST_REASON:
            await self._search()
        else:
            self._reason.run_method("focus")
            parts.toast("Now say why you search.", tone="warn")

    async def _search(self) -> None:
        if not self._photo:
            parts.toast("Give a picture first.", tone="warn")
            return
        reason = str(self._reason.value or "").strip()
        if len(reason) < _LEAST_REASON:
            self._reason.run_method("focus")
            raise InvalidValue("say in a few words why you search")
        self._results.clear()
        with self._results:
            parts.loading(4)
        photo, site = self._photo, self._visitor.site

        def search(caller: Caller) -> SearchAnswer:
            return search_photo_bytes(site, caller, photo, reason, _MOST_FOUND)

        try:
            self._answer = await self._visitor.run(Permission.SEARCH_PHOTO, search)
        except BaseException:
            self._results.clear()
            raise
        self._face = 0 if len(self._answer.faces) == 1 else -1
        self._draw_picture()
        self._draw_results()

    def _choose(self, facts: Mapping[str, str]) -> None:
        chosen = number_in(facts, "number") - 1
        self._face = -1 if chosen == self._face else chosen
        self._draw_picture()
        self._draw_results()

    def _draw_picture(self) -> None:
        faces = [] if self._answer is None else self._answer.faces
        size = _size_of(self._photo)
        self._picture.clear()
        with self._picture:
            draw(
                "photo.html",
                picture=self._shown,
                width=size[0],
                height=size[1],
                faces=[
                    {
                        "number": number,
                        "left": face.box[0],
                        "top": face.box[1],
                        "width": face.box[2] - face.box[0],
                        "height": face.box[3] - face.box[1],
                        "chosen": number - 1 == self._face,
                        "tone": _tone(face.found),
                    }
                    for number, face in enumerate(faces, 1)
                ],
                thick=max(size) / 260,
            )

    def _draw_results(self) -> None:
        answer = self._answer
        self._results.clear()
        with self._results:
            if answer is None:
                return
            if not answer.faces:
                parts.empty(
                    "face_retouching_off",
                    "No face in this picture",
                    "Take one in which the face is in view and at least 24 pixels wide.",
                )
                return
            with parts.row("between"):
                parts.text(counted(len(answer.faces), "face"), tag="h2", classes="t-head")
                if self._face >= 0 and len(answer.faces) > 1:
                    parts.button("Show all faces", lambda: self._choose({}), kind="quiet")
            for number, face in enumerate(answer.faces, 1):
                if self._face not in (-1, number - 1):
                    continue
                if len(answer.faces) > 1:
                    parts.text(f"Face {number}", tag="h3", classes="search-face")
                if not face.found:
                    parts.text("Nobody is known yet.", classes="muted")
                draw("found.html", bands=self._bands(face.found, brief=self._face == -1))

    def _bands(self, found: list[FoundAnswer], *, brief: bool) -> list[dict[str, Any]]:
        bands: list[dict[str, Any]] = []
        for wording, (title, words) in _WORDINGS.items():
            some = [one for one in found if one.wording == wording]
            # who is alike to nobody needs no list of who else was looked at
            if not some or (brief and wording == "unlike" and bands):
                continue
            shown = some[:3] if wording == "unlike" else some
            bands.append(
                {
                    "title": title,
                    "words": words,
                    "found": [self._found(one) for one in shown],
                }
            )
        return bands

    def _found(self, one: FoundAnswer) -> dict[str, Any]:
        visitor = self._visitor
        known = one.person is not None
        return {
            "serial": one.identity,
            "name": Name(one.person or f"#{one.identity}", "known" if known else "stranger"),
            "crop": one.best_sighting,
            "score": f"{one.score:.2f}",
            "label": one.label,
            "where": ", ".join(one.cameras) or "not seen by your cameras",
            "last": visitor.when(one.last_seen),
            "seen": [
                {
                    "id": each.sighting_id,
                    "words": f"{each.camera}, {visitor.when(each.first_seen)}",
                }
                for each in one.sightings
            ],
        }


def shown_picture(content: bytes) -> str:
    """A picture as an address that holds it, small enough for a page.

    Raises:
        InvalidValue: it is no picture that can be read.
    """
    try:
        with Image.open(io.BytesIO(content)) as opened:
            opened.draft("RGB", (_SHOWN_PX, _SHOWN_PX))
            picture = ImageOps.exif_transpose(opened).convert("RGB")
    except (OSError, UnidentifiedImageError, Image.DecompressionBombError, ValueError):
        raise InvalidValue(
            "this is no picture that can be read", hint="use JPEG, PNG, WebP or BMP"
        ) from None
    picture.thumbnail((_SHOWN_PX, _SHOWN_PX))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return "data:image/jpeg;base64," + base64.b64encode(out.getvalue()).decode()


def _size_of(content: bytes) -> tuple[int, int]:
    with Image.open(io.BytesIO(content)) as opened:
        width, height = opened.size
        # boxes are those of the upright picture
        turned = opened.getexif().get(0x0112, 1) in (5, 6, 7, 8)
    return (height, width) if turned else (width, height)


def _tone(found: list[FoundAnswer]) -> str:
    if not found or found[0].wording == "unlike":
        return "unsure"
    return "known" if found[0].person is not None else "stranger"
