"""Errors of the access to a server. Values only."""

from __future__ import annotations

from kubekeep.model.errors import KubekeepError, RequestError


class ServerAddressError(RequestError):
    """An address that is not that of a server, or that would send a token without TLS."""


class ServerLoginError(KubekeepError):
    """No server, no usable token, or a login that failed; the message names the next step."""


class UnreachableServerError(KubekeepError):
    """A server that does not answer, or whose answer is not that of a Kubekeep server."""


class RefusedRequestError(KubekeepError):
    """A request that a server refuses, which a repetition does not change. status: of the HTTP response."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status
