"""What a camera is doing, why, and when it is tried again."""

from __future__ import annotations

import json
import random
from dataclasses import asdict, dataclass, replace
from datetime import datetime

from sightgrid.domain.cameras import CameraState, Trouble
from sightgrid.domain.frames import format_time, parse_time

_DELAYS_SECS = (1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0)
_JITTER = 0.2
_GOOD_FOR_SECS = 300.0
# cameras lock users out who keep trying a wrong password
_CREDENTIALS_SECS = (300.0, 900.0)
_REFUSED_SECS = 300.0
REFUSED = frozenset(
    {Trouble.CREDENTIALS, Trouble.FORBIDDEN_ADDRESS, Trouble.REDIRECTED, Trouble.WRONG_ADDRESS}
)
"""Troubles that trying again soon would not end."""


@dataclass(frozen=True, slots=True)
class CameraStatus:
    """One camera at one moment, as its process reports it.

    ``since`` is when it came into this state; ``frames`` and the counts after it go up since the
    process began. ``suspect`` frames were not used, ``skipped`` packets never decoded since there
    was no time, ``damaged`` ones could not be.
    """

    camera: str
    state: CameraState
    trouble: Trouble | None
    reason: str
    since: datetime
    at: datetime
    process: int = 0
    attempt: int = 0
    connections: int = 0
    codec: str = ""
    width: int = 0
    height: int = 0
    fps: float = 0.0
    packets: int = 0
    frames: int = 0
    skipped: int = 0
    damaged: int = 0
    suspect: int = 0
    sent: int = 0
    received_bytes: int = 0
    last_frame: datetime | None = None
    cpu_secs: float = 0.0

    def to_bytes(self) -> bytes:
        """As one JSON object, for the supervisor."""
        fields = asdict(self)
        for name in ("since", "at", "last_frame"):
            if fields[name] is not None:
                fields[name] = format_time(fields[name])
        return json.dumps(fields).encode()

    @classmethod
    def from_bytes(cls, message: bytes) -> CameraStatus:
        """Reads what :meth:`to_bytes` wrote."""
        fields = json.loads(message)
        for name in ("since", "at", "last_frame"):
            if fields[name] is not None:
                fields[name] = parse_time(fields[name])
        fields["state"] = CameraState(fields["state"])
        fields["trouble"] = None if fields["trouble"] is None else Trouble(fields["trouble"])
        return cls(**fields)

    def document(self) -> dict[str, object]:
        """For people and machines that ask."""
        told: dict[str, object] = json.loads(self.to_bytes())
        return told

    def turned(
        self, state: CameraState, trouble: Trouble | None, reason: str, at: datetime
    ) -> CameraStatus:
        """The same camera in another state; ``since`` stays if it is the same one."""
        same = (state, trouble) == (self.state, self.trouble)
        since = self.since if same else at
        return replace(self, state=state, trouble=trouble, reason=reason, since=since, at=at)


def state_of(trouble: Trouble) -> CameraState:
    """The state that a fault of the stream puts a camera into."""
    if trouble is Trouble.FILE_ENDED:
        return CameraState.ENDED
    return CameraState.REFUSED if trouble in REFUSED else CameraState.OFFLINE


class Retry:
    """When a camera is tried again: after 1, 2, 5, 10, 20, 40, 60, 60... seconds, give or take a
    fifth, so that not all cameras of a switch that restarts are tried at once."""

    def __init__(self, *, attempt: int = 0, chance: random.Random | None = None) -> None:
        self.attempt = attempt
        # which second it is is no secret
        self._chance = chance or random.Random()  # noqa: S311

    def delay_secs(self, trouble: Trouble) -> float:
        """How long to wait now; the next wait will be longer."""
        step = _DELAYS_SECS[min(self.attempt, len(_DELAYS_SECS) - 1)]
        self.attempt += 1
        if trouble is Trouble.CREDENTIALS:
            return self._chance.uniform(*_CREDENTIALS_SECS)
        if trouble in REFUSED:
            step = max(step, _REFUSED_SECS if trouble is not Trouble.WRONG_ADDRESS else 60.0)
        return step * self._chance.uniform(1.0 - _JITTER, 1.0 + _JITTER)

    def was_live(self, secs: float) -> None:
        """The camera has given pictures for so long: waits begin short again."""
        if secs >= _GOOD_FOR_SECS:
            self.attempt = 0
