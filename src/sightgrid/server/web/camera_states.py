"""The states of cameras and boxes, in words and colours."""

from __future__ import annotations

from nicegui.element import Element

from sightgrid.domain.cameras import CameraState
from sightgrid.server.web import parts

_WORDS: dict[str, tuple[str, parts.Tone]] = {
    CameraState.LIVE.value: ("Live", "good"),
    CameraState.STARTING.value: ("Starting", "neutral"),
    CameraState.IMPAIRED.value: ("Impaired", "warn"),
    CameraState.OFFLINE.value: ("Offline", "bad"),
    CameraState.REFUSED.value: ("Refused", "bad"),
    CameraState.PAUSED.value: ("Paused", "neutral"),
    CameraState.ENDED.value: ("Ended", "neutral"),
}


def state_badge(state: str | None, *, enabled: bool = True) -> Element:
    """A camera's state."""
    if not enabled:
        return parts.badge("Off")
    words, tone = _WORDS.get(state or "", ("No news", "neutral"))
    return parts.badge(words, tone=tone)
