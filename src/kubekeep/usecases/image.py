"""The SBOM of an image or a folder. Never prints."""

from __future__ import annotations

from kubekeep._native import VERSION
from kubekeep.images.inspection import InspectedImage, OnBytes, inspect_image
from kubekeep.images.options import ImageOptions
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind

_TOOL = "kubekeep"


def create_sbom(reference: str, options: ImageOptions, on_bytes: OnBytes) -> Sbom:
    """Return the packages of an image or a folder as an SBOM. Raises ImageAccessError and ImageContentError."""
    return build_sbom(inspect_image(reference, options, on_bytes))


def build_sbom(image: InspectedImage) -> Sbom:
    """Return the SBOM of an inspected image; the same image gives the same document."""
    configuration, content = image.configuration, image.content
    kind = SubjectKind.FOLDER if configuration is None else SubjectKind.IMAGE
    return Sbom(
        subject=SbomSubject(image.reference, kind, digest=image.digest, platform=image.platform),
        created=(configuration.created if configuration else "") or "",
        distribution=content.distribution,
        packages=content.packages,
        problems=content.problems,
        tool=_TOOL,
        tool_version=VERSION,
    )
