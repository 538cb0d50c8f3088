"""Signing with an identity: a new key, a certificate of Fulcio for it, timestamps, and an entry in a transparency log.

The key exists in memory only. A bundle is returned only if it is valid for the trusted root.
"""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.keys import create_signature
from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.repository import OciRepository
from kubekeep.signatures.envelope import STATEMENT_PAYLOAD, encode_signed
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.keyless.services import SigningServices
from kubekeep.signatures.predicates import SIGNATURE_PREDICATE
from kubekeep.signatures.service_client import ServiceClient, ServiceError
from kubekeep.signatures.signing import create_envelope, create_statement, put_bundle
from kubekeep.signatures.sigstore.bundle import BUNDLE
from kubekeep.signatures.sigstore.certificates import CertificateIdentity, list_identities, read_issuer
from kubekeep.signatures.sigstore.trusted_root import TrustedRoot
from kubekeep.signatures.sigstore.verify import verify_signer
from kubekeep.signatures.stored_signature import decode_signed_bundle
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import Signer

_KEY_DETAILS: Final = "PKIX_ECDSA_P256_SHA_256"


class KeylessBundle(msgspec.Struct, frozen=True):
    """A valid bundle and its signer."""

    content: bytes
    signer: Signer


class KeylessSigner(msgspec.Struct, frozen=True):
    """An identity, the services that certify it, and the place of its signatures."""

    token: str
    services: SigningServices
    root: TrustedRoot
    client: ServiceClient
    repository: OciRepository

    def __repr__(self) -> str:
        return "KeylessSigner(...)"

    def sign(self, subject: Descriptor, annotations: dict[str, str]) -> tuple[str, Signer]:
        """Sign a manifest or index; return the digest of the signature and its signer.

        Raises ServiceError, RegistryError and RejectedArtifactError.
        """
        return self._put(subject, SIGNATURE_PREDICATE, b"{}", annotations)

    def attest(self, subject: Descriptor, predicate_type: str, predicate: bytes) -> tuple[str, Signer]:
        """Attach a signed statement, as `sign` does. predicate: from `compact_predicate`."""
        return self._put(subject, predicate_type, predicate, {})

    def _put(
        self, subject: Descriptor, predicate_type: str, predicate: bytes, annotations: dict[str, str]
    ) -> tuple[str, Signer]:
        statement = create_statement(subject.digest, predicate_type, predicate, annotations)
        bundle = create_bundle(statement, self.token, self.services, self.root, self.client)
        return put_bundle(self.repository, subject, bundle.content, predicate_type), bundle.signer


def create_bundle(
    statement: bytes, token: str, services: SigningServices, root: TrustedRoot, client: ServiceClient
) -> KeylessBundle:
    """Sign a statement and prove it. Raises ServiceError, also if the root does not accept the result."""
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _request_certificate(key, token, services.authority, client)
    message = encode_signed(STATEMENT_PAYLOAD, statement)
    signature = create_signature(key, message)
    envelope = create_envelope(statement, signature)
    material: dict[str, Any] = {"certificate": {"rawBytes": _encode(_to_der(certificate))}}
    if services.timestamp_authorities:
        stamps = [_request_timestamp(signature, url, client) for url in services.timestamp_authorities]
        material["timestampVerificationData"] = {
            "rfc3161Timestamps": [{"signedTimestamp": _encode(stamp)} for stamp in stamps]
        }
    match services.log_version:
        case 1:
            material["tlogEntries"] = [_add_entry(envelope, certificate, services.log, client)]
        case 2:
            material["tlogEntries"] = [_add_entry_2(message, signature, certificate, services.log, client)]
    bundle = {"mediaType": BUNDLE, "verificationMaterial": material, "dsseEnvelope": envelope}
    content = msgspec.json.encode(bundle)
    return KeylessBundle(content, _verify(content, certificate, root))


def _request_certificate(
    key: ec.EllipticCurvePrivateKey, token: str, url: str, client: ServiceClient
) -> x509.Certificate:
    """Return a certificate of Fulcio. The subject of the request is empty: the token names the identity."""
    request = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([])).sign(key, hashes.SHA256())
    document = {
        "credentials": {"oidcIdentityToken": token},
        "certificateSigningRequest": _encode(request.public_bytes(serialization.Encoding.PEM)),
    }
    reply = client.post_json(f"{url}/api/v2/signingCert", document)
    try:
        decoded = msgspec.json.decode(reply, type=_CertificateReply)
        chain = decoded.signed_certificate_embedded_sct or decoded.signed_certificate_detached_sct
        if chain is None or not chain.chain.certificates:
            raise ServiceError(f"{url}: the response has no certificate")
        certificate = x509.load_pem_x509_certificate(chain.chain.certificates[0].encode())
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ServiceError(f"{url}: the certificate cannot be read: {error}") from error
    if certificate.public_key() != key.public_key():
        raise ServiceError(f"{url}: the certificate is for another key")
    return certificate


