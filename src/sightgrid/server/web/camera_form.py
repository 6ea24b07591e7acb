"""The form of a camera: its address tried before it is added, with its picture and the faces."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import quote, urlsplit, urlunsplit

from sightgrid.domain.accounts import Permission
from sightgrid.domain.cameras import Purpose
from sightgrid.domain.errors import InvalidValue, SightgridError
from sightgrid.server.api.boxes import list_boxes
from sightgrid.server.api.cameras import (
    CameraToTry,
    NewCamera,
    TrialAnswer,
    add,
    try_out,
)
from sightgrid.server.boxconfig import LOCAL_BOX
from sightgrid.server.web import parts
from sightgrid.server.web.visiting import Visitor

PURPOSES = {
    Purpose.TRAJECTORIES.value: "Trajectories",
    Purpose.ATTENDANCE.value: "Attendance",
    Purpose.ANALYTICS.value: "Analytics",
    Purpose.ALERTS.value: "Alerts",
}
OWN_MACHINE = "This machine"


class CameraForm:
    """Fields, a test and the button that adds. ``added`` is called with the camera's name."""

    def __init__(self, visitor: Visitor, *, added: Callable[[str], None]) -> None:
        self._visitor = visitor
        self._added = added

    async def draw(self) -> None:
        """Draws the form where it is called."""
        boxes = {"": OWN_MACHINE}
        if self._visitor.may(Permission.MANAGE_BOXES):
            for box in (await self._visitor.ask(list_boxes)).items:
                if not box.revoked and box.name != LOCAL_BOX:
                    boxes[box.name] = box.name
        with parts.box("form"):
            with parts.box("form-line"):
                self._name = parts.text_input(
                    "Name", placeholder="entrance", note="Letters, digits, - and _."
                )
                self._zone = parts.text_input("Zone (optional)", placeholder="hall")
            self._url = parts.text_input(
                "Address",
                placeholder="rtsp://10.0.0.11/stream",
                note="Begins with rtsp://, rtsps://, http:// or https://.",
            )
            with parts.box("form-line"):
                self._user = parts.text_input("User (optional)").props("autocomplete=off")
                self._password = parts.text_input("Password (optional)", password=True)
                self._password.props("autocomplete=new-password")
            with parts.box("form-line"):
                self._purposes = parts.select(
                    "Used for", PURPOSES, [Purpose.TRAJECTORIES.value], many=True
                )
                self._box = parts.select("Watched by", boxes, "")
            self._shown = parts.box("column")
            with parts.dialog_actions():
                parts.button("Test", self._try, icon="visibility")
                parts.button("Add the camera", self._add, kind="primary")

    async def _try(self) -> None:
        url = self._address()
        self._shown.clear()
        with self._shown:
            parts.loading(4)
        try:
            found = await self._visitor.ask(try_out, body=CameraToTry(url=url))
        except SightgridError as error:
            self._shown.clear()
            with self._shown:
                parts.notice(f"{error}. {error.hint or ''}".replace("..", "."), tone="bad")
            return
        self._shown.clear()
        with self._shown:
            draw_trial(found)

    async def _add(self) -> None:
        name = (self._name.value or "").strip()
        body = NewCamera(
            name=name,
            url=self._address(),
            purposes=[Purpose(one) for one in self._purposes.value or []],
            zone=(self._zone.value or "").strip() or None,
            box=self._box.value or None,
        )
        await self._visitor.ask(add, body=body)
        parts.toast(f"{name} was added. Its box is told within a minute.")
        self._added(name)

    def _address(self) -> str:
        """The address with user and password in it, written so that any letter may be in them."""
        url = (self._url.value or "").strip()
        user, password = self._user.value or "", self._password.value or ""
        if not user and not password:
            return url
        pieces = urlsplit(url)
        if "@" in pieces.netloc:
            raise InvalidValue("the address holds a user already: leave the two fields empty")
        who = quote(user, safe="") + (f":{quote(password, safe='')}" if password else "")
        return urlunsplit(pieces._replace(netloc=f"{who}@{pieces.netloc}"))


def draw_trial(found: TrialAnswer) -> None:
    """A camera's picture with the faces that were found in it."""
    many = len(found.faces)
    words = "no face in it right now" if not many else f"{many} face{'s'[: many > 1]} found"
    parts.notice(f"{found.width} x {found.height} pixels, {words}.", tone="good")
    picture = f"data:image/jpeg;base64,{found.picture}"
    with parts.still(picture, "What the camera shows", found.width / found.height):
        for left, top, right, bottom in found.faces:
            parts.frame_box((left, top, right, bottom), tone="unsure")
    if not many:
        parts.text(
            "Stand before the camera and test again, to see whether faces are large enough.",
            tag="p",
            classes="t-small muted",
        )
