"""DSSE envelopes and in-toto statements: decoding and encoding. Never verifies a signature."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.signatures.errors import SignatureError

ENVELOPE: Final = "application/vnd.dsse.envelope.v1+json"
STATEMENT_PAYLOAD: Final = "application/vnd.in-toto+json"
STATEMENT_V1: Final = "https://in-toto.io/Statement/v1"
_STATEMENTS: Final = ("https://in-toto.io/Statement/v0.1", STATEMENT_V1)
_MOST_SUBJECTS: Final = 1024


class EnvelopeSignature(msgspec.Struct, frozen=True, omit_defaults=True):
    """A signature of an envelope; the key id is a hint and never trusted."""

    sig: bytes
    keyid: str | None = None


class DsseEnvelope(msgspec.Struct, frozen=True, rename="camel"):
    """A payload with its type and signatures."""

    payload: bytes
    payload_type: str
    signatures: tuple[EnvelopeSignature, ...] = ()

    def encode_signed(self) -> bytes:
        """Return the bytes that signatures cover (PAE, pre-authentication encoding)."""
        return encode_signed(self.payload_type, self.payload)


class AttestedSubject(msgspec.Struct, frozen=True, omit_defaults=True):
    """A subject of a statement: its digests by algorithm, and annotations of cosign."""

    name: str | None = None
    digest: dict[str, str] = {}
    annotations: dict[str, Any] | None = None


class Statement(msgspec.Struct, frozen=True, rename="camel"):
    """An in-toto statement. predicate: JSON as signed."""

    type: str = msgspec.field(name="_type")
    predicate_type: str
    subject: tuple[AttestedSubject, ...] = ()
    predicate: msgspec.Raw = msgspec.Raw(b"null")

    def get_subject(self, digest: str) -> AttestedSubject:
        """Return the subject with `digest`, as "sha256:...". Raises SignatureError."""
        algorithm, _, value = digest.partition(":")
        for subject in self.subject[:_MOST_SUBJECTS]:
            if value and subject.digest.get(algorithm, "").lower() == value:
                return subject
        names = ", ".join(
            f"{name}:{value}" for subject in self.subject[:3] for name, value in sorted(subject.digest.items())[:1]
        )
        raise SignatureError(f"it is about another subject: {names or 'none'}")


def encode_signed(payload_type: str, payload: bytes) -> bytes:
    """Return the bytes that signatures of an envelope cover (DSSE 1.0.2, PAE)."""
    kind = payload_type.encode()
    return b"DSSEv1 %d %b %d %b" % (len(kind), kind, len(payload), payload)


def decode_envelope(content: bytes) -> DsseEnvelope:
    """Decode an envelope. Raises SignatureError."""
    try:
        return msgspec.json.decode(content, type=DsseEnvelope)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"not a DSSE envelope: {error}") from error


def decode_statement(envelope: DsseEnvelope) -> Statement:
    """Decode the statement in an envelope. Raises SignatureError."""
    if envelope.payload_type != STATEMENT_PAYLOAD:
        raise SignatureError(f"the payload has the type {envelope.payload_type[:100]!r}, not {STATEMENT_PAYLOAD!r}")
    try:
        statement = msgspec.json.decode(envelope.payload, type=Statement)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"not an in-toto statement: {error}") from error
    if statement.type not in _STATEMENTS:
        raise SignatureError(f"an in-toto statement of the unknown type {statement.type[:100]!r}")
    return statement
