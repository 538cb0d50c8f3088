"""Signatures and attestations of images in registries: verify them, and make new ones. Never prints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import msgspec

from kubekeep.images.access.documents import ACCEPT, decode_document
from kubekeep.images.access.options import AccessOptions
from kubekeep.images.access.references import ReferenceKind, parse_image_reference
from kubekeep.images.access.registry_image import RegistryImage
from kubekeep.images.access.repositories import ImageRepositories, get_manifest
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import visible
from kubekeep.registry.errors import RegistryError, RejectedArtifactError
from kubekeep.registry.keys import PrivateKey, fingerprint
from kubekeep.registry.manifest import INDEX, MANIFEST, Descriptor, compute_digest
from kubekeep.registry.reference import ArtifactReference, hide_login, parse_image_name
from kubekeep.registry.repository import OciRepository
from kubekeep.signatures.discovery import list_artifacts
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.envelope import TargetArtifact
from kubekeep.signatures.notation.image import NotationSignature, is_notation, read_signature
from kubekeep.signatures.predicates import extract_document, matches_type, resolve_predicate_type
from kubekeep.signatures.signing import ImageSigner, SignatureLayout, compact_predicate
from kubekeep.signatures.stored_signature import StoredSignature, read_signatures
from kubekeep.signatures.trust import LogPolicy, Trust
from kubekeep.signatures.verification import SignatureReport, VerifiedSignature
from kubekeep.signatures.verify import verify_signatures


class SignatureAccess(msgspec.Struct, frozen=True, kw_only=True):
    """Access to an image and its signatures. repository: with the signatures, if it is not the image's own."""

    images: AccessOptions
    repository: str = ""


class FetchedSignatures(msgspec.Struct, frozen=True):
    """The signatures of an image, fetched and not verified. digests: of its manifest or index, the root first.

    notation: those of the Notary Project.
    """

    reference: str
    digests: tuple[str, ...]
    signatures: tuple[StoredSignature, ...]
    notation: tuple[NotationSignature, ...] = ()


class NewSignature(msgspec.Struct, frozen=True):
    """A signature that was made, or one of the same key and content that was there.

    digest: of the signed manifest or index. reference: digest or tag of the signature; empty if it was there.
    """

    digest: str
    reference: str
    key: str


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


def _find_target(image: OpenImage, digest: str) -> TargetArtifact:
    """Return the descriptor of the manifest or index of an image, which notation signs as a whole."""
    subject = image.subject
    if digest != subject.digest:
        subject = _describe(get_manifest(image.repository, digest))
    return TargetArtifact(subject.media_type, subject.digest, subject.size)


def verify_image(reference: str, access: SignatureAccess, trust: Trust) -> SignatureReport:
    """Verify the signatures and attestations of an image. Raises ImageAccessError and TrustError."""
    trust.check()
    fetched = fetch_signatures(reference, access)
    return verify_signatures(fetched.reference, fetched.digests, fetched.signatures, trust)


def select_attestations(report: SignatureReport, predicate_type: str) -> tuple[VerifiedSignature, ...]:
    """Return the verified attestations of a type: a short name or URI. Raises TrustError for an unknown name."""
    resolve_predicate_type(predicate_type)
    return tuple(
        signature
        for signature in report.verified
        if signature.predicate_type and matches_type(signature.predicate_type, predicate_type)
    )


def read_attested_documents(
    reference: str, access: SignatureAccess, trust: Trust, predicate_type: str
) -> tuple[bytes, ...]:
    """Return the verified documents of a type that are attached to an image, such as "spdx", "cyclonedx" or "openvex".

    Raises ImageAccessError, also if there is none or if one cannot be read, and TrustError.
    """
    report = verify_image(reference, access, trust)
    attestations = select_attestations(report, predicate_type)
    if not attestations:
        reasons = "; ".join(f"{problem.reference}: {problem.reason}" for problem in report.problems)
        raise ImageAccessError(
            f"{visible(reference)}: no trusted attestation of type {predicate_type}{f': {reasons}' if reasons else ''}"
        )
    try:
        return tuple(dict.fromkeys(map(extract_document, attestations)))
    except SignatureError as error:
        raise ImageAccessError(f"{visible(hide_login(reference))}: {error}") from error


def sign_image(
    reference: str, access: SignatureAccess, key: PrivateKey, layout: SignatureLayout, annotations: dict[str, str]
) -> NewSignature:
    """Sign an image unless the key has signed it with the same annotations. Mirrors are not used.

    Raises ImageAccessError.
    """
    with open_to_write(reference, access) as image:
        reference = ""
        if ("", b"", tuple(sorted(annotations.items()))) not in _list_statements(image, key, layout):
            reference = ImageSigner(key, image.signatures, image.name, layout).sign(image.subject, annotations)
    return NewSignature(image.subject.digest, reference, fingerprint(key.public_key()))


def attest_image(
    reference: str,
    access: SignatureAccess,
    key: PrivateKey,
    layout: SignatureLayout,
    predicate_type: str,
    predicate: bytes,
) -> NewSignature:
    """Attach a signed statement to an image, unless the same one of the key is there.

    predicate_type: a URI. predicate: JSON. Raises ImageAccessError, and TrustError for an invalid predicate.
    """
    content = compact_predicate(predicate)
    with open_to_write(reference, access) as image:
        reference = ""
        if (predicate_type, content, ()) not in _list_statements(image, key, layout):
            signer = ImageSigner(key, image.signatures, image.name, layout)
            reference = signer.attest(image.subject, predicate_type, content)
    return NewSignature(image.subject.digest, reference, fingerprint(key.public_key()))


def _list_statements(
    image: OpenImage, key: PrivateKey, layout: SignatureLayout
) -> set[tuple[str, bytes, tuple[tuple[str, str], ...]]]:
    """Return predicate type, predicate and annotations of what `key` has signed in this layout."""
    trust = Trust(keys=(key.public_key(),), log=LogPolicy.IGNORED)
    artifacts = list_artifacts(image.repository, (image.subject.digest,), signature_repository=image.signatures)
    stored = [signature for artifact in artifacts for signature in read_signatures(artifact)]
    report = verify_signatures(image.name, (image.subject.digest,), stored, trust)
    is_tag = layout is SignatureLayout.LEGACY_TAG
    return {
        (signature.predicate_type, signature.predicate, signature.annotations)
        for signature in report.verified
        if (signature.layout == SignatureLayout.LEGACY_TAG) == is_tag
    }


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
