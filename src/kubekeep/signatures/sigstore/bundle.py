"""Sigstore bundles, versions 0.1 to 0.3: decoding and rules of form. Never verifies a signature."""

from __future__ import annotations

from typing import Annotated, Final

import msgspec
from cryptography import x509

from kubekeep.signatures.envelope import DsseEnvelope
from kubekeep.signatures.errors import SignatureError

BUNDLE: Final = "application/vnd.dev.sigstore.bundle.v0.3+json"
_VERSIONS: Final = {
    "application/vnd.dev.sigstore.bundle+json;version=0.1": 1,
    "application/vnd.dev.sigstore.bundle+json;version=0.2": 2,
    "application/vnd.dev.sigstore.bundle+json;version=0.3": 3,
    "application/vnd.dev.sigstore.bundle.v0.1+json": 1,
    "application/vnd.dev.sigstore.bundle.v0.2+json": 2,
    BUNDLE: 3,
}
_MOST_ENTRIES: Final = 8
_MOST_TIMESTAMPS: Final = 32
_MOST_CERTIFICATES: Final = 16
Number = Annotated[int, msgspec.Meta(ge=0, le=(1 << 63) - 1)]


class _Message(msgspec.Struct, frozen=True, rename="camel"):
    """A message of the protocol; numbers may be texts."""


class LogId(_Message, frozen=True):
    """Identity of a transparency log."""

    key_id: bytes = b""


class KindVersion(_Message, frozen=True):
    """Type of a log entry."""

    kind: str = ""
    version: str = ""


class InclusionPromise(_Message, frozen=True):
    """The signed entry timestamp (SET) of a log."""

    signed_entry_timestamp: bytes = b""


class Checkpoint(_Message, frozen=True):
    """A signed note about the state of a log."""

    envelope: str = ""


class InclusionProof(_Message, frozen=True):
    """The path of an entry in a log's Merkle tree."""

    log_index: Number = 0
    root_hash: bytes = b""
    tree_size: Number = 0
    hashes: tuple[bytes, ...] = ()
    checkpoint: Checkpoint | None = None


class LogEntry(_Message, frozen=True):
    """An entry of a transparency log. integrated_time: Unix time; 0 if unknown."""

    log_index: Number = 0
    log_id: LogId = LogId()
    kind_version: KindVersion = KindVersion()
    integrated_time: Number = 0
    inclusion_promise: InclusionPromise | None = None
    inclusion_proof: InclusionProof | None = None
    canonicalized_body: bytes = b""


class EncodedCertificate(_Message, frozen=True):
    """A certificate in DER."""

    raw_bytes: bytes = b""


class CertificateChain(_Message, frozen=True):
    """Certificates, that of the signer first."""

    certificates: tuple[EncodedCertificate, ...] = ()


class PublicKeyHint(_Message, frozen=True):
    """A hint to the key of a signer; never trusted."""

    hint: str = ""


class _SignedTimestamp(_Message, frozen=True):
    signed_timestamp: bytes = b""


class _TimestampData(_Message, frozen=True):
    rfc3161_timestamps: tuple[_SignedTimestamp, ...] | None = msgspec.field(name="rfc3161Timestamps", default=None)


class VerificationMaterial(_Message, frozen=True):
    """Certificate or key, log entries and timestamps of a signature."""

    certificate: EncodedCertificate | None = None
    x509_certificate_chain: CertificateChain | None = msgspec.field(name="x509CertificateChain", default=None)
    public_key: PublicKeyHint | None = None
    tlog_entries: tuple[LogEntry, ...] | None = None
    timestamp_verification_data: _TimestampData | None = None

    @property
    def timestamps(self) -> tuple[bytes, ...]:
        """Timestamps of RFC 3161."""
        data = self.timestamp_verification_data or _TimestampData()
        return tuple(entry.signed_timestamp for entry in data.rfc3161_timestamps or ())

    @property
    def certificates(self) -> tuple[bytes, ...]:
        """The certificate of the signer and those after it; empty for a key."""
        if self.certificate is not None:
            return (self.certificate.raw_bytes,)
        chain = self.x509_certificate_chain or CertificateChain()
        return tuple(entry.raw_bytes for entry in chain.certificates)


