"""Which addresses a box opens, and that no secret gets out of one."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import quote

import pytest

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import StreamFault
from sightgrid.domain.locations import Location
from sightgrid.edge.urls import admit, secrets_of
from sightgrid.vision.sources.live import StreamOrder

LOOPBACK = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
CANARY = "C4n@ry/#1"


@pytest.fixture
def listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def order(url: str, *, connect: bool = False, transport: str = "tcp") -> StreamOrder:
    return admit(Location(url), networks=LOOPBACK, connect=connect, transport=transport)


def trouble(url: str, **options: object) -> Trouble:
    with pytest.raises(StreamFault) as caught:
        admit(Location(url), **options)  # type: ignore[arg-type]
    assert "C4n" not in f"{caught.value} {caught.value.hint}"
    return caught.value.trouble


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://127.0.0.1/x",  # this machine itself
        "rtsp://localhost/x",
        "http://[::1]/x",
        "http://169.254.169.254/latest/meta-data",
        "http://[fe80::1]/x",
        "http://[::ffff:169.254.169.254]/x",
        "rtsp://0.0.0.0/x",
        "rtsp://239.1.2.3/x",
        "rtsp://255.255.255.255/x",
        "http://2130706433/x",  # 127.0.0.1 as one number
        "http://0x7f.1/x",
        "ftp://10.0.0.1/x",
        "file:///etc/passwd",
        "concat://a|b",
        "exec://rm",
    ],
)
def test_what_is_no_camera_is_never_opened(url: str) -> None:
    assert trouble(url, connect=False) is Trouble.FORBIDDEN_ADDRESS


@pytest.mark.parametrize("url", ["http://169.254.169.254/x", "http://[fd00:ec2::254]/x"])
def test_metadata_is_never_opened_even_if_its_network_is_allowed(url: str) -> None:
    everywhere = (ip_network("0.0.0.0/0"), ip_network("::/0"))
    assert trouble(url, connect=False, networks=everywhere) is Trouble.FORBIDDEN_ADDRESS


def test_with_networks_given_all_others_are_closed() -> None:
    cameras = (ip_network("10.0.0.0/24"),)
    assert admit(Location("rtsp://10.0.0.9/x"), networks=cameras, connect=False).target
    assert (
        trouble("rtsp://10.0.1.9/x", networks=cameras, connect=False) is Trouble.FORBIDDEN_ADDRESS
    )


def test_the_checked_address_is_the_one_that_is_opened() -> None:
    made = order("http://user:pa%40ss@localhost:8080/video.ts?a=1")
    assert made.target.reveal() in (
        "http://user:pa%40ss@127.0.0.1:8080/video.ts?a=1",
        "http://user:pa%40ss@[::1]:8080/video.ts?a=1",
    )
    assert made.options["headers"] == "Host: localhost:8080\r\n"
    assert made.options["max_redirects"] == "0"
    assert made.options["protocol_whitelist"] == "http,tcp"
    assert "hls" not in made.options["format_whitelist"]


def test_rtsp_goes_over_tcp_unless_told_otherwise() -> None:
    assert order("rtsp://127.0.0.1/x").options["rtsp_transport"] == "tcp"
    assert order("rtsp://127.0.0.1/x", transport="udp").options["rtsp_transport"] == "udp"
    assert order("rtsps://127.0.0.1/x", transport="udp").options["rtsp_transport"] == "tcp"


def test_nobody_there(listener: int) -> None:
    assert order(f"rtsp://127.0.0.1:{listener}/x", connect=True)
    with socket.create_server(("127.0.0.1", 0)) as gone:
        port = gone.getsockname()[1]
    url = f"rtsp://u:{quote(CANARY, safe='')}@127.0.0.1:{port}/x"
    assert trouble(url, networks=LOOPBACK) is Trouble.UNREACHABLE
    assert trouble("rtsp://no-such-camera.invalid/x") is Trouble.UNKNOWN_HOST
    assert trouble("rtsp://:0/x") is Trouble.WRONG_ADDRESS


def test_a_recording_is_played_as_a_camera(tmp_path: Path) -> None:
    clip = tmp_path / "a clip.mp4"
    assert trouble(str(clip)) is Trouble.WRONG_ADDRESS
    clip.write_bytes(b"x")
    made = admit(Location(str(clip)), loop=True)
    assert made.paced
    assert made.loop
    assert made.options["protocol_whitelist"] == "file"
    assert trouble("webcam:77") is Trouble.WRONG_ADDRESS


def test_the_secrets_of_an_address_are_known_as_written_and_as_meant() -> None:
    assert secrets_of(Location("rtsp://viewer:C4n%40ry@10.0.0.1/x")) == {
        "viewer",
        "C4n%40ry",
        "C4n@ry",
    }
    assert secrets_of(Location("rtsp://10.0.0.1/x")) == set()
    assert secrets_of(Location("/a/b:c@d.mp4")) == set()
