"""Errors of registries: failed requests, and content that must not be used. Messages contain no secrets."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class RegistryError(KubekeepError):
    """A registry, token server or credential helper is unreachable or refuses; the message names it."""


class RejectedArtifactError(Exception):
    """The content does not match the request: another digest, no signature, or a signature by another key."""


class KeyFileError(ValueError):
    """A key file cannot be read; the message names the supported formats."""
