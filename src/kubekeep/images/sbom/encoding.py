"""JSON of SBOMs: always valid Unicode, and identifiers of documents that depend on their content alone. No I/O."""

from __future__ import annotations

import datetime as dt
import hashlib
import uuid
from typing import Any, Final

import msgspec

from kubekeep.images.sbom.document import Sbom
from kubekeep.model.text import encode_json, escape_json, json_text, utc_text

_NAMESPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, "https://kubekeep.io/sbom")


def encode(document: Any) -> bytes:
    """Return a document as indented JSON. Lone surrogates of file names become `?`."""
    try:
        text = escape_json(msgspec.json.encode(document).decode())
    except UnicodeEncodeError:
        text = json_text(msgspec.to_builtins(document))
    return msgspec.json.format(text.encode(), indent=2) + b"\n"


def create_uuid(sbom: Sbom, name: str) -> uuid.UUID:
    """Return the identifier of an SBOM in the format `name`: a UUID (RFC 9562, version 5) of its content."""
    return uuid.uuid5(_NAMESPACE, f"{name}:{hashlib.sha256(_encode_content(sbom)).hexdigest()}")


def _encode_content(value: Any) -> bytes:
    try:
        return msgspec.msgpack.encode(value)
    except UnicodeEncodeError:
        return encode_json(msgspec.to_builtins(value)).encode()


def format_time(text: str) -> str:
    """Return a time in RFC 3339 as `2026-11-24T10:00:01Z`; empty if it is none."""
    try:
        return utc_text(msgspec.convert(text, dt.datetime))
    except (msgspec.ValidationError, OverflowError):
        return ""
