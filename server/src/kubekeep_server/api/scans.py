"""Submissions: receives the document of a scan and stores it. Answers after the transaction has ended."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import APIRouter, Request, Response

from kubekeep.model.scanned_source import ScannedSource
from kubekeep.uplink.delta import DivergenceError
from kubekeep_server.api.access import get_identity, get_now
from kubekeep_server.api.body import read_body
from kubekeep_server.api.problems import DOCUMENTED, ProblemError
from kubekeep_server.api.server_state import get_state
from kubekeep_server.auth.permissions import may_submit
from kubekeep_server.store.errors import InvalidContentError
from kubekeep_server.store.ingest import EarlySubmissionError, ingest
from kubekeep_server.store.sources import load_manifest

router: Final = APIRouter(prefix="/api/v1", tags=["scans"], responses=DOCUMENTED)
_JSON: Final = "application/json"
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
_OPENAPI: Final[dict[str, Any]] = {
    "requestBody": {
        "required": True,
        "content": {_JSON: {"schema": {"type": "object", "title": "kubekeep.io/submission/v1"}}},
    },
    "parameters": [
        {
            "name": "Content-Encoding",
            "in": "header",
            "schema": {"type": "string", "enum": ["identity", "gzip", "zstd"]},
        }
    ],
}
_ANSWERS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "The submission was received before", "content": {_JSON: {"schema": _RECEIPT}}},
    201: {"description": "The submission is stored", "content": {_JSON: {"schema": _RECEIPT}}},
}


class _SubmissionHead(msgspec.Struct, frozen=True):
    """The part of a submission that decides if it may be stored."""

    source: ScannedSource


_decoder: Final = msgspec.json.Decoder(_SubmissionHead)
_encoder: Final = msgspec.json.Encoder()


@router.post("/scans", operation_id="submitScan", response_class=Response, responses=_ANSWERS, openapi_extra=_OPENAPI)
async def submit_scan(request: Request) -> Response:
    """Store a submission and apply it to its source. A repeated one changes nothing."""
    state = get_state(request)
    media_type = request.headers.get("content-type", _JSON).partition(";")[0].strip().lower()
    if media_type != _JSON:
        raise ProblemError(415, f"Content-Type must be {_JSON}.")
    with state.budget.open_share() as share:
        document = await read_body(request, share, state.settings.submission_limit)
        source = _authorize_source(request, document)
        try:
            receipt = await state.writing.run(ingest, document, get_now(), is_long=True)
        except DivergenceError as error:
            manifest = await state.reading.run(load_manifest, source.key, source.branch_name)
            raise ProblemError(409, f"{error}. Send the whole submission.", manifest=manifest) from error
        except EarlySubmissionError as error:
            raise ProblemError(422, f"{str(error).capitalize()}.", early=error.seconds) from error
        except (InvalidContentError, LookupError, ValueError, OverflowError, RecursionError) as error:
            raise ProblemError(422, f"The submission is not valid: {error}") from error
    return Response(_encoder.encode(receipt), 200 if receipt.is_known else 201, media_type=_JSON)


def _authorize_source(request: Request, document: bytes) -> ScannedSource:
    """Return the source. Raises ProblemError if the identity may not submit for it."""
    try:
        source = _decoder.decode(document).source
    except msgspec.ValidationError as error:
        raise ProblemError(422, f"The body is not a submission: {error}") from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ProblemError(400, f"The body is not JSON: {error}") from error
    identity = get_identity(request)
    if not may_submit(identity, source.key):
        raise ProblemError(403, f"{identity.name} may not submit for {source.key}.")
    return source
