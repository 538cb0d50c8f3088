"""A signature with what it covers and its proofs, of any layout. Values only; nothing in it is verified."""

from __future__ import annotations

import hashlib

import msgspec

from kubekeep.signatures.envelope import DsseEnvelope
from kubekeep.signatures.sigstore.bundle import LogEntry


class SignedObject(msgspec.Struct, frozen=True, kw_only=True):
    """A signature that is to be verified.

    message: the bytes that the signature covers; for an envelope its PAE. None if only digest, their SHA-256, is known.
    envelope: of an attestation. stored: bytes of the envelope as stored, which old log entries hash. stamped: the bytes that
    timestamps cover. certificates: in DER, of the signer first; empty for keys. needs_proof: log entries must have a proof of
    inclusion.
    """

    message: bytes | None
    digest: bytes
    signature: bytes
    envelope: DsseEnvelope | None = None
    stored: bytes = b""
    stamped: bytes
    certificates: tuple[bytes, ...] = ()
    entries: tuple[LogEntry, ...] = ()
    timestamps: tuple[bytes, ...] = ()
    needs_proof: bool = False

    def compute_hash(self, algorithm: str) -> bytes:
        """Return the hash of the message by a SHA-2 function, as "sha384"; empty if it cannot be computed."""
        if algorithm == "sha256":
            return self.digest
        if self.message is None or algorithm not in ("sha384", "sha512"):
            return b""
        return hashlib.new(algorithm, self.message).digest()
