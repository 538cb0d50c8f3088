"""Errors of registries: failed requests, and content that must not be used. Messages contain no secrets."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError


class RegistryError(KubekeepError):
    """A registry, token server or credential helper is unreachable or refuses; the message names it."""


class UnreachableRegistryError(RegistryError):
    """A connection cannot be established, or ends before the response is complete."""


class RegistryTimeoutError(UnreachableRegistryError):
    """The registry does not respond; it has been waited for, so that another request at once is useless."""


class UntrustedRegistryError(UnreachableRegistryError):
    """The registry has no TLS, or a certificate that is not trusted."""


class RegistryResponseError(RegistryError):
    """A registry or token server responds with an error. status: of HTTP, as 404."""

    def __init__(self, message: str, status: int) -> None:
        """Keep the status, since the next step depends on it."""
        super().__init__(message)
        self.status = status


class MissingArtifactError(RegistryError):
    """The registry has no artifact with this tag or digest."""


class ScanStoppedError(RegistryError):
    """The program stops, because of an interrupt or of a limit of the user; the message names the limit."""


class RejectedArtifactError(Exception):
    """The content does not match the request: another digest, no signature, or a signature by another key."""


class KeyFileError(ValueError):
    """A key file cannot be read; the message names the supported formats."""
