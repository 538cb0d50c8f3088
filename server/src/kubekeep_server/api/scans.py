"""Submissions: receives the document of a scan and stores it. Answers after the transaction has ended."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from kubekeep.model.scanned_source import ScannedSource
from kubekeep_server.api.body import decode_body, receive_body
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.api.submissions import ENCODING, JSON, RECEIPTS, check_source, describe_receipt, store_document

router: Final = APIRouter(prefix="/api/v1", tags=["scans"], responses=DOCUMENTED)
_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {JSON: {"schema": {"type": "object", "title": "kubekeep.io/submission/v1"}}},
    },
    "parameters": [ENCODING],
}


class _SubmissionHead(msgspec.Struct, frozen=True):
    """The part of a submission that decides if it may be stored."""

    source: ScannedSource


_decoder: Final = msgspec.json.Decoder(_SubmissionHead)


@router.post("/scans", operation_id="submitScan", response_class=Response, responses=RECEIPTS, openapi_extra=_OPENAPI)
async def submit_scan(request: Request) -> Response:
    """Store a submission and apply it to its source. A repeated one changes nothing."""
    state = get_state(request)
    media_type = request.headers.get("content-type", JSON).partition(";")[0].strip().lower()
    if media_type != JSON:
        raise ProblemError(415, f"Content-Type must be {JSON}.")
    with state.budget.open_share() as share:
        limit = state.settings.submission_limit
        body = await receive_body(request, share, limit)
        async with state.decoding:
            document = await decode_body(body, share, limit)
            source = _read_source(document)
            check_source(request, source)
            return describe_receipt(await store_document(request, source, document))


def _read_source(document: bytes) -> ScannedSource:
    """Return the source. Raises ProblemError."""
    try:
        return _decoder.decode(document).source
    except msgspec.ValidationError as error:
        raise ProblemError(422, f"The body is not a submission: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}") from error
