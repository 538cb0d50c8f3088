"""Answers with many rows: encoded by msgspec, with the schemas of their types in the OpenAPI document."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from fastapi import Request, Response

PRIVATE: Final = {"Cache-Control": "private, no-cache"}
"""For the client alone: a cache that several users share must not keep what only one of them may see."""
_JSON: Final = "application/json"
_REFERENCE: Final = "#/components/schemas/{name}"
_types: Final[list[Any]] = []
_encoder: Final = msgspec.json.Encoder()


def describe_answer(kind: Any) -> dict[int | str, dict[str, Any]]:
    """Return the answer of an operation that returns a type, for the OpenAPI document."""
    _types.append(kind)
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=_REFERENCE)
    return {
        200: {"description": "The result", "content": {_JSON: {"schema": schema}}},
        304: {"description": "The result has not changed since the one with the ETag of If-None-Match"},
        404: {"description": "There is no such object, or it is not in the scope of the identity"},
    }


def list_schemas() -> Mapping[str, Any]:
    """Return the schemas of all types that `describe_answer` has named."""
    _, schemas = msgspec.json.schema_components(_types, ref_template=_REFERENCE)
    return schemas


def respond(request: Request, value: Any) -> Response:
    """Return the answer to a request; 304 if the client has it."""
    content = _encoder.encode(value)
    headers = {"ETag": f'"{hashlib.blake2b(content, digest_size=16).hexdigest()}"', **PRIVATE}
    if is_known(request, headers["ETag"]):
        return Response(status_code=304, headers=headers)
    return Response(content, media_type=_JSON, headers=headers)


def is_known(request: Request, tag: str) -> bool:
    """Return True if the client has the content with an ETag."""
    return tag in {known.strip().removeprefix("W/") for known in request.headers.get("if-none-match", "").split(",")}
