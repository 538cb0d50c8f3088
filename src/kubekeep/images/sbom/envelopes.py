"""Envelopes of SBOMs and VEX documents: the payload of DSSE and of in-toto. Verifies no signature. No I/O."""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec


def decode_json(content: bytes) -> Any:
    """Return the value of a JSON text; None if it is not valid."""
    try:
        return msgspec.json.decode(content)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return None


def decode_payload(envelope: dict[str, Any]) -> Any:
    """Return the JSON value in the Base64 field `payload` of a DSSE envelope; None if there is none."""
    if not isinstance(envelope.get("payload"), str):
        return None
    try:
        return decode_json(base64.b64decode(envelope["payload"]))
    except (binascii.Error, ValueError):
        return None
