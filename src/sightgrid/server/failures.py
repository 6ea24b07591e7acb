"""Errors as HTTP answers: ``{"error": {"code", "message", "details"}, "request_id"}``."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sightgrid.domain.errors import (
    ContractMismatch,
    ImageError,
    InvalidFields,
    InvalidRecord,
    InvalidValue,
    MissingExtra,
    NotFound,
    SightgridError,
    StoreError,
    UnderHold,
)
from sightgrid.server.refusals import Cloned, NotAllowed, NotSignedIn, SlowDown, TooLarge

_LOG = logging.getLogger(__name__)

# the first that fits counts
_OUR_ERRORS: tuple[tuple[type[SightgridError], tuple[int, str]], ...] = (
    (NotSignedIn, (401, "not_signed_in")),
    (NotAllowed, (403, "not_allowed")),
    (Cloned, (409, "cloned")),
    (TooLarge, (413, "too_large")),
    (SlowDown, (429, "slow_down")),
    (UnderHold, (409, "under_hold")),
    (NotFound, (404, "not_found")),
    (InvalidRecord, (400, "unreadable_body")),
    (ContractMismatch, (409, "contract_mismatch")),
    (ImageError, (422, "picture_unreadable")),
    (InvalidFields, (422, "invalid")),
    (InvalidValue, (422, "invalid")),
    (MissingExtra, (501, "not_installed")),
    (StoreError, (503, "database_unavailable")),
)
_HTTP_CODES = {
    400: "bad_request",
    404: "not_found",
    405: "method_not_allowed",
    413: "too_large",
    415: "unsupported_media_type",
}
_RETRY_SECS = 2


def answer_failures(app: FastAPI) -> None:
    """Registers how each kind of error is answered."""

    @app.exception_handler(SightgridError)
    def ours(request: Request, error: SightgridError) -> JSONResponse:
        status, code = next(
            (answer for kind, answer in _OUR_ERRORS if isinstance(error, kind)), (500, "failed")
        )
        headers = {}
        if isinstance(error, SlowDown):
            status, code = (503, "busy") if error.busy else (429, "slow_down")
            headers["Retry-After"] = str(max(1, math.ceil(error.wait.total_seconds())))
        elif status == 503:
            headers["Retry-After"] = str(_RETRY_SECS)
        elif status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        if status >= 500:
            _LOG.error("request %s failed: %s", request_id(request), type(error).__name__)
        details: dict[str, Any] = {} if error.hint is None else {"hint": error.hint}
        if isinstance(error, InvalidFields):
            details["fields"] = [
                {"field": field, "problem": problem} for field, problem in error.fields.items()
            ]
        return _answer(request, status, code, str(error), details, headers)

    @app.exception_handler(RequestValidationError)
    def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        fields = [
            {"field": ".".join(str(part) for part in one["loc"]), "problem": one["msg"]}
            for one in error.errors()
        ]
        what = "; ".join(f"{one['field']}: {one['problem']}" for one in fields[:3])
        return _answer(request, 422, "invalid", what or "invalid request", {"fields": fields})

    @app.exception_handler(HTTPException)
    def http(request: Request, error: HTTPException) -> JSONResponse:
        code = _HTTP_CODES.get(error.status_code, "failed")
        return _answer(
            request, error.status_code, code, str(error.detail), headers=error.headers or {}
        )

    @app.exception_handler(Exception)
    def unexpected(request: Request, error: Exception) -> JSONResponse:
        # the message may quote what somebody sent, so only the kind goes into the log
        _LOG.error("request %s: unexpected %s", request_id(request), type(error).__name__)
        return _answer(
            request, 500, "failed", "this is a fault of sightgrid; the server's log names it"
        )


def request_id(request: Request) -> str:
    """The number under which the log knows a request."""
    return str(getattr(request.state, "request_id", ""))


def _answer(
    request: Request,
    status: int,
    code: str,
    message: str,
    details: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    return JSONResponse(
        {
            "error": {"code": code, "message": message, "details": dict(details or {})},
            "request_id": request_id(request),
        },
        status_code=status,
        headers=dict(headers or {}),
    )
