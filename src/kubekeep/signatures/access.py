"""Access to images and their signatures in registries: fetch the signatures of an image, and open it to write new ones.

Reads manifests and configurations, never a layer.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Final

import msgspec

from kubekeep.images.access.documents import ACCEPT, decode_document
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.references import ReferenceKind, parse_image_reference
from kubekeep.images.access.registry_image import RegistryImage
from kubekeep.images.access.repositories import ImageRepositories, get_manifest
from kubekeep.images.errors import ImageAccessError
from kubekeep.images.options import ImageIdentity
from kubekeep.model.text import visible
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.manifest import INDEX, MANIFEST, Descriptor, compute_digest
from kubekeep.registry.reference import ArtifactReference, parse_image_name
from kubekeep.registry.repository import OciRepository
from kubekeep.signatures.discovery import list_artifacts
from kubekeep.signatures.notation.envelope import TargetArtifact
from kubekeep.signatures.notation.image import NotationSignature, is_notation, read_signature, verify_notation
from kubekeep.signatures.notation.verify import NotationTrust
from kubekeep.signatures.stored_signature import StoredSignature, read_signatures
from kubekeep.signatures.trust import Trust
from kubekeep.signatures.verification import SignatureProblem, SignatureReport, VerifiedSignature
from kubekeep.signatures.verify import verify_signatures

REGISTRY: Final = "docker://"
"""Prefix of references to images in registries."""


class SignatureAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Access to an image and its signatures. repository: with the signatures, if it is not the image's own."""

    images: AccessOptions
    repository: str = ""


class FetchedSignatures(msgspec.Struct, frozen=True):
    """The signatures of an image, fetched and not verified. digests: of its manifest, and of the index that led to it.

    notation: those of the Notary Project.
    """

    reference: str
    digests: tuple[str, ...]
    signatures: tuple[StoredSignature, ...]
    notation: tuple[NotationSignature, ...] = ()

    @property
    def root(self) -> str:
        """The digest that the reference names, of the index if it names one."""
        return self.digests[-1]

    def select_root(self) -> FetchedSignatures:
        """Return the signatures of the digest that the reference names, without those of one manifest below an index.

        A signed manifest says nothing about the index: anyone with the right to push can list it in another one.
        """
        return msgspec.structs.replace(
            self,
            digests=(self.root,),
            signatures=tuple(stored for stored in self.signatures if stored.subject == self.root),
            notation=tuple(stored for stored in self.notation if stored.target.digest == self.root),
        )


class OpenImage(msgspec.Struct, frozen=True):
    """An image in its repository, and the repository of its signatures. subject: the manifest or index to sign."""

    name: str
    repository: OciRepository
    signatures: OciRepository
    digests: tuple[str, ...]
    subject: Descriptor


def fetch_signatures(reference: str, access: SignatureAccess) -> FetchedSignatures:
    """Fetch the signatures and attestations of an image. Raises ImageAccessError.

    Without a platform, they are those of the manifest or index that the reference names; with one, those of its manifest and
    of its index.
    """
    with _open(reference, access) as image:
        artifacts = list(list_artifacts(image.repository, image.digests, signature_repository=image.signatures))
        signatures = tuple(signature for artifact in artifacts for signature in read_signatures(artifact))
        notation = tuple(
            read_signature(artifact, _find_target(image, artifact.attachment.subject))
            for artifact in artifacts
            if is_notation(artifact)
        )
    return FetchedSignatures(reference, image.digests, signatures, notation)


def fetch_identity_signatures(
    name: ArtifactReference, identity: ImageIdentity, access: SignatureAccess
) -> FetchedSignatures:
    """Fetch the signatures of the manifest and of the index of an image, by digest. Raises ImageAccessError."""
    pinned = f"{REGISTRY}{name.name}@{identity.index_digest or identity.digest}"
    # Without a cached manifest, the first request decides between TLS and plain HTTP, and between mirrors.
    images = msgspec.structs.replace(access.images, platform=identity.platform, manifest_cache="")
    return fetch_signatures(pinned, msgspec.structs.replace(access, images=images))


