"""Signatures of artifacts with a key: simple signing, stored under a separate tag as by cosign.

A signature covers the digest, not the name or tag, so that copies in other registries stay signed. Transparency logs
and certificates are not read.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from typing import Final

from kubekeep.registry.attach import append_layer, get_layers
from kubekeep.registry.attachments import tag_of
from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.registry.keys import PrivateKey, PublicKey, create_signature, is_valid
from kubekeep.registry.manifest import Descriptor, create_descriptor
from kubekeep.registry.reference import ArtifactReference
from kubekeep.registry.repository import OciRepository
from kubekeep.registry.simple_signing import PAYLOAD, SIGNATURE, create_payload, decode_payload

_MOST_BYTES: Final = 64 << 10
_SUFFIX: Final = "sig"


def sign(
    repository: OciRepository,
    reference: ArtifactReference,
    digest: str,
    key: PrivateKey,
) -> None:
    """Add a signature of the manifest `digest`, unless `key` has already signed it.

    Raises RegistryError and RejectedArtifactError.
    """
    payload = create_payload(reference.name, digest)
    for existing, other in _list_signatures(repository, get_layers(repository, digest, _SUFFIX) or ()):
        if existing == payload and is_valid(key.public_key(), other, existing):
            return
    signature = base64.b64encode(create_signature(key, payload, is_legacy=True)).decode()
    append_layer(repository, digest, _SUFFIX, payload, create_descriptor(payload, PAYLOAD, {SIGNATURE: signature}))


def verify(repository: OciRepository, digest: str, key: PublicKey) -> None:
    """Raise RejectedArtifactError unless the manifest `digest` has a signature by `key`."""
    layers = get_layers(repository, digest, _SUFFIX)
    if layers is None:
        raise RejectedArtifactError(f"{digest} is not signed: the repository has no tag {tag_of(digest, _SUFFIX)}")
    if not any(
        is_valid(key, signature, payload) and _read_digest(payload) == digest
        for payload, signature in _list_signatures(repository, layers)
    ):
        raise RejectedArtifactError(
            f"{digest} is not signed with this key: none of its {len(layers)} signatures matches"
        )


def _list_signatures(repository: OciRepository, layers: tuple[Descriptor, ...]) -> Iterator[tuple[bytes, bytes]]:
    """Yield (payload, signature) of each layer with a signature."""
    for layer in layers:
        if layer.media_type != PAYLOAD:
            continue
        try:
            signature = base64.b64decode(layer.annotations.get(SIGNATURE, ""), validate=True)
        except (binascii.Error, ValueError):
            continue
        if signature:
            yield repository.get_blob(layer, _MOST_BYTES), signature


def _read_digest(payload: bytes) -> str:
    """Return the signed digest of a payload, or "" if it is not a payload."""
    try:
        return decode_payload(payload).digest
    except ValueError:
        return ""