class _MessageDigest(_Message, frozen=True):
    algorithm: str = ""
    digest: bytes = b""


class MessageSignature(_Message, frozen=True):
    """A signature of a message that is not in the bundle."""

    signature: bytes = b""
    message_digest: _MessageDigest | None = None


class SigstoreBundle(_Message, frozen=True):
    """A bundle: one signature, of a message or of an envelope, with its proofs."""

    media_type: str
    verification_material: VerificationMaterial
    message_signature: MessageSignature | None = None
    dsse_envelope: DsseEnvelope | None = None

    @property
    def version(self) -> int:
        """The minor version."""
        return _VERSIONS[self.media_type]


def decode_bundle(content: bytes) -> SigstoreBundle:
    """Decode a bundle and check its form. Raises SignatureError."""
    try:
        bundle = msgspec.json.decode(content, type=SigstoreBundle, strict=False)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SignatureError(f"not a bundle of Sigstore: {error}") from error
    if bundle.media_type not in _VERSIONS:
        raise SignatureError(f"a bundle of the unsupported type {bundle.media_type[:100]!r}")
    _check_content(bundle)
    _check_material(bundle)
    return bundle


def _check_content(bundle: SigstoreBundle) -> None:
    if (bundle.message_signature is None) == (bundle.dsse_envelope is None):
        raise SignatureError("the bundle has not exactly one of messageSignature and dsseEnvelope")
    if bundle.dsse_envelope is not None and len(bundle.dsse_envelope.signatures) != 1:
        raise SignatureError(f"the envelope has {len(bundle.dsse_envelope.signatures)} signatures instead of one")


def _check_material(bundle: SigstoreBundle) -> None:
    material = bundle.verification_material
    kinds = (material.certificate, material.x509_certificate_chain, material.public_key)
    if sum(kind is not None for kind in kinds) != 1:
        raise SignatureError("the bundle has not exactly one of certificate, x509CertificateChain and publicKey")
    if material.public_key is None and not all(material.certificates or (b"",)):
        raise SignatureError("the bundle has no certificate")
    if material.x509_certificate_chain is not None and bundle.version >= 3:
        raise SignatureError("a bundle of version 0.3 has a single certificate, not a chain")
    if len(material.certificates) > _MOST_CERTIFICATES:
        raise SignatureError(f"more than {_MOST_CERTIFICATES} certificates")
    if any(map(_is_self_issued, material.certificates[1:])):
        # Trust comes from the trusted root alone (Sigstore bundle format, x509_certificate_chain).
        raise SignatureError("the chain of the bundle contains the certificate of a root")
    _check_proofs(bundle.version, material)


def _is_self_issued(content: bytes) -> bool:
    """Return True for a certificate of a root; one that cannot be decoded is refused when the chain is built."""
    try:
        certificate = x509.load_der_x509_certificate(content)
    except ValueError:
        return False
    return certificate.issuer == certificate.subject


def _check_proofs(version: int, material: VerificationMaterial) -> None:
    entries = material.tlog_entries or ()
    if len(entries) > _MOST_ENTRIES:
        raise SignatureError(f"more than {_MOST_ENTRIES} log entries")
    for entry in entries:
        if version == 1 and material.public_key is None and entry.inclusion_promise is None:
            raise SignatureError("the log entry has no signed timestamp, which version 0.1 requires")
        if version > 1 and entry.inclusion_proof is None:
            raise SignatureError("the log entry has no proof of inclusion")
    if len(set(material.timestamps)) != len(material.timestamps):
        raise SignatureError("a timestamp is repeated")
    if len(material.timestamps) > _MOST_TIMESTAMPS:
        raise SignatureError(f"more than {_MOST_TIMESTAMPS} timestamps")
