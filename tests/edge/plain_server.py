"""A small real server with durable receipts, and a TCP proxy that does to it what networks do."""

from __future__ import annotations

import socket
import sqlite3
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from sightgrid.domain.errors import InvalidRecord
from sightgrid.wire.receipts import Receipt, Status, write_receipts
from sightgrid.wire.records import Gap, parse_line, read_lines

PATH = "/api/v1/sightings"


class Ledger:
    """What the server has, on disk: one row a record for ever."""

    def __init__(self, path: Path) -> None:
        self._lock = threading.Lock()
        self._connection = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.execute("PRAGMA synchronous = FULL")
        self._connection.execute(
            "CREATE TABLE IF NOT EXISTS row (id TEXT, revision INT, sha256 TEXT, seq INT, at REAL, "
            "dropped INT, PRIMARY KEY (id, revision))"
        )

    def take(self, lines: list[bytes]) -> list[Receipt]:
        receipts = []
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            for line in lines:
                receipts.append(self._take(line))
            self._connection.execute("COMMIT")
        return receipts

    def _take(self, line: bytes) -> Receipt:
        try:
            one = parse_line(line)
        except InvalidRecord as error:
            return Receipt(
                error.sighting_id, error.revision, error.sha256, Status.REJECTED, error.code
            )
        known = self._connection.execute(
            "SELECT sha256 FROM row WHERE id = ? AND revision = ?", (one.sighting_id, one.revision)
        ).fetchone()
        if known is not None:
            status = Status.DUPLICATE if known[0] == one.sha256 else Status.REJECTED
            code = None if status is Status.DUPLICATE else "conflict"
            return Receipt(one.sighting_id, one.revision, one.sha256, status, code)
        dropped = one.body.dropped if isinstance(one.body, Gap) else 0
        self._connection.execute(
            "INSERT INTO row VALUES (?, ?, ?, ?, ?, ?)",
            (one.sighting_id, one.revision, one.sha256, one.seq, time.time(), dropped),
        )
        return Receipt(one.sighting_id, one.revision, one.sha256, Status.STORED)

    def rows(self) -> list[tuple[str, int, int, float, int]]:
        """(sighting id, revision, seq, when it came, dropped), in order of their coming."""
        with self._lock:
            return self._connection.execute(
                "SELECT id, revision, seq, at, dropped FROM row ORDER BY rowid"
            ).fetchall()


Before = Callable[[list[bytes]], "tuple[int, dict[str, str], bytes] | None"]


class PlainServer:
    """Answers ``POST /api/v1/sightings``; ``before`` may answer otherwise, seeing the lines."""

    def __init__(self, folder: Path, *, port: int = 0) -> None:
        self.ledger = Ledger(folder / "server.db")
        self.before: Before = lambda lines: None
        self.requests = 0
        self.headers: dict[str, str] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if len(body) != int(self.headers["Content-Length"]):
                    self.close_connection = True
                    return
                outer.requests += 1
                outer.headers = dict(self.headers)
                lines = read_lines(body)
                status, headers, reply = outer.before(lines) or (
                    200,
                    {"Content-Type": "application/json"},
                    write_receipts(outer.ledger.take(lines)),
                )
                self.send_response(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(reply)))
                self.end_headers()
                self.wfile.write(reply)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, *_: object) -> None:
                pass  # a cut connection is what the tests are about

        self._server = Server(("127.0.0.1", port), Handler)
        self.port = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.daemon = True
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


HTML = b"<html><body>Welcome to Airport Free WiFi! Please accept our terms.</body></html>"


class FaultyProxy:
    """A TCP proxy; ``fault`` is what happens to each connection made from now on.

    ``None`` passes everything; else a function that gets the client's and the server's socket.
    """

    def __init__(self, port: int, *, context: ssl.SSLContext | None = None) -> None:
        self._target = port
        self._context = context
        self.fault: Callable[[socket.socket, socket.socket], None] | None = None
        self.connections = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"{'http' if self._context is None else 'https'}://127.0.0.1:{self.port}"

    def cut_all(self) -> None:
        """Every open connection breaks, so that the next fault meets the next request."""
        for one in self._open:
            _shut(one)
        self._open.clear()

    def close(self) -> None:
        _shut(self._listener)
        self.cut_all()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self.connections += 1
        try:
            if self._context is not None:
                client = self._context.wrap_socket(client, server_side=True)
            server = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            _shut(client)
            return
        self._open += [client, server]
        try:
            (self.fault or passing)(client, server)
        except OSError:
            pass
        finally:
            _shut(client)
            _shut(server)


def passing(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server)
    back.join(5)


def pump(
    one: socket.socket, other: socket.socket, *, most: int | None = None, pause_secs: float = 0.0
) -> None:
    """Copies until the end, or so many bytes, or slowly."""
    copied = 0
    try:
        while most is None or copied < most:
            want = 65536 if pause_secs == 0 else 4096
            data = one.recv(want if most is None else min(want, most - copied))
            if not data:
                break
            other.sendall(data)
            copied += len(data)
            time.sleep(pause_secs)
    except OSError:
        pass


def cut_mid_body(client: socket.socket, server: socket.socket) -> None:
    pump(client, server, most=5_000)


def cut_before_the_reply(client: socket.socket, server: socket.socket) -> None:
    """The server gets and stores everything; what it says of it is lost."""
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    server.recv(65536)


def cut_within_the_reply(client: socket.socket, server: socket.socket) -> None:
    threading.Thread(target=pump, args=(client, server), daemon=True).start()
    pump(server, client, most=200)


def slowly(client: socket.socket, server: socket.socket) -> None:
    back = threading.Thread(target=pump, args=(server, client), daemon=True)
    back.start()
    pump(client, server, pause_secs=0.01)
    back.join(5)


def a_captive_portal(client: socket.socket, server: socket.socket) -> None:
    _answer(client, b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n", HTML)


def a_portal_that_lies(client: socket.socket, server: socket.socket) -> None:
    _answer(client, b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n", b'{"status":"ok"}')


def a_portal_that_redirects(client: socket.socket, server: socket.socket) -> None:
    _answer(client, b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:9/login\r\n", b"")


def a_bad_gateway(client: socket.socket, server: socket.socket) -> None:
    _answer(client, b"HTTP/1.1 502 Bad Gateway\r\nContent-Type: text/html\r\n", HTML)


def no_answer_at_all(client: socket.socket, server: socket.socket) -> None:
    while client.recv(65536):
        pass


def at_once_gone(client: socket.socket, server: socket.socket) -> None:
    pass


def _answer(client: socket.socket, head: bytes, body: bytes) -> None:
    client.settimeout(0.2)
    try:
        while client.recv(65536):
            pass
    except TimeoutError:
        pass
    client.sendall(head + b"Content-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


@contextmanager
def serving(folder: Path) -> Iterator[PlainServer]:
    server = PlainServer(folder)
    try:
        yield server
    finally:
        server.close()
