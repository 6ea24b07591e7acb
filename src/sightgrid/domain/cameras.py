"""The states a camera can be in, and the reasons for them, in the product's words."""

from __future__ import annotations

import re
from enum import StrEnum

CAMERA_NAME = re.compile(r"[A-Za-z0-9_-]{1,100}")
"""What a camera may be called: crops are named for it, and file systems take 255 bytes."""


class CameraState(StrEnum):
    """What a camera is doing.

    *impaired* means that pictures arrive but something is wrong with them; *offline* that none
    arrive and it is tried again; *refused* that trying again soon would not help; *paused* that
    its schedule says so; *ended* that a recording was played to its end.
    """

    STARTING = "starting"
    LIVE = "live"
    IMPAIRED = "impaired"
    OFFLINE = "offline"
    REFUSED = "refused"
    PAUSED = "paused"
    ENDED = "ended"


class Trouble(StrEnum):
    """Why a camera is not simply live."""

    # no pictures
    UNREACHABLE = "unreachable"
    UNKNOWN_HOST = "unknown-host"
    TIMED_OUT = "timed-out"
    STALLED = "stalled"
    BROKEN_OFF = "broken-off"
    NO_KEY_FRAME = "no-key-frame"
    NO_VIDEO = "no-video"
    UNREADABLE = "unreadable"
    CLOCK_JUMPED = "clock-jumped"
    DAMAGED = "damaged"
    HUNG = "hung"
    CRASHED = "crashed"
    # trying again soon would not help
    CREDENTIALS = "credentials"
    WRONG_ADDRESS = "wrong-address"
    FORBIDDEN_ADDRESS = "forbidden-address"
    REDIRECTED = "redirected"
    # pictures arrive, but
    BLACK = "black"
    FROZEN = "frozen"
    BLURRED = "blurred"
    MOVED = "moved"
    SMEARED = "smeared"
    BLANK = "blank"
    # as it should be
    OUTSIDE_SCHEDULE = "outside-schedule"
    FILE_ENDED = "file-ended"


class Purpose(StrEnum):
    """What a camera's sightings may be used for."""

    TRAJECTORIES = "trajectories"
    ATTENDANCE = "attendance"
    ANALYTICS = "analytics"
    ALERTS = "alerts"
