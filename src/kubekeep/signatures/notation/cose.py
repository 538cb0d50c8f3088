"""COSE envelopes: COSE_Sign1_Tagged of RFC 9052. Never verifies a signature.

Needs the package `cbor2` of the extra `signatures`.
"""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Mapping
from typing import Any, Final

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

MEDIA_TYPE: Final = "application/cose"
_SIGN1: Final = 18
_ALGORITHM, _CRITICAL, _CONTENT_TYPE, _CHAIN = 1, 2, 3, 33
_HASH_ENVELOPE: Final = 258
_ALGORITHMS: Final = {-37: "PS256", -38: "PS384", -39: "PS512", -7: "ES256", -35: "ES384", -36: "ES512"}
"""Names in JWS by the numbers of COSE (RFC 9053 and RFC 8230)."""
_DEEPEST: Final = 8


def decode_cose(content: bytes) -> NotationEnvelope:
    """Decode an envelope. Raises SignatureError."""
    import cbor2  # noqa: PLC0415 - only these envelopes need it

    message = _decode(content)
    if not isinstance(message, cbor2.CBORTag) or message.tag != _SIGN1:
        raise SignatureError("not a valid COSE envelope: not tagged as COSE_Sign1")
    match message.value:
        case [bytes(protected), Mapping() as unprotected, bytes(payload), bytes(signature)]:
            fields = _decode(protected)
        case _:
            raise SignatureError("not a valid COSE envelope: not the four parts of COSE_Sign1")
    if not isinstance(fields, Mapping):
        raise SignatureError("not a valid COSE envelope: the protected header is not a map")
    if _HASH_ENVELOPE in fields:
        raise SignatureError("the envelope signs a hash (COSE Hash Envelope), which is not used for images")
    algorithm = fields.get(_ALGORITHM)
    headers = read_headers(
        fields,
        fields.get(_CRITICAL),
        _ALGORITHMS.get(algorithm, "") if isinstance(algorithm, int) else "",
        fields.get(_CONTENT_TYPE),
        _read_times(fields),
    )
    return NotationEnvelope(
        headers=headers,
        payload=payload,
        signed=cbor2.dumps(["Signature1", protected, b"", payload]),
        signature=signature,
        chain=_read_chain(fields, unprotected),
        timestamp=_read_timestamp(unprotected),
    )


def _decode(content: bytes) -> Any:
    """Decode one CBOR value that fills `content`: definite lengths and unique keys, as signed values must have."""
    import cbor2  # noqa: PLC0415

    stream = io.BytesIO(content)
    decoder = cbor2.CBORDecoder(stream, max_depth=_DEEPEST, allow_indefinite=False, allow_duplicate_keys=False)
    try:
        value = decoder.decode()
        rest = decoder.read(1) if stream.tell() < len(content) else b""
    except (cbor2.CBORDecodeError, ValueError, RecursionError, TypeError) as error:
        raise SignatureError(f"not a valid COSE envelope: {visible(str(error))}") from error
    if rest:
        raise SignatureError("not a valid COSE envelope: data after its end")
    return value


def _read_chain(protected: Mapping[Any, Any], unprotected: Mapping[Any, Any]) -> tuple[bytes, ...]:
    """Return the certificates: unprotected, or protected. A single one may stand without a list (RFC 9360)."""
    if _CHAIN in protected and _CHAIN in unprotected:
        raise SignatureError("the envelope has two certificate chains")
    chain = unprotected.get(_CHAIN, protected.get(_CHAIN, ()))
    return check_chain(chain if isinstance(chain, list | tuple) else (chain,))


def _read_timestamp(unprotected: Mapping[Any, Any]) -> bytes:
    timestamp = unprotected.get(TIMESTAMP_HEADER, b"")
    if not isinstance(timestamp, bytes):
        raise SignatureError(f"{TIMESTAMP_HEADER} is not a byte string")
    return timestamp


def _read_times(fields: Mapping[Any, Any]) -> dict[str, dt.datetime]:
    times = {}
    for name in (TIME_HEADER, AUTHENTIC_TIME_HEADER, EXPIRY_HEADER):
        if name in fields:
            value = fields[name]
            if not isinstance(value, dt.datetime) or value.tzinfo is None:
                raise SignatureError(f"{name} is not a tagged time")
            times[name] = value.astimezone(dt.UTC)
    return times
