"""Notation signatures of an image among the artifacts attached to it, and their verification."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from kubekeep.registry.errors import RejectedArtifactError
from kubekeep.signatures.discovery import NOTATION, SignatureArtifact
from kubekeep.signatures.errors import SignatureError
from kubekeep.signatures.notation.envelope import LARGEST_ENVELOPE, TargetArtifact, decode_target
from kubekeep.signatures.notation.verify import NotationTrust, decode_envelope, verify_envelope
from kubekeep.signatures.verification import SignatureProblem, VerifiedSignature


class NotationSignature(msgspec.Struct, frozen=True):
    """A signature as stored, not verified, or the problem that prevents its reading.

    reference: digest of its artifact. target: the manifest or index to which it is attached. media_type: of the envelope.
    """

    layout: str
    reference: str
    target: TargetArtifact
    media_type: str = ""
    content: bytes = b""
    problem: str = ""

    @property
    def names_target(self) -> bool:
        """True if the envelope can be decoded and is for the image; its signer is not verified."""
        try:
            return decode_target(decode_envelope(self.media_type, self.content).payload).digest == self.target.digest
        except SignatureError:
            return False


def is_notation(artifact: SignatureArtifact) -> bool:
    """Return True for a signature of the Notary Project."""
    return artifact.attachment.artifact_type == NOTATION


def read_signature(artifact: SignatureArtifact, target: TargetArtifact) -> NotationSignature:
    """Fetch the envelope of a signature that is attached to `target`. Raises RegistryError."""
    attachment = artifact.attachment
    signature = NotationSignature(attachment.layout, attachment.reference, target)
    if len(attachment.layers) != 1:
        problem = attachment.problem or f"{len(attachment.layers)} layers; a notation signature has exactly one"
        return msgspec.structs.replace(signature, problem=problem)
    layer = attachment.layers[0]
    try:
        content = artifact.read_layer(layer, LARGEST_ENVELOPE)
    except RejectedArtifactError as error:
        return msgspec.structs.replace(signature, problem=str(error))
    return msgspec.structs.replace(signature, media_type=layer.media_type, content=content)


def verify_notation(
    signatures: Iterable[NotationSignature], trust: NotationTrust
) -> Iterator[VerifiedSignature | SignatureProblem]:
    """Yield the result of each signature. Raises TrustError."""
    for signature in signatures:
        try:
            yield _verify(signature, trust)
        except SignatureError as error:
            yield SignatureProblem(signature.reference, str(error))


def _verify(signature: NotationSignature, trust: NotationTrust) -> VerifiedSignature:
    if signature.problem:
        raise SignatureError(signature.problem)
    return verify_envelope(signature.media_type, signature.content, signature.target, trust, signature.layout)
