"""Content of log entries: it must be the signature that is verified, by the same key or certificate.

Without this comparison, the entry of another signature would prove a time (CVE-2022-36056). No I/O.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.signed_object import SignedObject
from kubekeep.signatures.sigstore.bundle import LogEntry

_DIGESTS: Final = {"SHA2_256": "sha256", "SHA2_384": "sha384", "SHA2_512": "sha512"}


class _LogBody(msgspec.Struct, frozen=True, rename="camel"):
    kind: str
    api_version: str
    spec: dict[str, Any]


def compare_body(entry: LogEntry, signed: SignedObject, verifier: bytes) -> None:
    """Raise SignatureError unless the entry is about this signature by `verifier`, a certificate or key in DER."""
    try:
        body = msgspec.json.decode(entry.canonicalized_body, type=_LogBody)
        declared = entry.kind_version
        if declared.kind and (declared.kind, declared.version) != (body.kind, body.api_version):
            raise SignatureError("the log entry declares another type than it has")
        compare = _COMPARISONS.get((body.kind, body.api_version))
        if compare is None:
            raise SignatureError(f"a log entry of the unsupported type {body.kind[:50]} {body.api_version[:10]}")
        reason = compare(body.spec, signed, verifier)
    except (msgspec.DecodeError, KeyError, TypeError, ValueError, binascii.Error, RecursionError) as error:
        raise SignatureError("the content of the log entry is not valid") from error
    if reason:
        raise SignatureError(f"the log entry is about another signature: {reason} differs")


def _compare_hashedrekord_1(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    data = spec["data"]["hash"]
    if not _equal_hash(signed, str(data["algorithm"]), bytes.fromhex(data["value"])):
        return "the hash of the signed content"
    if _decode(spec["signature"]["content"]) != signed.signature:
        return "the signature"
    return "" if _decode_pem(_decode(spec["signature"]["publicKey"]["content"])) == verifier else "the signer"


def _compare_hashedrekord_2(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    record = spec["hashedRekordV002"]
    if not _equal_hash(signed, _DIGESTS[record["data"]["algorithm"]], _decode(record["data"]["digest"])):
        return "the hash of the signed content"
    if _decode(record["signature"]["content"]) != signed.signature:
        return "the signature"
    return "" if _read_verifier(record["signature"]["verifier"]) == verifier else "the signer"


def _compare_dsse_1(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    if not _equal_payload(signed, spec["payloadHash"]["algorithm"], bytes.fromhex(spec["payloadHash"]["value"])):
        return "the hash of the payload"
    signatures = [
        (_decode(entry["signature"]), _decode_pem(_decode(entry["verifier"]))) for entry in spec["signatures"]
    ]
    return _compare_signatures(signatures, signed, verifier)


def _compare_dsse_2(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    record = spec["dsseV002"]
    payload_hash = record["payloadHash"]
    if not _equal_payload(signed, _DIGESTS[payload_hash["algorithm"]], _decode(payload_hash["digest"])):
        return "the hash of the payload"
    signatures = [(_decode(entry["content"]), _read_verifier(entry["verifier"])) for entry in record["signatures"]]
    return _compare_signatures(signatures, signed, verifier)


def _compare_intoto_1(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    """Compare an entry without signature: the hash of the stored envelope stands for it."""
    content = spec["content"]["hash"]
    if content["algorithm"] != "sha256" or bytes.fromhex(content["value"]) != hashlib.sha256(signed.stored).digest():
        return "the hash of the envelope"
    return "" if signed.stored and _decode_pem(_decode(spec["publicKey"])) == verifier else "the signer"


def _compare_intoto_2(spec: Any, signed: SignedObject, verifier: bytes) -> str:
    content = spec["content"]
    payload_hash = content["payloadHash"]
    if not _equal_payload(signed, payload_hash["algorithm"], bytes.fromhex(payload_hash["value"])):
        return "the hash of the payload"
    envelope = content["envelope"]
    if signed.envelope is None or envelope["payloadType"] != signed.envelope.payload_type:
        return "the type of the payload"
    # Rekor encodes the Base64 text of the envelope once more.
    signatures = [
        (_decode(_decode(entry["sig"])), _decode_pem(_decode(entry["publicKey"]))) for entry in envelope["signatures"]
    ]
    return _compare_signatures(signatures, signed, verifier)


_COMPARISONS: Final = {
    ("hashedrekord", "0.0.1"): _compare_hashedrekord_1,
    ("hashedrekord", "0.0.2"): _compare_hashedrekord_2,
    ("dsse", "0.0.1"): _compare_dsse_1,
    ("dsse", "0.0.2"): _compare_dsse_2,
    ("intoto", "0.0.1"): _compare_intoto_1,
    ("intoto", "0.0.2"): _compare_intoto_2,
}


def _compare_signatures(signatures: list[tuple[bytes, bytes]], signed: SignedObject, verifier: bytes) -> str:
    """Return the difference; the entry must have the signatures of the envelope and no others."""
    if signed.envelope is None or len(signatures) != len(signed.envelope.signatures):
        return "the number of signatures"
    if signed.signature not in (signature for signature, _ in signatures):
        return "the signature"
    return "" if (signed.signature, verifier) in signatures else "the signer"


def _equal_hash(signed: SignedObject, algorithm: str, value: bytes) -> bool:
    expected = signed.compute_hash(algorithm)
    return bool(expected) and expected == value


def _equal_payload(signed: SignedObject, algorithm: str, value: bytes) -> bool:
    return (
        signed.envelope is not None
        and algorithm == "sha256"
        and hashlib.sha256(signed.envelope.payload).digest() == value
    )


def _read_verifier(verifier: Any) -> bytes:
    part = verifier.get("x509Certificate") or verifier["publicKey"]
    return _decode(part["rawBytes"])


def _decode(text: str | bytes) -> bytes:
    return base64.b64decode(text, validate=True)


def _decode_pem(content: bytes) -> bytes:
    """Return a certificate or public key in DER. Raises ValueError."""
    if b"-----BEGIN CERTIFICATE-----" in content:
        return x509.load_pem_x509_certificate(content).public_bytes(serialization.Encoding.DER)
    try:
        key = serialization.load_pem_public_key(content)
    except UnsupportedAlgorithm as error:
        raise ValueError("a key of an unsupported type") from error
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
