"""Reads ``sightgrid.yml`` from top to bottom; every mistake is named by its line."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from sightgrid.configuration import grid as grid_words
from sightgrid.configuration.people import people_settings
from sightgrid.configuration.reading import Reader, compose
from sightgrid.configuration.schedules import Span, parse_span
from sightgrid.configuration.secrets import Secrets
from sightgrid.configuration.settings import (
    BoxSettings,
    CameraSettings,
    Configuration,
    FrappeSettings,
    MailSettings,
    MoodleSettings,
    MqttSettings,
    Network,
    PeopleSettings,
    Polygon,
    RecognitionSettings,
    SiteSettings,
)
from sightgrid.domain.cameras import CAMERA_NAME, Purpose
from sightgrid.domain.errors import InvalidValue
from sightgrid.domain.locations import Location
from sightgrid.domain.retention import RetentionSettings

TOP_FIELDS = (
    "site",
    "database",
    "cameras",
    "links",
    "overlap",
    "recognition",
    "retention",
    "people",
    "mqtt",
    "box",
    "mail",
    "moodle",
    "frappe",
)
SITE_FIELDS = ("name", "timezone", "floor_plan")
CAMERA_FIELDS = (
    "url",
    "purposes",
    "zone",
    "position",
    "overlap",
    "masks",
    "schedule",
    "detections_per_sec",
    "transport",
    "loop",
    "enabled",
    "box",
)
RECOGNITION_FIELDS = ("pack", "false_alarms", "stranger_merges", "stranger_window")
RETENTION_FIELDS = (
    "crops",
    "strangers",
    "sightings",
    "visits",
    "evidence",
    "registers",
    "enrolment",
    "audit",
)
MQTT_FIELDS = ("url",)
MOODLE_FIELDS = ("url", "token")
FRAPPE_FIELDS = ("url", "key", "secret")
MAIL_FIELDS = (
    "host",
    "port",
    "security",
    "user",
    "password",
    "sender",
    "recipients",
    "authority",
)
BOX_FIELDS = ("data_folder", "networks", "metrics", "server", "spool_gib")
_SHARE = re.compile(r"(\d+(?:\.\d+)?) per (\d+(?:\.\d+)?)(?: passages)?")
_DETECTIONS_PER_SEC = (0.2, 30.0)
_LEAST_SPOOL_GIB = 0.01


def read_configuration(
    path: Path, *, environment: Mapping[str, str] | None = None
) -> Configuration:
    """The configuration in a YAML file.

    Args:
        path: the file; paths in it are relative to its folder.
        environment: where ``{SIGHTGRID_…}`` is looked up; default this process's.

    Raises:
        SettingsError: the file can't be read or holds a mistake, named by line.
    """
    return _configuration(path, compose(path), environment)


def configuration_of(
    document: Mapping[str, object], *, path: Path, environment: Mapping[str, str] | None = None
) -> Configuration:
    """The configuration in a mapping with the words of the file, as a server sends a box.

    Args:
        path: stands in messages, and what is relative is relative to its folder.

    Raises:
        SettingsError: it holds a mistake.
    """
    root = yaml.compose(yaml.safe_dump(dict(document)), Loader=yaml.SafeLoader)
    return _configuration(path, root, environment)


def _configuration(
    path: Path, root: yaml.Node | None, environment: Mapping[str, str] | None
) -> Configuration:
    secrets = Secrets(os.environ if environment is None else environment, path.resolve().parent)
    reader = _ConfigurationReader(path, secrets)
    words = grid_words.GridWords(reader)
    site, recognition, retention = SiteSettings(), RecognitionSettings(), RetentionSettings()
    box = BoxSettings(data_folder=reader.beside("sightgrid-box"))
    database = Location("sqlite:///" + str(reader.beside("sightgrid.db")))
    cameras: list[CameraSettings] = []
    mqtt: MqttSettings | None = None
    people = PeopleSettings()
    mail: MailSettings | None = None
    moodle: MoodleSettings | None = None
    frappe: FrappeSettings | None = None
    fields = () if root is None else reader.fields(root, known=TOP_FIELDS, what="sightgrid.yml")
    for key, node in fields:
        match key:
            case "site":
                site = reader.site(node)
            case "database":
                database = reader.secret_location(node, field="database")
            case "cameras":
                for name, value in reader.named(node, what="cameras"):
                    cameras.append(reader.camera(name, value, words))
            case "links":
                words.links(node)
            case "overlap":
                words.overlap(node)
            case "recognition":
                recognition = reader.recognition(node)
            case "retention":
                retention = reader.retention(node)
            case "people":
                people = people_settings(reader, node)
            case "mqtt":
                mqtt = reader.mqtt(node)
            case "box":
                box = reader.box(node)
            case "mail":
                mail = reader.mail(node)
            case "moodle":
                moodle = reader.moodle(node)
            case "frappe":
                frappe = reader.frappe(node)
    names = [camera.name for camera in cameras]
    for name, node in words.linked_cameras().items():
        if cameras and name not in names:
            reader.known_camera(node, name, names)
    return Configuration(
        path=path,
        site=site,
        database=database,
        cameras=tuple(cameras),
        grid=words.grid(names),
        recognition=recognition,
        retention=retention,
        mqtt=mqtt,
        box=box,
        people=people,
        mail=mail,
        moodle=moodle,
        frappe=frappe,
        secret_values=frozenset(secrets.values),
        secret_variables=frozenset(secrets.variables),
    )


class _ConfigurationReader(Reader):
    def __init__(self, path: Path, secrets: Secrets) -> None:
        super().__init__(path, secrets=secrets)
        self._folder = path.parent

    def beside(self, name: str) -> Path:
        """A path relative to the configuration file."""
        return self._folder / Path(name).expanduser()

    def named(self, node: yaml.Node, *, what: str) -> list[tuple[str, yaml.Node]]:
        entries = list(self.fields(node, known=None, what=what))
        for name, value in entries:
            if not CAMERA_NAME.fullmatch(name):
                raise self.fail(
                    value,
                    f"'{name}' can't be the name of a camera",
                    hint="1 to 100 of the letters A-Z, a-z, digits, _ and -",
                )
        return entries

    def known_camera(self, node: yaml.Node, name: str, names: list[str]) -> None:
        self.choice(node, names, field=f"a link names camera {name}")

    def site(self, node: yaml.Node) -> SiteSettings:
        site = SiteSettings()
        for key, value in self.fields(node, known=SITE_FIELDS, what="site"):
            match key:
                case "name":
                    site = replace(site, name=self.word(value, field="site.name"))
                case "timezone":
                    word = self.word(value, field="site.timezone")
                    try:
                        site = replace(site, zone=ZoneInfo(word))
                    except (ZoneInfoNotFoundError, ValueError, OSError):
                        raise self.fail(
                            value,
                            f"site.timezone: '{word}' is no time zone",
                            hint="write it as Europe/Paris",
                        ) from None
                case "floor_plan":
                    plan = self.beside(self.word(value, field="site.floor_plan"))
                    site = replace(site, floor_plan=plan)
        return site

    def camera(self, name: str, node: yaml.Node, words: grid_words.GridWords) -> CameraSettings:
        url: Location | None = None
        camera = CameraSettings(name, Location(""))
        for key, value in self.fields(node, known=CAMERA_FIELDS, what=f"camera {name}"):
            field = f"{name}.{key}"
            match key:
                case "url":
                    url = self._url(value, field)
                case "purposes":
                    camera = replace(camera, purposes=self._purposes(value, field))
                case "zone":
                    camera = replace(camera, zone=self.word(value, field=field))
                case "masks":
                    masks = tuple(
                        self._mask(item, field) for item in self.items(value, field=field)
                    )
                    camera = replace(camera, masks=masks)
                case "schedule":
                    camera = replace(camera, schedule=self._schedule(value, field))
                case "detections_per_sec":
                    least, most = _DETECTIONS_PER_SEC
                    rate = self.number(value, field=field, least=least, most=most)
                    camera = replace(camera, detections_per_sec=rate)
                case "transport":
                    word = self.choice(value, ("tcp", "udp"), field=field)
                    camera = replace(camera, transport=word)
                case "loop":
                    camera = replace(camera, loop=self.truth(value, field=field))
                case "box":
                    camera = replace(camera, box=self.word(value, field=field))
                case "enabled":
                    camera = replace(camera, enabled=self.truth(value, field=field))
                case _:
                    words.camera_field(name, key, value)
        if url is None:
            raise self.fail(node, f"camera {name} needs 'url'")
        return replace(camera, url=url)

    def recognition(self, node: yaml.Node) -> RecognitionSettings:
        found = RecognitionSettings()
        for key, value in self.fields(node, known=RECOGNITION_FIELDS, what="recognition"):
            field = f"recognition.{key}"
            match key:
                case "pack":
                    found = replace(found, pack=self.word(value, field=field))
                case "false_alarms":
                    found = replace(found, false_alarms=self._share(value, field))
                case "stranger_merges":
                    found = replace(found, stranger_merges=self._share(value, field))
                case "stranger_window":
                    found = replace(found, stranger_window=self.duration(value, field=field))
        return found

    def retention(self, node: yaml.Node) -> RetentionSettings:
        spans: dict[str, timedelta] = {}
        for key, value in self.fields(node, known=RETENTION_FIELDS, what="retention"):
            field = f"retention.{key}"
            if key == "enrolment" and self.word(value, field=field) == "until-withdrawal":
                continue
            spans[key] = self.duration(value, field=field)
        return replace(RetentionSettings(), **spans)

    def mqtt(self, node: yaml.Node) -> MqttSettings:
        for _, value in self.fields(node, known=MQTT_FIELDS, what="mqtt"):
            return MqttSettings(self.secret_location(value, field="mqtt.url"))
        raise self.fail(node, "mqtt needs 'url'")

    def moodle(self, node: yaml.Node) -> MoodleSettings:
        url, secrets = self._push(node, MOODLE_FIELDS, "moodle")
        return MoodleSettings(url, secrets["token"])

    def frappe(self, node: yaml.Node) -> FrappeSettings:
        url, secrets = self._push(node, FRAPPE_FIELDS, "frappe")
        return FrappeSettings(url, secrets["key"], secrets["secret"])

    def _push(
        self, node: yaml.Node, known: tuple[str, ...], what: str
    ) -> tuple[str, dict[str, Location]]:
        """The address, and what opens it, of a system that registers are handed on to."""
        url = ""
        secrets: dict[str, Location] = {}
        for key, value in self.fields(node, known=known, what=what):
            field = f"{what}.{key}"
            if key == "url":
                url = self.word(value, field=field)
                if not url.startswith("https://"):
                    raise self.fail(value, f"{field}: has to begin with https://")
            else:
                secrets[key] = self.secret_location(value, field=field)
        missing = [one for one in known if one not in secrets and not (one == "url" and url)]
        if missing:
            raise self.fail(node, f"{what} needs '{missing[0]}'")
        return url, secrets

    def mail(self, node: yaml.Node) -> MailSettings:
        found: dict[str, Any] = {}
        for key, value in self.fields(node, known=MAIL_FIELDS, what="mail"):
            field = f"mail.{key}"
            match key:
                case "port":
                    found[key] = int(self.number(value, field=field, least=1, most=65535))
                case "security":
                    found[key] = self.choice(value, ("ssl", "starttls"), field=field)
                case "user" | "password":
                    found[key] = self.secret_location(value, field=field)
                case "recipients":
                    items = self.items(value, field=field)
                    found[key] = tuple(self._recipient(item, field) for item in items)
                case "authority":
                    found[key] = self.beside(self.word(value, field=field))
                case _:
                    found[key] = self.word(value, field=field)
        for needed in ("host", "sender", "recipients"):
            if needed not in found:
                raise self.fail(node, f"mail needs '{needed}'")
        if ("user" in found) != ("password" in found):
            raise self.fail(node, "mail needs both 'user' and 'password', or neither")
        if "port" not in found and found.get("security") == "starttls":
            found["port"] = 587
        return MailSettings(**found)

    def box(self, node: yaml.Node) -> BoxSettings:
        box = BoxSettings(data_folder=self.beside("sightgrid-box"))
        for key, value in self.fields(node, known=BOX_FIELDS, what="box"):
            field = f"box.{key}"
            match key:
                case "data_folder":
                    box = replace(box, data_folder=self.beside(self.word(value, field=field)))
                case "networks":
                    items = self.items(value, field=field)
                    networks = tuple(self._network(item, field) for item in items)
                    box = replace(box, networks=networks)
                case "metrics":
                    box = replace(box, metrics=self._address(value, field))
                case "server":
                    box = replace(box, server=self.secret_location(value, field=field))
                case "spool_gib":
                    size = self.number(value, field=field, least=_LEAST_SPOOL_GIB)
                    box = replace(box, spool_gib=size)
        return box

    def _recipient(self, node: yaml.Node, field: str) -> str:
        word = self.word(node, field=field)
        if "@" not in word or word.endswith("@") or any(one.isspace() for one in word):
            raise self.fail(
                node,
                f"{field}: '{word}' is no address",
                hint="write head@school.org, or @school.org for everybody there",
            )
        return word

    def _url(self, node: yaml.Node, field: str) -> Location:
        location = self.secret_location(node, field=field)
        if not location.reveal().strip():
            raise self.fail(node, f"{field}: is empty")
        return location

    def _purposes(self, node: yaml.Node, field: str) -> tuple[Purpose, ...]:
        known = [purpose.value for purpose in Purpose]
        return tuple(
            Purpose(self.choice(item, known, field=field)) for item in self.items(node, field=field)
        )

    def _mask(self, node: yaml.Node, field: str) -> Polygon:
        points = self.points(node, field=field, needs="x, y of three corners or more, each")
        if len(points) < 3:
            raise self.fail(node, f"{field}: a mask needs three corners or more")
        return tuple(points)

    def _schedule(self, node: yaml.Node, field: str) -> tuple[Span, ...]:
        spans = []
        for item in self.items(node, field=field):
            try:
                spans.append(parse_span(self.word(item, field=field)))
            except InvalidValue as error:
                raise self.fail(item, f"{field}: {error}", hint=error.hint) from error
        return tuple(spans)

    def _share(self, node: yaml.Node, field: str) -> float:
        word = self.word(node, field=field)
        match = _SHARE.fullmatch(word.strip())
        share = 0.0
        if match is not None and float(match[2]) > 0:
            share = float(match[1]) / float(match[2])
        if not 0 < share < 1:
            raise self.fail(
                node, f"{field}: '{word}' is no budget", hint="write 1 per 10000 passages"
            )
        return share

    def _network(self, node: yaml.Node, field: str) -> Network:
        word = self.word(node, field=field)
        try:
            return ip_network(word)
        except ValueError as error:
            raise self.fail(node, f"{field}: {error}", hint="write 10.0.0.0/24") from None

    def _address(self, node: yaml.Node, field: str) -> tuple[str, int]:
        word = self.word(node, field=field)
        host, _, port = word.rpartition(":")
        try:
            address = str(ip_address(host.strip("[]")))
            number = int(port)
        except ValueError:
            number = -1
        if not 0 <= number < 65536:
            raise self.fail(node, f"{field}: '{word}' is no address", hint="write 127.0.0.1:9108")
        return address, number
