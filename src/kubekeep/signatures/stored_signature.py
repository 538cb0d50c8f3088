"""Signatures and attestations in the artifacts of an image: decoding of each layout. Nothing is verified here.

Layouts: simple signing and envelopes in layers with annotations, as by cosign up to version 2, and bundles of Sigstore.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE
from kubekeep.signatures.discovery import NOTATION, SignatureArtifact
from kubekeep.signatures.envelope import ENVELOPE, decode_envelope
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.signed_object import SignedObject
from kubekeep.signatures.sigstore.bundle import InclusionPromise, LogEntry, LogId, Number, decode_bundle

COSIGN: Final = "cosign"
BUNDLE_FORMAT: Final = "sigstore-bundle"
_CERTIFICATE: Final = "dev.sigstore.cosign/certificate"
_CHAIN: Final = "dev.sigstore.cosign/chain"
_LOG: Final = "dev.sigstore.cosign/bundle"
_TIMESTAMP: Final = "dev.sigstore.cosign/rfc3161timestamp"
_BUNDLES: Final = "application/vnd.dev.sigstore.bundle"
_NOTATION_PROBLEM: Final = "a signature of the Notary Project, which has other trust settings"
_LARGEST_PAYLOAD: Final = 1 << 20
_MOST_CERTIFICATES: Final = 16
_MOST_SIGNATURES: Final = 16


class StoredSignature(msgspec.Struct, frozen=True, kw_only=True):
    """One signature or attestation of an image, or the problem that prevents its decoding.

    reference: digest of its artifact, or tag and number of the layer. subject: digest of the manifest to which it is attached.
    """

    format: str
    layout: str
    reference: str
    subject: str
    signed: SignedObject | None = None
    problem: str = ""


class _LogPayload(msgspec.Struct, frozen=True, rename="camel"):
    body: bytes
    integrated_time: Number = 0
    log_index: Number = 0
    log_id: str = msgspec.field(name="logID", default="")


class _LogAnnotation(msgspec.Struct, frozen=True, rename="pascal"):
    """The signed entry of a log, in an annotation."""

    signed_entry_timestamp: bytes
    payload: _LogPayload


class _TimestampAnnotation(msgspec.Struct, frozen=True):
    timestamp: bytes = msgspec.field(name="SignedRFC3161Timestamp")


def read_signatures(artifact: SignatureArtifact) -> Iterator[StoredSignature]:
    """Yield the signatures and attestations of an artifact. Fetches its layers; raises RegistryError."""
    attachment = artifact.attachment
    problem = _NOTATION_PROBLEM if attachment.artifact_type == NOTATION else attachment.problem
    if problem:
        yield StoredSignature(
            format=COSIGN,
            layout=attachment.layout,
            reference=attachment.reference,
            subject=attachment.subject,
            problem=problem,
        )
        return
    for number, layer in enumerate(attachment.layers):
        if not layer.media_type.startswith((PAYLOAD, ENVELOPE, _BUNDLES)):
            continue
        is_tag = attachment.layout == "legacy-tag"
        common: dict[str, Any] = {
            "format": BUNDLE_FORMAT if layer.media_type.startswith(_BUNDLES) else COSIGN,
            "layout": attachment.layout,
            "reference": f"{attachment.reference}[{number}]" if is_tag else attachment.reference,
            "subject": attachment.subject,
        }
        try:
            for signed in _read_layer(artifact, layer, attachment.subject):
                yield StoredSignature(signed=signed, **common)
        except (SignatureError, RejectedArtifactError) as error:
            yield StoredSignature(problem=str(error), **common)


def decode_signed_bundle(content: bytes, message: bytes | None, digest: bytes) -> SignedObject:
    """Return the signature in a bundle; `message` and its SHA-256 `digest` are used without an envelope.

    Raises SignatureError.
    """
    bundle = decode_bundle(content)
    material = bundle.verification_material
    envelope = bundle.dsse_envelope
    if envelope is not None:
        message = envelope.encode_signed()
        digest = hashlib.sha256(message).digest()
        signature = envelope.signatures[0].sig
    elif bundle.message_signature is not None:
        signature = bundle.message_signature.signature
        declared = bundle.message_signature.message_digest
        if declared is not None and declared.algorithm == "SHA2_256" and declared.digest != digest:
            raise SignatureError("the bundle is about content with another digest")
    return SignedObject(
        message=message,
        digest=digest,
        signature=signature,
        envelope=envelope,
        stamped=signature,
        certificates=material.certificates,
        entries=material.tlog_entries or (),
        timestamps=material.timestamps,
        needs_proof=bundle.version > 1,
    )


def _read_layer(artifact: SignatureArtifact, layer: Descriptor, subject: str) -> Iterator[SignedObject]:
    if layer.media_type.startswith(_BUNDLES):
        yield decode_signed_bundle(artifact.read_layer(layer), None, bytes.fromhex(subject.partition(":")[2]))
        return
    annotations = layer.annotations
    proofs: dict[str, Any] = {
        "certificates": (*_read_certificates(annotations, _CERTIFICATE, 1), *_read_certificates(annotations, _CHAIN)),
        "entries": _read_log(annotations),
        "timestamps": _read_timestamp(annotations),
    }
    if layer.media_type.startswith(ENVELOPE):
        content = artifact.read_layer(layer)
        envelope = decode_envelope(content)
        if not 0 < len(envelope.signatures) <= _MOST_SIGNATURES:
            raise SignatureError(f"the envelope has {len(envelope.signatures)} signatures")
        message = envelope.encode_signed()
        for entry in envelope.signatures:
            yield SignedObject(
                message=message,
                digest=hashlib.sha256(message).digest(),
                signature=entry.sig,
                envelope=envelope,
                stored=content,
                stamped=content,
                **proofs,
            )
        return
    signature = _decode_signature(annotations)
    message = artifact.read_layer(layer, _LARGEST_PAYLOAD)
    yield SignedObject(
        message=message, digest=hashlib.sha256(message).digest(), signature=signature, stamped=signature, **proofs
    )


def _decode_signature(annotations: dict[str, str]) -> bytes:
    try:
        signature = msgspec.convert(annotations.get(SIGNATURE, ""), bytes)
    except msgspec.ValidationError as error:
        raise SignatureError("the signature is not Base64") from error
    if not signature:
        raise SignatureError("the layer has no signature")
    return signature


def _read_certificates(annotations: dict[str, str], name: str, most: int = _MOST_CERTIFICATES) -> tuple[bytes, ...]:
    text = annotations.get(name, "")
    if not text:
        return ()
    try:
        certificates = x509.load_pem_x509_certificates(text.encode())
    except ValueError as error:
        raise SignatureError(f"the annotation {name} has no valid certificate") from error
    if len(certificates) > most:
        raise SignatureError(f"the annotation {name} has {len(certificates)} certificates; at most {most} are allowed")
    return tuple(certificate.public_bytes(serialization.Encoding.DER) for certificate in certificates)


def _read_log(annotations: dict[str, str]) -> tuple[LogEntry, ...]:
    text = annotations.get(_LOG, "")
    if not text:
        return ()
    try:
        entry = msgspec.json.decode(text, type=_LogAnnotation)
        log_id = bytes.fromhex(entry.payload.log_id)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise SignatureError(f"the annotation {_LOG} is not valid") from error
    return (
        LogEntry(
            log_index=entry.payload.log_index,
            log_id=LogId(log_id),
            integrated_time=entry.payload.integrated_time,
            inclusion_promise=InclusionPromise(entry.signed_entry_timestamp),
            canonicalized_body=entry.payload.body,
        ),
    )


def _read_timestamp(annotations: dict[str, str]) -> tuple[bytes, ...]:
    text = annotations.get(_TIMESTAMP, "")
    if not text or text == "null":
        return ()
    try:
        return (msgspec.json.decode(text, type=_TimestampAnnotation).timestamp,)
    except (msgspec.DecodeError, RecursionError) as error:
        raise SignatureError(f"the annotation {_TIMESTAMP} is not valid") from error
