"""FFmpeg's errors in the product's words: which trouble it is, and what to do about it."""

from __future__ import annotations

import errno

from av import error as averror

from sightgrid.domain.cameras import Trouble
from sightgrid.domain.errors import StreamFault
from sightgrid.vision.sources.recordings import plain

LIMIT = "is the camera's limit of connections reached?"


def fault_at_opening(label: str, error: averror.FFmpegError | OSError) -> StreamFault:
    """Why a stream could not be opened."""
    if isinstance(error, averror.HTTPUnauthorizedError | averror.HTTPForbiddenError):
        return StreamFault(
            Trouble.CREDENTIALS,
            f"{label}: the camera does not accept user name and password",
            hint="check them; some cameras also say so when their limit of connections is reached",
        )
    if isinstance(error, averror.HTTPNotFoundError | averror.HTTPBadRequestError):
        return StreamFault(
            Trouble.WRONG_ADDRESS,
            f"{label}: the camera knows no stream of this address",
            hint="look up the path of the stream in the camera's manual",
        )
    if isinstance(error, averror.HTTPClientError):
        # 453 and the like: it would serve us another time
        return StreamFault(
            Trouble.UNREACHABLE, f"{label}: the camera refuses: {plain(error)}", hint=LIMIT
        )
    if isinstance(error, averror.HTTPServerError):
        return StreamFault(Trouble.UNREACHABLE, f"{label}: the camera has an error of its own")
    if isinstance(error, averror.ExitError | TimeoutError) or error.errno == errno.ETIMEDOUT:
        return StreamFault(Trouble.TIMED_OUT, f"{label}: connected, but no stream came", hint=LIMIT)
    if isinstance(error, ConnectionError) or error.errno in (
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
        errno.ENETDOWN,
    ):
        return StreamFault(Trouble.UNREACHABLE, f"{label}: can't be reached: {plain(error)}")
    if isinstance(error, averror.ProtocolNotFoundError | averror.DemuxerNotFoundError):
        return StreamFault(
            Trouble.UNREADABLE, f"{label}: is of a kind that can't be read: {plain(error)}"
        )
    if isinstance(error, FileNotFoundError):
        return StreamFault(Trouble.WRONG_ADDRESS, f"{label}: there is no such file or device")
    if isinstance(error, PermissionError):
        return StreamFault(Trouble.UNREADABLE, f"{label}: may not be read")
    return StreamFault(Trouble.UNREADABLE, f"{label}: can't be read as video: {plain(error)}")


def fault_while_reading(label: str, error: averror.FFmpegError | OSError) -> StreamFault:
    """Why a stream that was open gives no more."""
    if isinstance(error, averror.ExitError | TimeoutError) or error.errno == errno.ETIMEDOUT:
        return StreamFault(Trouble.STALLED, f"{label}: no more pictures come")
    return StreamFault(Trouble.BROKEN_OFF, f"{label}: the stream broke off: {plain(error)}")
