"""Ten thousand requests made up from our own description of the API: no fault of ours, no leak."""

from __future__ import annotations

import contextlib
import itertools
import json
import math
import time
from collections import Counter
from typing import Any

import httpx
import psutil
import pytest
import requests
import schemathesis
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from tests.server.conftest import Served
from tests.server.test_ingest import enrol

from sightgrid.domain.accounts import Role
from sightgrid.server.app import create_app

# the stream of events never ends, so it can't be asked and waited for; tests/server/test_live.py
# listens to it over a real connection
ENDLESS = "/api/v1/events"
# what a box asks for with its own token; everything else is asked by an owner
BOX_ROUTES = {
    ("POST", "/api/v1/sightings"),
    ("GET", "/api/v1/boxes/self"),
    ("POST", "/api/v1/boxes/self/health"),
}
RAW = ("application/x-ndjson", "image/jpeg", "image/png", "image/webp", "image/bmp")
SEEDS = itertools.count(1)
MOST_SECS = 1.0
MOST_GROWTH_BYTES = 50 * 1024 * 1024


@schemathesis.serializer(*RAW)
def as_it_is(_: schemathesis.SerializationContext, value: Any) -> bytes:
    """These bodies have no schema of their own; the records' and pictures' tests go deeper."""
    if isinstance(value, bytes):
        return value
    return (value if isinstance(value, str) else json.dumps(value)).encode("utf-8", "replace")


class Asked:
    """Asks what schemathesis makes up, remembers how it was answered."""

    def __init__(self, served: Served) -> None:
        self.clock = served.clock
        box = enrol(served)
        owner = served.program(Role.OWNER)
        # an application that was not started delivers no webhooks: the made-up addresses stay alone
        app = create_app(served.site)
        self.clients = {
            name: TestClient(
                app,
                base_url="https://site.test",
                headers=dict(client.headers),
                raise_server_exceptions=False,
            )
            for name, client in (("box", box.client), ("owner", owner))
        }
        self.statuses: Counter[int] = Counter()
        self.slowest = 0.0

    def ask(self, case: Case) -> httpx.Response:
        told = case.as_transport_kwargs(base_url="https://site.test")
        made = requests.Request(**told).prepare()
        who = "box" if (case.method.upper(), case.path) in BOX_ROUTES else "owner"
        client = self.clients[who]
        body: Any = made.body
        headers = {
            name: value.encode("latin-1", "replace") if isinstance(value, str) else value
            for name, value in made.headers.items()
            if name.lower() not in {"authorization", "cookie", "content-length"}
        }
        # so that what slows guessing down lets some through
        self.clock.forward(seconds=1)
        began = time.process_time()
        answer = client.request(str(made.method), str(made.url), content=body, headers=headers)
        self.slowest = max(self.slowest, time.process_time() - began)
        self.statuses[answer.status_code] += 1
        assert answer.status_code < 500, f"{made.method} {made.url} {body!r}: {answer.text}"
        return answer


def operations(served: Served) -> list[Any]:
    document = served.client.get("/api/openapi.json").json()
    schema = schemathesis.openapi.from_dict(document)
    found = [one.ok() for one in schema.get_all_operations()]
    return [one for one in found if one.path != ENDLESS]


def fuzz(served: Served, asked: Asked, *, bodies: int, others: int) -> None:
    """``bodies`` requests with a body and ``others`` without, over every route alike."""
    every = operations(served)
    with_body = [one for one in every if one.body]
    without = [one for one in every if not one.body]
    for routes, wanted in ((with_body, bodies), (without, others)):
        if not wanted:
            continue
        examples = math.ceil(wanted / len(routes) / len(GenerationMode))
        for operation in routes:
            for mode in GenerationMode:
                if mode is GenerationMode.NEGATIVE and not can_be_wrong(operation):
                    continue
                run(asked, operation, mode, examples)


def can_be_wrong(operation: Any) -> bool:
    return bool(operation.body) or any(True for _ in operation.iter_parameters())


def run(asked: Asked, operation: Any, mode: GenerationMode, examples: int) -> None:
    # the same in every run of the tests, another in every call
    @seed(next(SEEDS))
    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode))
    def one(case: Case) -> None:
        asked.ask(case)

    # some bodies can't be wrong, as a text of any kind
    with contextlib.suppress(Unsatisfiable):
        one()


def test_some_made_up_requests_are_answered(served: Served) -> None:
    asked = Asked(served)
    fuzz(served, asked, bodies=200, others=0)
    assert asked.statuses.total() >= 200
    # they are not all turned away at the door
    assert asked.statuses[200] + asked.statuses[201] > 0
    assert asked.statuses[422] > 0


@pytest.mark.reliability
def test_ten_thousand_made_up_bodies_are_answered(served: Served) -> None:
    process, asked = psutil.Process(), Asked(served)
    fuzz(served, asked, bodies=5_000, others=1_000)
    before = process.memory_info().rss
    fuzz(served, asked, bodies=5_000, others=1_000)
    grown = process.memory_info().rss - before
    print(f"{dict(asked.statuses)}, slowest {asked.slowest:.2f} s, grown {grown / 2**20:.0f} MiB")
    assert asked.statuses.total() >= 10_000
    assert grown < MOST_GROWTH_BYTES
    assert asked.slowest < MOST_SECS


def test_cursors_that_no_answer_gave_are_refused(served: Served) -> None:
    owner = served.program(Role.OWNER)
    odd = ["é", "\x00", "a", "=", "9" * 100, "-1", "1e9", "٣", "AAAA", "MjAyNiAx", "x" * 200]
    for route in ("sightings", "identities", "audit"):
        for cursor in odd:
            answer = owner.get(f"/api/v1/{route}", params={"cursor": cursor})
            assert answer.status_code in (200, 422), (route, cursor)
