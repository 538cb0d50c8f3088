"""Addresses of patterns of images on the command line of a scan. No I/O."""

from __future__ import annotations

from typing import Final

PREFIX: Final = "registry:"


def is_registry_address(address: str) -> bool:
    """Return True for a pattern of images in registries."""
    return address.startswith(PREFIX)


def to_address(pattern: str) -> str:
    """Return the address of a pattern, as `kubekeep registry scan` takes it."""
    return f"{PREFIX}{pattern}"
