"""The SBOM of an inspected image or folder. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep._native import VERSION
from kubekeep.images.inspected_image import InspectedImage
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind

TOOL: Final = "Kubekeep"
_ZERO_TIME: Final = "0001-"
"""Year of images that their builder gave no time."""


def create_image_sbom(image: InspectedImage) -> Sbom:
    """Return the SBOM of an image: its packages, and the time of its configuration instead of that of the run."""
    configuration, content = image.configuration, image.content
    created = (configuration.created if configuration else "") or ""
    kind = SubjectKind.FOLDER if configuration is None else SubjectKind.IMAGE
    return Sbom(
        subject=SbomSubject(image.reference, kind, digest=image.digest, platform=image.platform),
        created="" if created.startswith(_ZERO_TIME) else created,
        distribution=content.distribution,
        packages=content.packages,
        problems=content.problems,
        tool=TOOL,
        tool_version=VERSION,
    )
