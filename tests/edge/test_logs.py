"""Logs are JSON a line, and hold no secret whatever is put into them."""

from __future__ import annotations

import io
import json
import logging

import pytest

from sightgrid.edge.logs import Redactor, note, write_logs_to


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("open rtsp://u:p4ss@10.0.0.1/x failed", "open rtsp://***@10.0.0.1/x failed"),
        ("('http://a:b@h/p?pwd=1',)", "('http://***@h/p?***',)"),
        ("the word hunter22 alone", "the word *** alone"),
        ("hunter2 is a part of hunter22", "*** is a part of ***"),
        ("nothing to hide", "nothing to hide"),
    ],
)
def test_secrets_are_taken_out(text: str, clean: str) -> None:
    assert Redactor(["hunter2", "hunter22", "", "ab"]).clean(text) == clean


def test_a_line_is_one_object() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("sightgrid")
    before = logger.handlers[:], logger.propagate, logger.level
    try:
        write_logs_to(stream, Redactor(["hunter22"]))
        note(logging.WARNING, "camera-state", camera="door", reason="a\nb hunter22")
        try:
            raise ValueError("hunter22 in an error")
        except ValueError:
            logging.getLogger("sightgrid.other").exception("went-wrong")
    finally:
        logger.handlers[:], logger.propagate = before[0], before[1]
        logger.setLevel(before[2])
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert first["event"] == "camera-state"
    assert first["camera"] == "door"
    assert first["reason"] == "a\nb ***"
    assert first["level"] == "warning"
    assert first["at"].endswith("Z")
    assert second["error"] == "ValueError"
    assert "hunter22" not in stream.getvalue()
