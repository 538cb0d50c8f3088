"""Documents of senders on the way to the store: read within limits, converted beside the event loop, and stored in one transaction."""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from collections.abc import Callable, Iterator
from typing import Any, Final, TypeVar

import msgspec
from fastapi import Request, Response

from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.submission import Submission
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.problems import ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import may_submit
from kubekeep_server.store.errors import InvalidContentError
from kubekeep_server.store.ingest import EarlySubmissionError, Receipt, ingest, ingest_results
from kubekeep_server.store.sources import load_manifest

T = TypeVar("T")
Finish = Callable[[Any], None]
JSON: Final = "application/json"
_RECEIPT: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["scan", "manifest", "opened", "closed", "isKnown", "isApplied"],
    "properties": {
        "scan": {"type": "string"},
        "manifest": {"type": "string", "description": "Digest of the state of the source"},
        "opened": {"type": "integer", "minimum": 0},
        "closed": {"type": "integer", "minimum": 0},
        "isKnown": {"type": "boolean"},
        "isApplied": {"type": "boolean"},
    },
}
ENCODING: Final[dict[str, Any]] = {
    "name": "Content-Encoding",
    "in": "header",
    "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
}
RECEIPTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The submission was received before", "content": {JSON: {"schema": _RECEIPT}}},
    201: {"description": "The submission is stored", "content": {JSON: {"schema": _RECEIPT}}},
}
_encoder: Final = msgspec.json.Encoder()


def _do_nothing(_: object) -> None:
    pass


@contextlib.contextmanager
def refuse_invalid(subject: str) -> Iterator[None]:
    """Raise ProblemError with status 422 for content that cannot be converted or stored."""
    try:
        yield
    except (InvalidContentError, LookupError, ValueError, OverflowError, RecursionError) as error:
        raise ProblemError(422, f"{subject} is not valid: {error}") from error


def check_source(request: Request, source: ScannedSource) -> None:
    """Raise ProblemError with status 403 if the identity of a request may not submit for a source."""
    identity = get_identity(request)
    if not may_submit(identity, source.key):
        raise ProblemError(403, f"{identity.name} may not submit for {source.key}.")


async def convert(request: Request, function: Callable[..., T], *arguments: Any) -> T:
    """Return the result of a conversion, which runs in a thread, one at a time. Raises ProblemError with status 422."""
    async with get_state(request).conversions:
        with refuse_invalid("The document"):
            return await asyncio.to_thread(function, *arguments)


async def store_document(request: Request, source: ScannedSource, document: bytes) -> Receipt:
    """Store an encoded submission after its source was checked. Raises ProblemError."""
    state = get_state(request)
    with refuse_invalid("The submission"):
        try:
            return await state.writing.run(ingest, document, get_now(), is_long=True)
        except DivergenceError as error:
            manifest = await state.reading.run(load_manifest, source.key, source.branch_name)
            raise ProblemError(409, f"{error}. Send the whole submission.", manifest=manifest) from error
        except EarlySubmissionError as error:
            raise ProblemError(422, f"{str(error).capitalize()}.", early=error.seconds) from error


async def store_results(
    request: Request,
    source: ScannedSource,
    build: Callable[[Any, dt.datetime], Submission],
    finish: Finish = _do_nothing,
) -> Receipt:
    """Store the results of another tool. Raises ProblemError, with status 403 if the sender may not speak for their source.

    build: as `ingest_results` has it. finish: what the same transaction does afterwards.
    """
    check_source(request, source)

    def store(connection: Any) -> Receipt:
        receipt = ingest_results(connection, source, build, get_now)
        finish(connection)
        return receipt

    with refuse_invalid("The document"):
        return await get_state(request).writing.run(store, is_long=True)


def finish_at(submission: Submission) -> Callable[[object, dt.datetime], Submission]:
    """Return the function that returns a submission with the time at which it is stored."""
    return lambda _, moment: msgspec.structs.replace(submission, finished=moment)


def describe_receipt(receipt: Receipt) -> Response:
    """Return the answer to a submission."""
    return Response(_encoder.encode(receipt), 200 if receipt.is_known else 201, media_type=JSON)
