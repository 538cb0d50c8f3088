"""The connection of a `Server`: submissions, and requests that read. Loads the HTTP client. Never prints."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, TypeVar

from kubekeep.model.assessment import Assessment
from kubekeep.model.errors import RequestError
from kubekeep.model.server_results import SubmissionReceipt
from kubekeep.uplink.address import parse_server_address
from kubekeep.uplink.client import SubmissionRefusal
from kubekeep.uplink.connection import ServerAccess, ServerConnection
from kubekeep.uplink.errors import RefusedRequestError, ServerLoginError, UnreachableServerError
from kubekeep.uplink.patience import Patience
from kubekeep.uplink.reading import MAX_PAGE, ResultReader
from kubekeep.uplink.selection import SelectedServer, ServerOptions
from kubekeep.uplink.token import TokenSource, parse_token
from kubekeep.usecases.submission import find_server, submit

T = TypeVar("T")


class ServerSession:
    """Requests to one server. patience: seconds to wait for it, for each submission, and for all requests that read."""

    def __init__(self, server: SelectedServer, patience: float) -> None:
        self._server = server
        self._patience = patience
        self._resources = contextlib.ExitStack()
        connection = self._resources.enter_context(ServerConnection(server.access, MAX_PAGE))
        self._reader = ResultReader(connection, server.token, Patience(patience))

    @property
    def address(self) -> str:
        """The address of the server."""
        return self._server.access.address

    def submit(self, assessment: Assessment) -> SubmissionReceipt:
        """Send an assessment. Raises the errors of `Server`."""
        if assessment.source is None:
            raise RequestError("the assessment names no cluster, repository or registry: scan with identify=True")
        outcome = submit(assessment, self._server, self._patience)
        if isinstance(outcome.result, SubmissionReceipt):
            return outcome.result
        kept = "; the next submission to this server sends the results" if outcome.is_kept else ""
        reason = f"not submitted: {outcome.result.reason}{kept}"
        if not isinstance(outcome.result, SubmissionRefusal):
            raise UnreachableServerError(reason)
        if outcome.result.is_of_login:
            raise ServerLoginError(reason)
        raise RefusedRequestError(outcome.result.status, reason)

    def iterate(self, path: str, row: type[T], parameters: Mapping[str, Any]) -> Iterator[T]:
        """Yield the rows of a list. Raises the errors of `Server`."""
        return self._reader.iterate(path, row, parameters)

    def close(self) -> None:
        """Close the connection."""
        self._resources.close()


def select(address: str, token: str, authority_file: str) -> SelectedServer:
    """Return the server, with the token of the caller or of this user. Raises ServerAddressError and ServerLoginError."""
    if not token:
        return find_server(ServerOptions(server=address, authority_file=authority_file))
    if not address:
        raise ServerLoginError("a token belongs to one server: name its address")
    access = ServerAccess(address=parse_server_address(address), authority_file=authority_file)
    return SelectedServer(access, TokenSource(token=parse_token(token, "the token")))
