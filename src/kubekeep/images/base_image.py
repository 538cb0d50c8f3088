"""The base image that an image names itself. Never opens an image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

BASE_NAME: Final = "org.opencontainers.image.base.name"
"""Annotation of the manifest or label of the configuration (OCI image specification, annotations)."""
BASE_DIGEST: Final = "org.opencontainers.image.base.digest"


class BaseReference(msgspec.Struct, frozen=True):
    """The base image that an image names in its annotations or labels. digest: empty if it is not named."""

    name: str
    digest: str = ""


def read_base_reference(
    annotations: Mapping[str, str], labels: Mapping[str, str] | None = None
) -> BaseReference | None:
    """Return the base image that annotations of the manifest, else labels of the configuration, name; None without."""
    for metadata in (annotations, labels or {}):
        name = metadata.get(BASE_NAME, "").strip()
        if name:
            return BaseReference(name, metadata.get(BASE_DIGEST, "").strip())
    return None
