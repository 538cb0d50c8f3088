"""The SBOM of an image whose layers have been read. No I/O."""

from __future__ import annotations

from typing import Final

import msgspec

from kubekeep._native import VERSION
from kubekeep.images.access.opened import OpenedImage
from kubekeep.images.content import ImageContent
from kubekeep.images.sbom.document import Sbom, SbomSubject, SubjectKind

TOOL: Final = "Kubekeep"
_ZERO_TIME: Final = "0001-"
"""Year of images that their builder gave no time."""


class CreationTime(msgspec.Struct, frozen=True):
    """The time in the configuration of an image."""

    created: str = ""


def create_image_sbom(image: OpenedImage, content: ImageContent) -> Sbom:
    """Return the SBOM of an image: its packages, and the time of its configuration instead of that of the run."""
    return Sbom(
        subject=SbomSubject(image.reference, SubjectKind.IMAGE, digest=image.digest, platform=image.platform),
        created=_read_time(image.config),
        distribution=content.distribution,
        packages=content.packages,
        problems=content.problems,
        tool=TOOL,
        tool_version=VERSION,
    )


def _read_time(config: bytes) -> str:
    try:
        created = msgspec.json.decode(config, type=CreationTime).created
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        return ""
    return "" if created.startswith(_ZERO_TIME) else created
