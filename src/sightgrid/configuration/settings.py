"""What ``sightgrid.yml`` says, read and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path
from typing import TypeAlias
from zoneinfo import ZoneInfo

from sightgrid.configuration.schedules import Span
from sightgrid.domain.attributes import PLAIN, AttributeSet
from sightgrid.domain.cameras import Purpose
from sightgrid.domain.grid import CameraGrid
from sightgrid.domain.locations import Location
from sightgrid.domain.retention import RetentionSettings

Polygon: TypeAlias = tuple[tuple[float, float], ...]
Network: TypeAlias = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The place the cameras look at."""

    name: str = "Site"
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("UTC"))
    floor_plan: Path | None = None


@dataclass(frozen=True, slots=True)
class CameraSettings:
    """One camera of the file.

    ``masks`` are polygons in fractions of the picture that are painted over before anything looks
    at it. ``transport`` is how RTSP carries pictures. ``loop`` plays a recording over and over.
    ``box`` names the box that watches the camera; ``None``: this one.
    """

    name: str
    url: Location
    purposes: tuple[Purpose, ...] = (Purpose.TRAJECTORIES,)
    zone: str | None = None
    masks: tuple[Polygon, ...] = ()
    schedule: tuple[Span, ...] = ()
    detections_per_sec: float = 5.0
    transport: str = "tcp"
    loop: bool = False
    enabled: bool = True
    box: str | None = None


@dataclass(frozen=True, slots=True)
class RecognitionSettings:
    """Which pack compares faces, and how often it may err: shares, 1e-4 = 1 per 10000."""

    pack: str = "default"
    false_alarms: float = 1e-4
    stranger_merges: float = 1e-3
    stranger_window: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True)
class PeopleSettings:
    """What is written down about people. Who is younger than ``adult_at`` years when they agree to
    be recognised needs a guardian's consent."""

    attributes: AttributeSet = PLAIN
    adult_at: int = 18


@dataclass(frozen=True, slots=True)
class MqttSettings:
    """A broker to tell of events."""

    url: Location


@dataclass(frozen=True, slots=True)
class MailSettings:
    """A mail server, over TLS: ``security`` is ``ssl`` or ``starttls``. Mail goes to nobody but
    ``recipients``: addresses, or domains as ``@school.org``. ``authority`` is a file of the
    certificates to trust, in the place of the system's."""

    host: str
    sender: str
    recipients: tuple[str, ...]
    port: int = 465
    security: str = "ssl"
    user: Location | None = None
    password: Location | None = None
    authority: Path | None = None


@dataclass(frozen=True, slots=True)
class MoodleSettings:
    """A Moodle with its attendance module, whose web service is asked with ``token``."""

    url: str
    token: Location


@dataclass(frozen=True, slots=True)
class FrappeSettings:
    """A Frappe HR, asked with the key and secret of one of its users."""

    url: str
    key: Location
    secret: Location


@dataclass(frozen=True, slots=True)
class BoxSettings:
    """The machine near the cameras.

    ``networks`` are where cameras may be; none given, everywhere but this machine itself and
    link-local addresses. ``metrics`` is the address that Prometheus reads. ``server`` is where
    sightings go; until they are there, up to ``spool_gib`` of them wait in ``data_folder``.
    """

    data_folder: Path = Path("sightgrid-box")
    networks: tuple[Network, ...] = ()
    metrics: tuple[str, int] | None = None
    server: Location | None = None
    spool_gib: float = 20.0


@dataclass(frozen=True, slots=True)
class Configuration:
    """The whole file. ``secret_values`` are what its secrets held, for cleaning what is written;
    ``secret_variables`` the environment variables they came from."""

    path: Path
    site: SiteSettings
    database: Location
    cameras: tuple[CameraSettings, ...]
    grid: CameraGrid
    recognition: RecognitionSettings
    retention: RetentionSettings
    mqtt: MqttSettings | None
    box: BoxSettings
    people: PeopleSettings = field(default_factory=PeopleSettings)
    mail: MailSettings | None = None
    moodle: MoodleSettings | None = None
    frappe: FrappeSettings | None = None
    secret_values: frozenset[str] = field(default=frozenset(), repr=False)
    secret_variables: frozenset[str] = frozenset()

    @classmethod
    def default(cls, path: Path) -> Configuration:
        """What an empty file would say: no cameras, and everything beside it."""
        folder = path.resolve().parent
        return cls(
            path=path,
            site=SiteSettings(),
            database=Location(f"sqlite:///{folder / 'sightgrid.db'}"),
            cameras=(),
            grid=CameraGrid(),
            recognition=RecognitionSettings(),
            retention=RetentionSettings(),
            mqtt=None,
            box=BoxSettings(data_folder=folder / "sightgrid-box"),
        )
