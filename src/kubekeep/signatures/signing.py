"""Signing of images with a key, and attestations: new ones as bundles of Sigstore, or in the layout of cosign 2.

Makes no entry in a transparency log. Nothing that is attached to an image is removed.
"""

from __future__ import annotations

import base64
import datetime as dt
import enum
import hashlib
from typing import Any, Final

import msgspec

from kubekeep.registry.attach import append_layer, put_referrer
from kubekeep.registry.keys import PrivateKey, create_signature, encode_public_key
from kubekeep.registry.manifest import Descriptor, create_descriptor
from kubekeep.registry.repository import OciRepository
from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE, create_payload
from kubekeep.signatures.envelope import ENVELOPE, STATEMENT_PAYLOAD, STATEMENT_V1, encode_signed
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.predicates import SIGNATURE_PREDICATE
from kubekeep.signatures.sigstore.bundle import BUNDLE

_LARGEST_PREDICATE: Final = 24 << 20
"""Maximum size in bytes; verification reads envelopes of up to 32 MiB, in which the predicate is Base64."""


class SignatureLayout(enum.StrEnum):
    """The place of a new signature: a referrer with a bundle, or the tag that versions 1 and 2 of cosign read."""

    REFERRERS = "referrers"
    LEGACY_TAG = "legacy-tag"


class ImageSigner(msgspec.Struct, frozen=True):
    """A private key, and where its signatures go. name: registry and repository of the image, for the payload."""

    key: Any
    repository: OciRepository
    name: str
    layout: SignatureLayout = SignatureLayout.REFERRERS

    def sign(self, subject: Descriptor, annotations: dict[str, str]) -> str:
        """Sign a manifest or index; return the digest or tag of the signature.

        Raises RegistryError and RejectedArtifactError.
        """
        if self.layout is SignatureLayout.REFERRERS:
            return self._put_bundle(subject, SIGNATURE_PREDICATE, b"{}", annotations)
        payload = create_payload(self.name, subject.digest, annotations)
        return self._append(subject, "sig", payload, PAYLOAD, {SIGNATURE: _encode(self._sign_legacy(payload))})

    def attest(self, subject: Descriptor, predicate_type: str, predicate: bytes) -> str:
        """Attach a signed statement about a manifest or index; return its digest or tag.

        predicate: from `compact_predicate`. Raises RegistryError and RejectedArtifactError.
        """
        if self.layout is SignatureLayout.REFERRERS:
            return self._put_bundle(subject, predicate_type, predicate, {})
        payload = create_statement(subject.digest, predicate_type, predicate, {})
        signature = self._sign_legacy(encode_signed(STATEMENT_PAYLOAD, payload))
        envelope = msgspec.json.encode(create_envelope(payload, signature))
        return self._append(subject, "att", envelope, ENVELOPE, {SIGNATURE: "", "predicateType": predicate_type})

    def _sign_legacy(self, message: bytes) -> bytes:
        private_key: PrivateKey = self.key
        return create_signature(private_key, message, is_legacy=True)

    def _append(
        self, subject: Descriptor, suffix: str, content: bytes, media_type: str, annotations: dict[str, str]
    ) -> str:
        layer = create_descriptor(content, media_type, annotations)
        return append_layer(self.repository, subject.digest, suffix, content, layer)

    def _put_bundle(
        self, subject: Descriptor, predicate_type: str, predicate: bytes, annotations: dict[str, str]
    ) -> str:
        payload = create_statement(subject.digest, predicate_type, predicate, annotations)
        signature = create_signature(self.key, encode_signed(STATEMENT_PAYLOAD, payload))
        hint = hashlib.sha256(encode_public_key(self.key.public_key())).digest()
        bundle = {
            "mediaType": BUNDLE,
            "verificationMaterial": {"publicKey": {"hint": _encode(hint)}},
            "dsseEnvelope": create_envelope(payload, signature),
        }
        return put_bundle(self.repository, subject, msgspec.json.encode(bundle), predicate_type)


def compact_predicate(content: bytes) -> bytes:
    """Return the JSON of a predicate without spaces. Raises TrustError if it is too large or not JSON."""
    if len(content) > _LARGEST_PREDICATE:
        raise TrustError(f"the predicate has {len(content):,} bytes; the limit is {_LARGEST_PREDICATE:,}")
    try:
        msgspec.json.decode(content)
        return msgspec.json.format(content, indent=-1)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise TrustError(f"the predicate is not JSON: {error}") from error


def put_bundle(repository: OciRepository, subject: Descriptor, bundle: bytes, predicate_type: str) -> str:
    """Attach a bundle with an envelope as a referrer; return its digest. Raises RegistryError and RejectedArtifactError."""
    annotations = {
        "dev.sigstore.bundle.content": "dsse-envelope",
        "dev.sigstore.bundle.predicateType": predicate_type,
        "org.opencontainers.image.created": dt.datetime.now(dt.UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
    }
    return put_referrer(repository, subject, BUNDLE, (bundle, BUNDLE), annotations)


def create_statement(digest: str, predicate_type: str, predicate: bytes, annotations: dict[str, str]) -> bytes:
    """Return an in-toto statement about a digest. predicate: JSON."""
    algorithm, _, value = digest.partition(":")
    subject: dict[str, Any] = {"digest": {algorithm: value}}
    if annotations:
        subject["annotations"] = annotations
    return msgspec.json.encode(
        {
            "_type": STATEMENT_V1,
            "subject": [subject],
            "predicateType": predicate_type,
            "predicate": msgspec.Raw(predicate),
        }
    )


def create_envelope(payload: bytes, signature: bytes) -> dict[str, Any]:
    """Return the envelope of a statement and its signature, as JSON values."""
    return {
        "payload": _encode(payload),
        "payloadType": STATEMENT_PAYLOAD,
        "signatures": [{"keyid": "", "sig": _encode(signature)}],
    }


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()
