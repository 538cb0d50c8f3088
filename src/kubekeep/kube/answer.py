"""What API servers answer: documents, and refusals in Kubernetes' own words. Sends nothing, and cites nothing it cannot read."""

from __future__ import annotations

import contextlib
from typing import Any, Final, TypeVar

import httpx2
import msgspec

from kubekeep.kube.errors import ApiError, ConnectionLostError, UnreadableError
from kubekeep.model.text import visible

T = TypeVar("T")

JSON: Final = "application/json"
LONGEST_MESSAGE: Final = 600
TOO_DEEP: Final = "the API server answers an object that is nested too deeply"


class _Status(msgspec.Struct, frozen=True):
    """Kubernetes' own words for a refusal (meta/v1, Status)."""

    message: str = ""
    reason: str = ""
    metadata: dict[str, Any] | None = None


def decoded(response: httpx2.Response, body: bytes, wanted: type[T]) -> T:
    """`body`, that of `response`, as `wanted`.

    Raises ConnectionLostError for what is no whole document of that shape, UnreadableError for one that is nested too deeply.
    """
    if wanted is str:
        return body.decode("utf-8", "replace")  # type: ignore[return-value]
    kind = response.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != JSON:
        raise ConnectionLostError(f"the API server answers {visible(kind) or 'something'} where {JSON} was asked for")
    try:
        return msgspec.json.decode(body, type=wanted)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ConnectionLostError(f"the API server answers no whole document: {visible(str(error))}") from None
    except RecursionError:
        raise UnreadableError(TOO_DEEP) from None


def refusal(response: httpx2.Response, body: bytes) -> ApiError:
    """The error that `response`, whose status is no success, and its `body` tell of."""
    code = response.status_code
    phrase = httpx2.codes.get_reason_phrase(code)
    status = _Status()
    with contextlib.suppress(msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        status = msgspec.json.decode(body, type=_Status)
    message = visible(status.message[:LONGEST_MESSAGE]) or f"the API server answers {code} {phrase}".rstrip()
    continues = (status.metadata or {}).get("continue")
    return ApiError(
        code,
        status.reason or phrase,
        message,
        continues=continues if isinstance(continues, str) else "",
        retry_after=_seconds(response.headers.get("retry-after", "")),
    )


def _seconds(text: str) -> float:
    return float(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0.0
