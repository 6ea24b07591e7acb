from __future__ import annotations

import ssl
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.edge import plain_server as faults
from tests.edge.plain_server import FaultyProxy, PlainServer
from tests.edge.spools import CLOCK, entry, open_spool, sighting_id

from sightgrid.edge.spool import Spool
from sightgrid.edge.uploader import BackOff, ServerAccess, Uploader, UploadState
from sightgrid.wire.records import Priority

QUICK = BackOff(base_secs=0.02, cap_secs=0.1, refused_secs=0.3)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[PlainServer]:
    with faults.serving(tmp_path) as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    opened = open_spool(tmp_path / "spool.db")
    yield opened
    opened.close()


def rarely(*values: Any) -> Any:
    """One of many alike: run by ``make reliability`` only."""
    return pytest.param(*values, marks=pytest.mark.reliability)


class Running:
    """An uploader in a thread of its own, as a box has it in a process of its own."""

    def __init__(self, path: Path, url: str, **options: Any) -> None:
        access = options.pop("access", None) or ServerAccess(
            url, "secret-token", "instance", options.pop("ca_file", None)
        )
        opening = {"box_id": options.pop("box_id")} if "box_id" in options else {}
        self._stop = threading.Event()
        self._ready = threading.Event()
        self.uploader: Uploader

        def work() -> None:
            spool = open_spool(path, **opening)
            self.uploader = Uploader(
                spool, access, CLOCK, **{"back_off": QUICK, "deadline_secs": 2.0} | options
            )
            self._ready.set()
            self.uploader.run(self._stop)
            spool.close()

        self._thread = threading.Thread(target=work)

    def __enter__(self) -> Running:
        self._thread.start()
        assert self._ready.wait(5)
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        began = time.monotonic()
        self._thread.join(5)
        assert not self._thread.is_alive()
        assert time.monotonic() - began < 2, "a clean stop is quick"


def until(true: Callable[[], bool], secs: float = 10.0) -> None:
    deadline = time.monotonic() + secs
    while not true():
        assert time.monotonic() < deadline, "it never happened"
        time.sleep(0.01)


def empty(spool: Spool) -> Callable[[], bool]:
    def nothing_left() -> bool:
        status = spool.status()
        return status.pending + status.in_flight == 0

    return nothing_left


def arrived(server: PlainServer) -> list[tuple[str, int]]:
    return sorted((who, revision) for who, revision, *_ in server.ledger.rows())


def wanted(count: int, start: int = 0) -> list[tuple[str, int]]:
    return sorted((sighting_id(n), 1) for n in range(start, start + count))


def test_everything_arrives_once_and_in_order(server: PlainServer, spool: Spool) -> None:
    spool.append([entry(n) for n in range(300)])
    with Running(spool.path, server.url) as running:
        until(empty(spool))
        assert running.uploader.state is UploadState.DELIVERING
    assert arrived(server) == wanted(300)
    sequence = [seq for _, _, seq, *_ in server.ledger.rows()]
    assert sequence == sorted(sequence)
    assert server.headers["Authorization"] == "Bearer secret-token"
    assert server.headers["Sightgrid-Boot"] == CLOCK.boot_id
    assert server.headers["Content-Type"] == "application/x-ndjson"
    assert spool.status().acknowledged == 300


@pytest.mark.parametrize(
    ("fault", "state"),
    [
        (faults.cut_mid_body, UploadState.UNREACHABLE),
        (faults.cut_before_the_reply, UploadState.UNREACHABLE),
        rarely(faults.cut_within_the_reply, UploadState.UNREACHABLE),
        (faults.a_captive_portal, UploadState.MISDIRECTED),
        rarely(faults.a_portal_that_lies, UploadState.MISDIRECTED),
        rarely(faults.a_portal_that_redirects, UploadState.MISDIRECTED),
        (faults.a_bad_gateway, UploadState.FAILING),
        rarely(faults.no_answer_at_all, UploadState.UNREACHABLE),
        rarely(faults.at_once_gone, UploadState.UNREACHABLE),
        rarely(faults.slowly, UploadState.DELIVERING),
    ],
)
def test_whatever_the_network_does_nothing_is_lost_and_nothing_doubled(
    fault: Any, state: UploadState, server: PlainServer, spool: Spool
) -> None:
    proxy = FaultyProxy(server.port)
    proxy.fault = fault
    spool.append([entry(n, filling=2_000) for n in range(40)])
    with Running(spool.path, proxy.url, deadline_secs=1.0) as running:
        until(lambda: running.uploader.state is state)
        if state is not UploadState.DELIVERING:
            time.sleep(0.3)
            status = spool.status()
            assert status.pending + status.in_flight == 40, "no receipt, nothing freed"
            assert status.quarantined == 0
        proxy.fault = None
        proxy.cut_all()
        until(empty(spool))
    proxy.close()
    assert arrived(server) == wanted(40)
    status = spool.status()
    assert (status.acknowledged, status.quarantined, status.dropped) == (40, 0, 0)


