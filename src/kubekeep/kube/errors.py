"""What goes wrong on the way to a cluster, in sentences for people. Carries no secrets."""

from __future__ import annotations

import re
from typing import Final

FORBIDDEN: Final = 403
_USER: Final = re.compile(r'forbidden: User "([^"]+)" cannot ')
"""How an API server tells who may not."""


class KubeError(Exception):
    """Something about a cluster cannot be had; the message says what and why, and steers no terminal."""


class KubeconfigError(KubeError):
    """A kubeconfig, or what it refers to, cannot be used."""


class LoginError(KubeError):
    """The credentials cannot be had, or the API server does not take them."""


class ConnectionLostError(KubeError):
    """The API server cannot be reached, or did not answer to the end."""


class UnreachableError(KubeError):
    """The API server cannot be reached, and trying again will not help."""


class UnreadableError(KubeError):
    """What the API server answers cannot be taken in, and will be the same the next time."""


class ApiError(KubeError):
    """The API server refused: `status` is the code of HTTP, `reason` Kubernetes' own word (`Forbidden`, `Expired`).

    `continues` is the token with which a list that took too long goes on, where the server gives one; `retry_after` are the seconds to wait.
    """

    def __init__(
        self, status: int, reason: str, message: str, *, continues: str = "", retry_after: float = 0.0
    ) -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.continues = continues
        self.retry_after = retry_after


def brief(error: KubeError) -> str:
    """What went wrong; of a refusal only whose it is, where what was refused is said beside it."""
    user = _USER.search(str(error)) if isinstance(error, ApiError) and error.status == FORBIDDEN else None
    return f"forbidden for {user[1]}" if user else str(error)
