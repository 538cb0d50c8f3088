"""Discovery of signatures and attestations of an image in its registry, or in a separate repository.

Finds candidates only; never verifies or reads a layer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from kubekeep.registry.attachments import Attachment, list_attachments
from kubekeep.registry.manifest import Descriptor
from kubekeep.registry.repository import OciRepository

NOTATION: Final = "application/vnd.cncf.notary.signature"
_TYPES: Final = (
    "application/vnd.dev.sigstore.bundle",
    "application/vnd.dev.cosign.",
    "application/vnd.dsse.envelope",
    "application/vnd.in-toto",
    NOTATION,
)
_TAGS: Final = ("sig", "att")
_MOST_BYTES: Final = 32 << 20
"""Maximum size of an envelope; attestations contain whole SBOMs."""


class SignatureArtifact(msgspec.Struct, frozen=True):
    """An artifact that may contain signatures, and the repository with its layers."""

    attachment: Attachment
    repository: OciRepository

    def read_layer(self, layer: Descriptor, limit: int = _MOST_BYTES) -> bytes:
        """Return the content of a layer. Raises RegistryError and RejectedArtifactError."""
        return self.repository.get_blob(layer, limit)


def list_artifacts(
    repository: OciRepository, digests: Iterable[str], *, signature_repository: OciRepository | None = None
) -> Iterator[SignatureArtifact]:
    """Yield the artifacts attached to the digests of an image and its index.

    signature_repository: a repository with signatures alone, which is read instead of the image's own. Raises RegistryError,
    and RejectedArtifactError for invalid content or above a limit.
    """
    source = signature_repository or repository
    for attachment in list_attachments(source, tuple(dict.fromkeys(filter(None, digests))), _TYPES, _TAGS):
        yield SignatureArtifact(attachment, source)
