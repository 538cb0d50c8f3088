"""SBOMs that are attached to an image in its registry: referrers of OCI 1.1, tags of cosign, attestations of BuildKit.

Envelopes are unwrapped; signatures are not verified. Never interprets a document.
"""

from __future__ import annotations

import base64
import binascii
import itertools
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.images.access.documents import ImageDescriptor
from kubekeep.images.access.opened import AttachedSbom
from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.attachments import Attachment, fetch_attachment, list_attachments
from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.repository import OciRepository

_LARGEST: Final = 64 << 20
"""Maximum size in bytes of a document with its envelope."""
_MOST_MANIFESTS: Final = 32
_MOST_DOCUMENTS: Final = 32
_DOCUMENT_TYPES: Final = (
    "application/spdx+json",
    "text/spdx+json",
    "spdx+json",
    "text/spdx",
    "application/vnd.cyclonedx",
    "application/vnd.syft+json",
)
_ENVELOPE_TYPES: Final = (
    "application/vnd.in-toto",
    "application/vnd.dsse.envelope.v1+json",
    "application/vnd.dev.sigstore.bundle",
)
_PREDICATES: Final = ("https://spdx.dev/Document", "https://cyclonedx.org/bom", "https://syft.dev/bom")
_COSIGN_TAGS: Final = ("sbom", "att")


class _Envelope(msgspec.Struct, frozen=True, rename="camel"):
    """A DSSE envelope, or a bundle of Sigstore that contains one, or a statement without envelope."""

    class StatementSubject(msgspec.Struct, frozen=True):
        digest: dict[str, str] = {}

    payload: str = ""
    dsse_envelope: msgspec.Raw = msgspec.Raw()
    predicate_type: str = ""
    predicate: msgspec.Raw = msgspec.Raw(b"{}")
    subject: tuple[StatementSubject, ...] = ()


class _CosignPredicate(msgspec.Struct, frozen=True):
    """The predicate of old versions of cosign, which contains the document as a text."""

    document: str | None = msgspec.field(name="Data", default=None)


# Created here, because threads import this module (see `model.struct_types`).
_decode_envelope: Final = msgspec.json.Decoder(_Envelope).decode
_decode_predicate: Final = msgspec.json.Decoder(_CosignPredicate).decode


def list_sboms(
    repository: OciRepository, digests: Iterable[str], attestations: Iterable[ImageDescriptor]
) -> Iterator[AttachedSbom]:
    """Yield the documents of the manifest and index in `digests`, each once.

    Raises RegistryError, RejectedArtifactError and ImageAccessError.
    """
    subjects = tuple(filter(None, digests))
    documents = 0
    seen = set()
    for attachment in itertools.islice(_list_attachments(repository, subjects, attestations), _MOST_MANIFESTS):
        if attachment.problem:
            raise ImageAccessError(attachment.problem)
        for layer in attachment.layers:
            if layer.digest in seen or not _is_candidate(layer):
                continue
            seen.add(layer.digest)
            sbom = _read(repository, layer, subjects)
            if sbom is not None:
                documents += 1
                yield sbom
            if documents == _MOST_DOCUMENTS:
                return


def _list_attachments(
    repository: OciRepository, subjects: tuple[str, ...], attestations: Iterable[ImageDescriptor]
) -> Iterator[Attachment]:
    """Yield attestations of BuildKit, which are entries of the index, and then what refers to the image."""
    for descriptor in attestations:
        attachment = fetch_attachment(repository, descriptor.digest, "index", subjects[0])
        if attachment is not None:
            yield attachment
    yield from list_attachments(repository, subjects, (*_DOCUMENT_TYPES, *_ENVELOPE_TYPES), _COSIGN_TAGS)


def _is_candidate(layer: Descriptor) -> bool:
    predicate = layer.annotations.get("in-toto.io/predicate-type") or layer.annotations.get("predicateType")
    if predicate and not predicate.startswith(_PREDICATES):
        return False
    return layer.media_type.startswith((*_DOCUMENT_TYPES, *_ENVELOPE_TYPES))


def _read(repository: OciRepository, layer: Descriptor, subjects: tuple[str, ...]) -> AttachedSbom | None:
    """Return the document of a layer; None if it is about another image, or no SBOM."""
    if layer.size > _LARGEST:
        raise ImageAccessError(f"{layer.digest} has {layer.size:,} bytes; at most {_LARGEST:,} are read")
    content = repository.get_blob(layer, _LARGEST)
    if layer.media_type.startswith(_DOCUMENT_TYPES):
        return AttachedSbom(layer.media_type, layer.digest, content)
    try:
        return _unwrap(content, layer.digest, subjects)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError, binascii.Error) as error:
        raise ImageAccessError(f"{layer.digest} is not a valid attestation") from error


def _unwrap(content: bytes, digest: str, subjects: tuple[str, ...]) -> AttachedSbom | None:
    statement = _decode_envelope(content)
    if bytes(statement.dsse_envelope):
        statement = _decode_envelope(statement.dsse_envelope)
    if statement.payload:
        statement = _decode_envelope(base64.b64decode(statement.payload, validate=True))
    is_subject = any(f"sha256:{subject.digest.get('sha256')}" in subjects for subject in statement.subject)
    if not is_subject or not statement.predicate_type.startswith(_PREDICATES):
        return None
    return AttachedSbom(statement.predicate_type, digest, read_document(bytes(statement.predicate)))


def read_document(predicate: bytes) -> bytes:
    """Return the document in a predicate: the predicate itself, or a text in it. Raises msgspec.DecodeError."""
    if predicate.startswith(b'"'):
        return msgspec.json.decode(predicate, type=str).encode()
    text = _decode_predicate(predicate).document if predicate.startswith(b"{") else None
    return predicate if text is None else text.encode()