class _Chain(msgspec.Struct, frozen=True):
    certificates: tuple[str, ...] = ()


class _SignedCertificate(msgspec.Struct, frozen=True):
    chain: _Chain = _Chain()


class _CertificateReply(msgspec.Struct, frozen=True):
    """A response of Fulcio: with the promise of a certificate log in the certificate, or without one."""

    signed_certificate_embedded_sct: _SignedCertificate | None = msgspec.field(
        name="signedCertificateEmbeddedSct", default=None
    )
    signed_certificate_detached_sct: _SignedCertificate | None = msgspec.field(
        name="signedCertificateDetachedSct", default=None
    )


def _request_timestamp(message: bytes, url: str, client: ServiceClient) -> bytes:
    from rfc3161_client import TimestampRequestBuilder  # noqa: PLC0415 - takes many milliseconds

    request = TimestampRequestBuilder().data(message).nonce(nonce=True).build()
    return client.post(url, request.as_bytes(), "application/timestamp-query", "application/timestamp-reply")


def _add_entry(
    envelope: dict[str, Any], certificate: x509.Certificate, url: str, client: ServiceClient
) -> dict[str, Any]:
    """Add an envelope to a log of Rekor 1; return the entry as in a bundle."""
    pem = certificate.public_bytes(serialization.Encoding.PEM)
    content = {"envelope": msgspec.json.encode(envelope).decode(), "verifiers": [_encode(pem)]}
    document = {"apiVersion": "0.0.1", "kind": "dsse", "spec": {"proposedContent": content}}
    reply = client.post_json(f"{url}/api/v1/log/entries", document)
    try:
        (entry,) = msgspec.json.decode(reply, type=dict[str, _LogReply]).values()
        log_id = bytes.fromhex(entry.log_id)
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ServiceError(f"{url}: the log entry cannot be read: {error}") from error
    proof = entry.verification.inclusion_proof
    return {
        "logIndex": str(entry.log_index),
        "logId": {"keyId": _encode(log_id)},
        "kindVersion": {"kind": "dsse", "version": "0.0.1"},
        "integratedTime": str(entry.integrated_time),
        "inclusionPromise": {"signedEntryTimestamp": entry.verification.signed_entry_timestamp},
        "inclusionProof": {
            "logIndex": str(proof.log_index),
            "rootHash": _encode(_read_hex(proof.root_hash, url)),
            "treeSize": str(proof.tree_size),
            "hashes": [_encode(_read_hex(text, url)) for text in proof.hashes],
            "checkpoint": {"envelope": proof.checkpoint},
        },
        "canonicalizedBody": entry.body,
    }


class _ProofReply(msgspec.Struct, frozen=True, rename="camel"):
    log_index: int
    tree_size: int
    root_hash: str
    checkpoint: str
    hashes: tuple[str, ...] = ()


class _Verification(msgspec.Struct, frozen=True, rename="camel"):
    inclusion_proof: _ProofReply
    signed_entry_timestamp: str


class _LogReply(msgspec.Struct, frozen=True, rename="camel"):
    body: str
    integrated_time: int
    log_id: str = msgspec.field(name="logID")
    log_index: int
    verification: _Verification


def _add_entry_2(
    message: bytes, signature: bytes, certificate: x509.Certificate, url: str, client: ServiceClient
) -> Any:
    """Add a signature to a log of Rekor 2, which keeps its digest only; return the entry as in a bundle."""
    verifier = {"x509Certificate": {"rawBytes": _encode(_to_der(certificate))}, "keyDetails": _KEY_DETAILS}
    request = {
        "digest": _encode(hashlib.sha256(message).digest()),
        "signature": {"content": _encode(signature), "verifier": verifier},
    }
    reply = client.post_json(f"{url}/api/v2/log/entries", {"hashedRekordRequestV002": request})
    try:
        return msgspec.json.decode(reply, type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ServiceError(f"{url}: the log entry cannot be read: {error}") from error


def _verify(content: bytes, certificate: x509.Certificate, root: TrustedRoot) -> Signer:
    """Return the signer, if the bundle is valid for the root: otherwise nobody could verify it."""
    identity = CertificateIdentity(
        identity=next(iter(list_identities(certificate)), ""), issuer=read_issuer(certificate)
    )
    try:
        signed = decode_signed_bundle(content, None, b"")
        return verify_signer(signed, Trust(identities=(identity,), root=root))
    except SignatureError as error:
        raise ServiceError(
            f"the services returned a signature that is not valid for the trusted root: {error}; "
            "run `kubekeep image trust update`"
        ) from error


def _read_hex(text: str, url: str) -> bytes:
    try:
        return bytes.fromhex(text)
    except ValueError as error:
        raise ServiceError(f"{url}: the proof of the log entry cannot be read: {error}") from error


def _to_der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.DER)


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
