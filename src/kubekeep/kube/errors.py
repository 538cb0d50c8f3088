"""Errors of the Kubernetes client, with messages for users. Contains no secrets."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.errors import KubekeepError

UNAUTHORIZED: Final = 401
FORBIDDEN: Final = 403
NOT_FOUND: Final = 404
GONE: Final = 410
_USER: Final = re.compile(r'forbidden: User "([^"]+)" cannot ')
"""User name in the API server's message for status 403."""


class KubeError(KubekeepError):
    """Base class; messages say what failed and why, without control characters."""


class KubeconfigError(KubeError):
    """A kubeconfig, or a file it refers to, cannot be used."""


class LoginError(KubeError):
    """Credentials are unavailable, or the API server rejects them."""


class ConnectionLostError(KubeError):
    """The API server is unreachable or its response is incomplete; a retry may succeed."""


class SilentStreamError(ConnectionLostError):
    """An endless response has sent nothing for the longest permitted time."""


class UnreachableError(KubeError):
    """The API server is unreachable, and a retry will not help."""


class UnreadableResponseError(KubeError):
    """The response cannot be processed; a retry would return the same response."""


class ApiError(KubeError):
    """The API server refused the request.

    `status` is the HTTP status, `reason` the machine-readable reason of Kubernetes (`Forbidden`, `Expired`),
    `continue_token` the token to continue an expired list, if the server sent one, `retry_after` the seconds to wait.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, continue_token: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.continue_token = continue_token
        self.retry_after = retry_after


def summarise_error(error: KubeError) -> str:
    """Return the message of an error; for status 403 only the user, as the caller names the denied request itself."""
    user = _USER.search(str(error)) if isinstance(error, ApiError) and error.status == FORBIDDEN else None
    return f"forbidden for {user[1]}" if user else str(error)
