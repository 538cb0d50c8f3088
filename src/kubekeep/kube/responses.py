"""Decoding of API server responses: documents and errors. Sends nothing, never quotes content it cannot parse."""

from __future__ import annotations

import contextlib
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from kubekeep.kube.errors import ApiError, ConnectionLostError, UnreadableResponseError
from kubekeep.model.text import visible

T = TypeVar("T")

JSON: Final = "application/json"
MAX_MESSAGE_LENGTH: Final = 600
TOO_DEEP: Final = "the API server returned an object that is nested too deeply"


class _StatusResponse(msgspec.Struct, frozen=True):
    """An error response (meta/v1, Status)."""

    message: str = ""
    reason: str = ""
    metadata: dict[str, Any] | None = None


def decode_response(response: httpx2.Response, body: bytes, expected: type[T]) -> T:
    """Decode `body` of `response` as `expected`; `str` returns the text.

    Raises ConnectionLostError for an incomplete document, another shape or another content type, and
    UnreadableResponseError for a document that is nested too deeply.
    """
    if expected is str:
        return body.decode("utf-8", "replace")  # type: ignore[return-value]
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise ConnectionLostError(
            f"the API server returned {visible(kind) or 'an unknown content type'} instead of {JSON}"
        )
    try:
        return msgspec.json.decode(body, type=expected)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConnectionLostError(
            f"the API server returned an invalid or incomplete document: {visible(str(error))}"
        ) from None
    except RecursionError:
        raise UnreadableResponseError(TOO_DEEP) from None


def to_api_error(response: httpx2.Response, body: bytes) -> ApiError:
    """Convert a response with an error status, and its `body`, to an ApiError."""
    code = response.status_code
    phrase = httpx2.codes.get_reason_phrase(code)
    status = _StatusResponse()
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        status = msgspec.json.decode(body, type=_StatusResponse)
    message = visible(status.message[:MAX_MESSAGE_LENGTH]) or f"the API server responded with {code} {phrase}".rstrip()
    continue_token = (status.metadata or {}).get("continue")
    return ApiError(
        code,
        status.reason or phrase,
        message,
        continue_token=continue_token if isinstance(continue_token, str) else "",
        retry_after=_parse_seconds(response.headers.get("retry-after", "")),
    )


def _parse_seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
