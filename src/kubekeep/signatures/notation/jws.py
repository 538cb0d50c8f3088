"""JWS envelopes: flattened JSON serialisation of RFC 7515. Never verifies a signature."""

from __future__ import annotations

import base64
import binascii
import datetime as dt
import json
import re
from collections.abc import Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.text import visible
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.envelope import (
    AUTHENTIC_TIME_HEADER,
    EXPIRY_HEADER,
    TIME_HEADER,
    TIMESTAMP_HEADER,
    NotationEnvelope,
    check_chain,
    read_headers,
)

MEDIA_TYPE: Final = "application/jose+json"
_URL_SAFE: Final = re.compile(r"[A-Za-z0-9_-]*")
_RFC_3339: Final = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
)


class _UnprotectedHeader(msgspec.Struct, frozen=True):
    certificates: tuple[str, ...] = msgspec.field(name="x5c", default=())
    timestamp: str = msgspec.field(name=TIMESTAMP_HEADER, default="")


class _JwsEnvelope(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    payload: str
    protected: str
    header: _UnprotectedHeader
    signature: str


def decode_jws(content: bytes) -> NotationEnvelope:
    """Decode an envelope. Raises SignatureError."""
    try:
        envelope = msgspec.json.decode(content, type=_JwsEnvelope)
        fields = json.loads(_decode_url_safe(envelope.protected), object_pairs_hook=_unique)
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise SignatureError(f"not a valid JWS envelope: {visible(str(error))}") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("alg"), str):
        raise SignatureError("not a valid JWS envelope: the protected header has no alg")
    headers = read_headers(fields, fields.get("crit"), fields["alg"], fields.get("cty"), _read_times(fields))
    return NotationEnvelope(
        headers=headers,
        payload=_decode(envelope.payload, "payload"),
        signed=f"{envelope.protected}.{envelope.payload}".encode(),
        signature=_decode(envelope.signature, "signature"),
        chain=check_chain(_decode_standard(text, "x5c") for text in envelope.header.certificates),
        timestamp=_decode_standard(envelope.header.timestamp, TIMESTAMP_HEADER),
    )


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object. Two values of one name could be read differently by the signer and the verifier."""
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise ValueError("a protected header has two values")
    return fields


def _decode_url_safe(text: str) -> bytes:
    if _URL_SAFE.fullmatch(text) is None:
        raise ValueError("not base64url without padding")
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def _decode(text: str, name: str) -> bytes:
    try:
        return _decode_url_safe(text)
    except ValueError as error:
        raise SignatureError(f"not a valid JWS envelope: {name}: {error}") from error


def _decode_standard(text: str, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SignatureError(f"not a valid JWS envelope: {name} is not base64") from error


def _read_times(fields: Mapping[str, Any]) -> dict[str, dt.datetime]:
    """Return the times in a protected header (RFC 3339) by name."""
    times = {}
    for name in (TIME_HEADER, AUTHENTIC_TIME_HEADER, EXPIRY_HEADER):
        if name not in fields:
            continue
        text = fields[name]
        if not isinstance(text, str) or _RFC_3339.fullmatch(text) is None:
            raise SignatureError(f"{name} is not a time of RFC 3339")
        try:
            times[name] = dt.datetime.fromisoformat(text).astimezone(dt.UTC)
        except (ValueError, OverflowError) as error:
            raise SignatureError(f"{name} is not a time of RFC 3339") from error
    return times
