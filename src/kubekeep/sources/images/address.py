"""Addresses of images on the command line of a scan, where a bare name is a path. No I/O."""

from __future__ import annotations

from typing import Final

REGISTRY: Final = "docker://"
"""Beginning of a reference that never leads to a file or to the store of this machine."""
_PREFIX: Final = "image:"
_SCHEMES: Final = ("oci:", "oci-archive:", "docker-archive:", "containerd:", "docker-daemon:", "docker:", "dir:")
"""Forms of a reference that are no path; `image:` stands before any other reference."""


def is_image_address(address: str) -> bool:
    """Return True for the address of an image; `oci://` is that of a library."""
    return address.startswith((_PREFIX, *_SCHEMES)) and not address.startswith("oci://")


def to_address(reference: str) -> str:
    """Return the address of a reference to an image, as `kubekeep image` takes it."""
    return reference if is_image_address(reference) else f"{_PREFIX}{reference}"


def to_reference(address: str) -> str:
    """Return the reference in an address."""
    return address.removeprefix(_PREFIX)