def test_a_server_whose_certificate_has_expired_gets_nothing(
    server: PlainServer, spool: Spool, tmp_path: Path
) -> None:
    good, expired = certificates(tmp_path)
    spool.append([entry(n) for n in range(5)])
    proxy = FaultyProxy(server.port, context=expired)
    with Running(spool.path, proxy.url, ca_file=tmp_path / "ca.pem") as running:
        until(lambda: running.uploader.state is UploadState.UNREACHABLE)
        time.sleep(0.2)
    proxy.close()
    assert server.requests == 0
    proxy = FaultyProxy(server.port, context=good)
    # nor one that somebody else signed
    with Running(spool.path, proxy.url) as running:
        until(lambda: running.uploader.state is UploadState.UNREACHABLE)
    assert server.requests == 0
    with Running(spool.path, proxy.url, ca_file=tmp_path / "ca.pem"):
        until(empty(spool))
    proxy.close()
    assert arrived(server) == wanted(5)


def certificates(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server whose certificate is good, and of one whose has run out."""
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])

    authority = ec.generate_private_key(ec.SECP256R1())
    now = datetime.now(UTC)

    def sign(subject: str, key: ec.EllipticCurvePrivateKey, end: datetime) -> x509.Certificate:
        made = (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test authority"))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=30))
            .not_valid_after(end)
            .add_extension(
                x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False
            )
            .add_extension(x509.BasicConstraints(subject == "test authority", None), True)
        )
        return made.sign(authority, hashes.SHA256())

    later = now + timedelta(days=1)
    ca = sign("test authority", authority, later)
    (folder / "ca.pem").write_bytes(ca.public_bytes(serialization.Encoding.PEM))
    contexts = []
    for kind, end in (("good", later), ("expired", now - timedelta(days=1))):
        key = ec.generate_private_key(ec.SECP256R1())
        pem = folder / f"{kind}.pem"
        pem.write_bytes(
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            )
            + sign("127.0.0.1", key, end).public_bytes(serialization.Encoding.PEM)
        )
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(pem)
        contexts.append(context)
    return contexts[0], contexts[1]


@pytest.mark.parametrize(
    ("status", "state"),
    [
        (401, UploadState.REFUSED),
        rarely(403, UploadState.REFUSED),
        (409, UploadState.CLONED),
        rarely(404, UploadState.MISDIRECTED),
        rarely(429, UploadState.BUSY),
        (503, UploadState.BUSY),
    ],
)
def test_refusals_are_states_and_lose_nothing(
    status: int, state: UploadState, server: PlainServer, spool: Spool
) -> None:
    server.before = lambda lines: (status, {"Retry-After": "0"}, b"{}")
    spool.append([entry(n) for n in range(5)])
    with Running(spool.path, server.url) as running:
        until(lambda: running.uploader.state is state)
        assert running.uploader.reason == f"status {status}"
        server.before = lambda lines: None
        until(empty(spool))
    assert arrived(server) == wanted(5)


def test_an_unknown_box_does_not_knock_all_the_time(server: PlainServer, spool: Spool) -> None:
    server.before = lambda lines: (401, {}, b"{}")
    spool.append([entry(1)])
    with Running(spool.path, server.url, back_off=BackOff(0.01, 0.02, refused_secs=30.0)):
        until(lambda: server.requests == 1)
        time.sleep(0.5)
        assert server.requests == 1


def test_an_answer_without_receipts_is_not_asked_for_again_at_once(
    server: PlainServer, spool: Spool
) -> None:
    server.before = lambda lines: (200, {"Content-Type": "application/json"}, b'{"items": []}')
    spool.append([entry(n) for n in range(3)])
    slow = BackOff(base_secs=30.0, cap_secs=60.0)
    with Running(spool.path, server.url, back_off=slow) as running:
        until(lambda: running.uploader.state is UploadState.FAILING)
        time.sleep(0.4)
        assert server.requests <= 2
    assert spool.status().pending == 3


def test_retry_after_is_honoured(server: PlainServer, spool: Spool) -> None:
    server.before = lambda lines: (503, {"Retry-After": "1"}, b"{}")
    spool.append([entry(1)])
    with Running(spool.path, server.url):
        until(lambda: server.requests == 1)
        server.before = lambda lines: None
        began = time.monotonic()
        until(empty(spool))
        assert time.monotonic() - began > 0.8


def test_back_off_grows_with_jitter_up_to_its_cap() -> None:
    back_off = BackOff()
    for failures, longest in ((1, 1.0), (2, 2.0), (5, 16.0), (9, 256.0), (10, 300.0), (99, 300.0)):
        waits = [back_off.wait_secs(failures) for _ in range(2_000)]
        assert 0 <= min(waits) < longest * 0.02
        assert longest * 0.98 < max(waits) <= longest


def test_a_rejected_record_is_set_aside_and_the_rest_delivered(
    server: PlainServer, spool: Spool
) -> None:
    spool.append([entry(n) for n in range(20)])
    # the server knows this sighting's revision with other bytes
    server.ledger._connection.execute(
        "INSERT INTO row VALUES (?, 1, 'other', 0, 0, 0)", (sighting_id(7),)
    )
    with Running(spool.path, server.url):
        until(empty(spool))
    (aside,) = spool.quarantined()
    assert (aside.sighting_id, aside.reason) == (sighting_id(7), "conflict")
    assert arrived(server) == wanted(20)


@pytest.mark.reliability
@pytest.mark.parametrize("status", [500, 413])
def test_a_record_that_the_server_breaks_on_is_found_and_set_aside(
    status: int, server: PlainServer, spool: Spool
) -> None:
    poison = sighting_id(33).encode()

    def break_on_poison(lines: list[bytes]) -> tuple[int, dict[str, str], bytes] | None:
        return (status, {}, b"oops") if any(poison in line for line in lines) else None

    server.before = break_on_poison
    spool.append([entry(n) for n in range(64)])
    with Running(spool.path, server.url) as running:
        until(lambda: running.uploader.delivered == 63)
        # it is tried again while others go through, and then given up
        number = 1000
        deadline = time.monotonic() + 30
        writer = open_spool(spool.path)
        while not spool.quarantined() and time.monotonic() < deadline:
            writer.append([entry(number)])
            number += 1
            time.sleep(0.1)
        writer.close()
        until(empty(spool))
    (aside,) = spool.quarantined()
    assert aside.sighting_id == sighting_id(33)
    assert str(status) in aside.reason or "large" in aside.reason


@pytest.mark.reliability
def test_a_server_that_fails_on_everything_costs_no_record(
    server: PlainServer, spool: Spool
) -> None:
    server.before = lambda lines: (500, {}, b"oops")
    spool.append([entry(n) for n in range(3)])
    with Running(spool.path, server.url):
        until(lambda: server.requests > 8, 20)
        assert spool.quarantined() == []
        server.before = lambda lines: None
        until(empty(spool), 20)
    assert arrived(server) == wanted(3)


def test_live_records_do_not_wait_for_the_backlog(server: PlainServer, spool: Spool) -> None:
    spool.append([entry(n, filling=20_000) for n in range(400)])

    def take_a_while(lines: list[bytes]) -> None:
        time.sleep(0.02 + 0.002 * len(lines))

    server.before = take_a_while
    with Running(spool.path, server.url) as running:
        until(lambda: running.uploader.delivered > 20)
        sent_at = time.time()
        spool.append([entry(9999, priority=Priority.ANALYTICS)])
        until(lambda: (sighting_id(9999), 1) in arrived(server))
        assert spool.status().pending > 0, "the backlog is still there"
        (came_at,) = (row[3] for row in server.ledger.rows() if row[0] == sighting_id(9999))
        assert came_at - sent_at < 5
        until(empty(spool), 30)


def test_a_stop_during_a_request_loses_nothing(server: PlainServer, spool: Spool) -> None:
    spool.append([entry(n) for n in range(10)])

    def dawdle(lines: list[bytes]) -> None:
        time.sleep(1.0)

    server.before = dawdle
    with Running(spool.path, server.url):
        until(lambda: server.requests == 1)
    assert spool.status().pending == 10
    server.before = lambda lines: None
    with Running(spool.path, server.url):
        until(empty(spool))
    assert arrived(server) == wanted(10)


def test_the_token_is_never_shown() -> None:
    assert "hush" not in repr(ServerAccess("http://x", "hush", "instance"))