def verify_fetched(fetched: FetchedSignatures, trust: Trust | NotationTrust) -> SignatureReport:
    """Verify the signatures of an image with the trust in one signer. Raises TrustError."""
    if isinstance(trust, Trust):
        return verify_signatures(fetched.reference, fetched.digests, fetched.signatures, trust)
    results = list(verify_notation(fetched.notation, trust))
    return SignatureReport(
        fetched.reference,
        fetched.digests[0],
        tuple(result for result in results if isinstance(result, VerifiedSignature)),
        tuple(result for result in results if isinstance(result, SignatureProblem)),
    )


def open_to_write(reference: str, access: SignatureAccess) -> contextlib.AbstractContextManager[OpenImage]:
    """Open the registry itself: a signature in a mirror would be lost."""
    images = msgspec.structs.replace(access.images, mirrors={})
    return _open(reference, msgspec.structs.replace(access, images=images))


@contextlib.contextmanager
def _open(reference: str, access: SignatureAccess) -> Iterator[OpenImage]:
    """Open the repositories of an image and of its signatures. Raises ImageAccessError, which names the image."""
    with contextlib.ExitStack() as stack:
        try:
            parsed = parse_image_reference(reference)
            if parsed.kind is not ReferenceKind.REGISTRY or parsed.name is None:
                raise ImageAccessError("signatures are kept in registries: use a name such as registry.example/app:1.0")  # noqa: TRY301
            repository, digests, subject = _open_subject(stack, reference, parsed.name, access.images)
            signatures = repository
            if access.repository:
                signatures = _open_separate(stack, access, subject.digest)
            yield OpenImage(parsed.name.name, repository, signatures, digests, subject)
        except (ImageAccessError, RegistryError, RejectedArtifactError) as error:
            text = str(error)
            prefix = f"{visible(reference)}: "
            raise ImageAccessError(text if text.startswith(prefix) else prefix + text) from error


def _open_subject(
    stack: contextlib.ExitStack, reference: str, name: ArtifactReference, options: AccessOptions
) -> tuple[OciRepository, tuple[str, ...], Descriptor]:
    """Return the repository, the digests of manifest and index, and the manifest to sign."""
    if options.platform:
        image = stack.enter_context(RegistryImage(reference, parse_image_reference(reference), options))
        content = get_manifest(image.repository, image.digest)
        return image.repository, tuple(filter(None, (image.digest, image.index_digest))), _describe(content)
    repositories = ImageRepositories(name, options)
    stack.callback(repositories.close)
    subject = _describe(repositories.try_each(lambda repository: get_manifest(repository, name.version)))
    return repositories.preferred, (subject.digest,), subject


def _open_separate(stack: contextlib.ExitStack, access: SignatureAccess, digest: str) -> OciRepository:
    """Return the repository with signatures. Raises ImageAccessError if its registry cannot be reached."""
    try:
        name = parse_image_name(access.repository)
    except ValueError as error:
        raise ImageAccessError(f"--repository: {error}") from error
    repositories = ImageRepositories(name, access.images)
    stack.callback(repositories.close)
    # One request decides between TLS and plain HTTP, and between mirrors.
    repositories.try_each(lambda repository: repository.get_manifest(digest, ACCEPT))
    return repositories.preferred


def _describe(content: bytes) -> Descriptor:
    document = decode_document(content)
    media_type = document.media_type or (INDEX if document.is_index else MANIFEST)
    return Descriptor(media_type=media_type, digest=compute_digest(content), size=len(content))


def _find_target(image: OpenImage, digest: str) -> TargetArtifact:
    """Return the descriptor of the manifest or index of an image, which notation signs as a whole."""
    subject = image.subject
    if digest != subject.digest:
        subject = _describe(get_manifest(image.repository, digest))
    return TargetArtifact(subject.media_type, subject.digest, subject.size)
