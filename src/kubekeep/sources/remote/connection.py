"""Checks and deadline of the connections of a download. Sends and reads nothing.

Uses the `trace` events of httpcore, so that the checked address is the connected one, even if the name resolves to another
address the next time.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

from kubekeep.model.network_address import explain_refused_redirect, is_address, is_private, parse_address

_CONNECT: Final = "connection.connect_tcp"


class RemoteError(Exception):
    """A download that failed or was rejected; the message has no secrets."""


def check_redirect(address: str, *, is_from_public: bool) -> None:
    """Raise RemoteError if a redirect must not lead to `address`.

    Rejects metadata services of clouds, and private addresses unless the redirect comes from one.
    """
    reason = explain_refused_redirect(address, is_from_public=is_from_public)
    if reason:
        raise RemoteError(reason)


class Connection:
    """The successive connections of one download.

    host: the host named by the user. deadline: time of the monotonic clock at which all connections are closed.
    """

    def __init__(self, host: str, deadline: float) -> None:
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(max(deadline - time.monotonic(), 0), self._shut_down)
        self._timer.daemon = True
        self._is_redirect = False
        self._host = self._connecting_to = host
        # Behind a proxy the address is unknown: private addresses are then rejected.
        self._is_from_public = not is_private(host)
        self.is_expired = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        for open_socket in self._sockets:
            open_socket.close()

    def begin(self, host: str, *, is_redirect: bool) -> None:
        """Start the connection to `host`. Raises RemoteError if it is a rejected address."""
        self._host = host
        self._is_redirect = is_redirect
        if is_redirect:
            for address in [host] if is_address(host) else ["127.0.0.1"] if host == "localhost" else []:
                check_redirect(address, is_from_public=self._is_from_public)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """Handle an event of httpcore. Raises RemoteError before anything is sent to a rejected address."""
        if event == f"{_CONNECT}.started":
            self._connecting_to = info["host"]
        elif event == f"{_CONNECT}.complete":
            stream = info["return_value"]
            try:
                self._add_socket(stream.get_extra_info("socket"), stream.get_extra_info("server_addr")[0])
            except RemoteError:
                stream.close()
                raise

    def _add_socket(self, new_socket: socket.socket, address: str) -> None:
        if self._connecting_to == self._host:
            if self._is_redirect:
                check_redirect(address, is_from_public=self._is_from_public)
            else:
                self._is_from_public = parse_address(address).is_global
        # A duplicate, because TLS takes over the first socket.
        self._sockets.append(new_socket.dup())
        if self.is_expired:
            self._shut_down()

    def _shut_down(self) -> None:
        """Shut down all sockets, to interrupt waiting for a slow server."""
        self.is_expired = True
        for open_socket in self._sockets:
            with contextlib.suppress(OSError):
                open_socket.shutdown(socket.SHUT_RDWR)
