"""References to images: `nginx:1.29`, `oci:DIR`, `docker-archive:FILE`, `containerd://REF` and others.

Looks at the file system only to tell a path from a tag. Never opens an image.
"""

from __future__ import annotations

import enum
import os
import re
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.errors import ImageAccessError
from kubekeep.registry.reference import DIGEST, ArtifactReference, parse_image_name


class ReferenceKind(enum.StrEnum):
    """The origin of an image."""

    REGISTRY = "registry"
    LAYOUT = "OCI layout"
    ARCHIVE = "archive"
    CONTAINERD = "containerd"
    DOCKER = "Docker daemon"
    FOLDER = "folder"


class ImageReference(msgspec.Struct, frozen=True):
    """A parsed reference: a path for local files, a name for registries and stores.

    version: tag or digest in a layout or archive; empty for the only image. name: in a registry or a store.
    """

    kind: ReferenceKind
    path: str = ""
    version: str = ""
    name: ArtifactReference | None = None
    text: str = ""


_NAMES: Final = {
    "docker://": ReferenceKind.REGISTRY,
    "oci://": ReferenceKind.REGISTRY,
    "containerd://": ReferenceKind.CONTAINERD,
    "docker-daemon:": ReferenceKind.DOCKER,
}
_PATHS: Final = {
    "oci:": ReferenceKind.LAYOUT,
    "oci-archive:": ReferenceKind.ARCHIVE,
    "docker-archive:": ReferenceKind.ARCHIVE,
    "dir:": ReferenceKind.FOLDER,
}
_SBOM: Final = "sbom:"
"""Prefix of an SBOM document in the commands that read images and SBOMs."""
_DIGEST_AT_END: Final = re.compile(rf"(.+)@({DIGEST})")
_ARCHIVE_SUFFIXES: Final = (".tar", ".tar.gz", ".tgz")
LAYOUT_FILE: Final = "oci-layout"


def parse_image_reference(text: str) -> ImageReference:
    """Parse a reference. Raises ImageAccessError with the cause and the accepted forms."""
    for prefix, kind in _NAMES.items():
        if text.startswith(prefix):
            return _parse_name(text.removeprefix(prefix), kind)
    for prefix, kind in _PATHS.items():
        if text.startswith(prefix):
            return _parse_path(text.removeprefix(prefix), kind)
    if not text.strip():
        raise ImageAccessError("the reference is empty: use an image name or a path")
    if text.startswith(("http://", "https://")):
        raise ImageAccessError("an image has no URL scheme: use registry/name:tag")
    if text.startswith(_SBOM):
        # Docker Hub would receive the name of the file as a tag.
        raise ImageAccessError("it names an SBOM, and this command reads images: docker://sbom:TAG is the image `sbom`")
    return _parse_plain(text)


def find_local_path(text: str) -> str:
    """Return the path in the reference to a file or folder; empty for a name in a registry or a store, or an invalid one."""
    try:
        return parse_image_reference(text).path
    except ImageAccessError:
        return ""


def _parse_name(text: str, kind: ReferenceKind) -> ImageReference:
    try:
        return ImageReference(kind, name=parse_image_name(text), text=text)
    except ValueError as error:
        if kind is ReferenceKind.CONTAINERD and re.fullmatch(DIGEST, text):
            # The name that the kubelet's interface gives an image in addition.
            return ImageReference(kind, text=text)
        raise ImageAccessError(str(error)) from error


def _parse_path(text: str, kind: ReferenceKind) -> ImageReference:
    """Split the version from the path; a path that exists takes precedence."""
    if not text:
        raise ImageAccessError("the path is missing")
    if kind is ReferenceKind.FOLDER or Path(text).exists():
        return ImageReference(kind, text)
    if match := _DIGEST_AT_END.fullmatch(text):
        return ImageReference(kind, match[1], match[2])
    # A version may contain colons itself, as in localhost:5000/app:1.
    colons = [index for index, character in enumerate(text) if character == ":"]
    split = next((index for index in colons if index and Path(text[:index]).exists()), None)
    return ImageReference(kind, text) if split is None else ImageReference(kind, text[:split], text[split + 1 :])


def _parse_plain(text: str) -> ImageReference:
    """Parse a path that exists, or the name of an image in a registry."""
    path = Path(text)
    try:
        name = parse_image_name(text)
    except ValueError as error:
        if not path.exists():
            raise ImageAccessError(str(error) if not _is_path(text) else f"{text}: no such file or folder") from error
    else:
        if not path.exists():
            return ImageReference(ReferenceKind.REGISTRY, name=name, text=text)
        if path.is_dir() or not text.endswith(_ARCHIVE_SUFFIXES):
            explicit = f"dir:{text}" if path.is_dir() else f"docker-archive:{text}"
            raise ImageAccessError(
                f"both a path and an image name: use ./{text} or {explicit} for the path, docker://{text} for the image"
            )
    if not path.is_dir():
        return ImageReference(ReferenceKind.ARCHIVE, text)
    kind = ReferenceKind.LAYOUT if (path / LAYOUT_FILE).is_file() else ReferenceKind.FOLDER
    return ImageReference(kind, text)


def _is_path(text: str) -> bool:
    return text.startswith((".", "~", os.sep))
