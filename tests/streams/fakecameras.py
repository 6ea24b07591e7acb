"""Cameras on loopback that misbehave on purpose: HTTP streams, and RTSP that opens badly."""

from __future__ import annotations

import socketserver
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fractions import Fraction
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO

import av
from av.packet import Packet

Alter = Callable[[int, bytes], bytes | None]
Play = Callable[[BinaryIO], None]
_CLOCK = 90_000


@dataclass(frozen=True)
class Scene:
    """A clip played for so long, over and over. ``starts_at_secs``: of its timestamps."""

    clip: Path
    secs: float = 1e9
    starts_at_secs: float | None = None
    alter: Alter | None = None
    speed: float = 1.0


class _Sink:
    """A socket as a file that can be written only."""

    def __init__(self, out: BinaryIO) -> None:
        self._out = out

    def write(self, data: bytes) -> int:
        self._out.write(data)
        self._out.flush()
        return len(data)


def remuxed(*scenes: Scene, container: str = "mpegts", then: str = "close") -> Play:
    """Clips one after the other as one stream in real time; ``then``: ``close`` or ``hang``."""

    def play(out: BinaryIO) -> None:
        at_secs = 1.0
        for scene in scenes:
            if scene.starts_at_secs is not None:
                at_secs = scene.starts_at_secs
            at_secs = _play(out, scene, container, at_secs)
        if then == "hang":
            time.sleep(3600)

    return play


def _play(out: BinaryIO, scene: Scene, container: str, at_secs: float) -> float:
    began, first_secs, number = time.monotonic(), at_secs, 0
    options = {"flush_packets": "1"}
    with av.open(_Sink(out), "w", format=container, options=options) as target:
        stream: Any = None
        while at_secs - first_secs < scene.secs:
            last_secs, began_at = at_secs, None
            with av.open(str(scene.clip)) as source:
                video = source.streams.video[0]
                if stream is None:
                    stream = target.add_stream_from_template(video)
                step_secs = 1.0 / float(video.average_rate or 10)
                for packet in source.demux(video):
                    if packet.size == 0 or packet.time_base is None or packet.dts is None:
                        continue
                    data = bytes(packet)
                    altered = data if scene.alter is None else scene.alter(number, data)
                    if began_at is None:
                        began_at = float(packet.dts * packet.time_base)
                    secs = last_secs + float(packet.dts * packet.time_base) - began_at
                    at_secs = secs + step_secs
                    number += 1
                    wait = (secs - first_secs) / scene.speed - (time.monotonic() - began)
                    if wait > 0:
                        time.sleep(wait)
                    if altered is not None:
                        target.mux(_packet(altered, packet.is_keyframe, secs, stream))
                    if at_secs - first_secs >= scene.secs:
                        break
    return at_secs


def _packet(data: bytes, key: bool, secs: float, stream: Any) -> Packet[Any]:
    made: Packet[Any] = Packet(data)
    made.pts = made.dts = round(secs * _CLOCK)
    made.time_base = Fraction(1, _CLOCK)
    made.is_keyframe = key
    made.stream = stream
    return made


def multipart(pictures: Sequence[bytes], *, fps: float, freeze_after: int | None = None) -> Play:
    """JPEGs over and over; after ``freeze_after`` of them the same one for ever."""

    def play(out: BinaryIO) -> None:
        number, began = 0, time.monotonic()
        while True:
            shown = number if freeze_after is None else min(number, freeze_after)
            picture = pictures[shown % len(pictures)]
            head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(picture)}\r\n\r\n"
            out.write(head.encode() + picture + b"\r\n")
            out.flush()
            number += 1
            time.sleep(max(began + number / fps - time.monotonic(), 0.0))

    return play


def silent(out: BinaryIO) -> None:
    """Accepts, and never says anything."""
    time.sleep(3600)


class HttpCameras:
    """A server of streams by path. An entry is what plays, or a status with its headers."""

    def __init__(self) -> None:
        self.entries: dict[str, tuple[str, Play] | tuple[int, dict[str, str]]] = {}
        self.asked: Counter[str] = Counter()
        self.once: set[str] = set()
        cameras = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                name = self.path.lstrip("/")
                cameras.asked[name] += 1
                entry = cameras.entries.get(name, (404, {}))
                if name in cameras.once and cameras.asked[name] > 1:
                    entry = (404, {})
                if isinstance(entry[0], int):
                    self.send_response(entry[0])
                    for key, value in dict(entry[1]).items():  # type: ignore[call-overload]
                        self.send_header(key, value)
                    self.end_headers()
                    return
                kind, play = entry
                if play is silent:
                    silent(self.wfile)
                self.send_response(200)
                self.send_header("Content-Type", kind)
                self.end_headers()
                try:
                    play(self.wfile)  # type: ignore[operator]
                except (OSError, av.FFmpegError):
                    return  # the other side has had enough

            def log_message(self, *_: object) -> None:
                return

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, name: str, play: Play, kind: str = "video/mp2t") -> str:
        self.entries[name] = (kind, play)
        return f"http://127.0.0.1:{self.port}/{name}"

    def answer(self, name: str, status: int, **headers: str) -> str:
        shown = {key.replace("_", "-"): value for key, value in headers.items()}
        self.entries[name] = (status, shown)
        return f"http://127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


class RtspDoors:
    """Answers the first words of RTSP: ``silent``, a status, or a description without video."""

    def __init__(self) -> None:
        self.entries: dict[str, str | tuple[int, str]] = {}
        self.asked: Counter[str] = Counter()
        doors = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                while True:
                    lines = []
                    while line := self.rfile.readline().strip():
                        lines.append(line.decode())
                    if not lines:
                        return
                    verb, url, _ = lines[0].split(" ", 2)
                    name = url.rpartition("/")[2]
                    sequence = next(
                        (h.split(":")[1].strip() for h in lines if h.lower().startswith("cseq")),
                        "0",
                    )
                    self.reply(verb, name, sequence)

            def reply(self, verb: str, name: str, sequence: str) -> None:
                entry = doors.entries.get(name, (404, ""))
                doors.asked[f"{name} {verb}"] += 1
                if entry == "silent":
                    time.sleep(3600)
                if verb == "OPTIONS":
                    self.say(200, sequence, "Public: OPTIONS, DESCRIBE, SETUP, PLAY\r\n")
                elif isinstance(entry, tuple):
                    self.say(entry[0], sequence, entry[1])
                else:
                    body = (
                        "v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nt=0 0\r\n"
                        "m=audio 0 RTP/AVP 0\r\na=control:a\r\n"
                    )
                    head = f"Content-Type: application/sdp\r\nContent-Length: {len(body)}\r\n"
                    self.say(200, sequence, head, body)

            def say(self, status: int, sequence: str, head: str, body: str = "") -> None:
                text = f"RTSP/1.0 {status} X\r\nCSeq: {sequence}\r\n{head}\r\n{body}"
                self.wfile.write(text.encode())

        class Server(socketserver.ThreadingTCPServer):
            daemon_threads = True
            allow_reuse_address = True

            def handle_error(self, *_: object) -> None:
                return

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def add(self, name: str, entry: str | tuple[int, str], userinfo: str = "") -> str:
        self.entries[name] = entry
        return f"rtsp://{userinfo}127.0.0.1:{self.port}/{name}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def fake_cameras() -> Iterator[tuple[HttpCameras, RtspDoors]]:
    http, doors = HttpCameras(), RtspDoors()
    try:
        yield http, doors
    finally:
        http.close()
        doors.close()
