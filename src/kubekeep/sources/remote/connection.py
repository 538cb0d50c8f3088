"""Where a connection may lead that somebody else's server asked for, and when it ends. Sends and reads nothing.

Works from the events that httpcore tells of (its extension `trace`), so that the address that is judged is the one that
is connected to, whatever a name resolves to the next time.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from types import TracebackType
from typing import Any, Final, Self

_CONNECT: Final = "connection.connect_tcp"
_METADATA: Final = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("fd00:ec2::/32"),
    ipaddress.ip_network("fd20:ce::254/128"),
    ipaddress.ip_network("100.100.100.200/32"),
    ipaddress.ip_network("168.63.129.16/32"),
)
"""Where clouds tell a machine about itself, and link-local addresses as a whole (AWS, Azure, Google, Alibaba)."""
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address


class RemoteError(Exception):
    """What a URL names cannot be had, or must not be; the message says why, without secrets."""


def check_redirect(address: str, *, is_from_public: bool) -> None:
    """Raise RemoteError if a redirect must not lead to `address`.

    To the metadata of a cloud, none may; into a private network or to this machine, only one that comes from there.
    """
    found = _unwrapped(ipaddress.ip_address(address.partition("%")[0]))
    if any(found in network for network in _METADATA) or found.is_unspecified or found.is_multicast:
        raise RemoteError(f"a redirect to {found}, which is not followed")
    if is_from_public and not found.is_global:
        raise RemoteError(f"a redirect to the private address {found}, which is not followed")


class Connection:
    """The connections of one download, one after the other; all end at `until`, of the monotonic clock.

    `host` is the one that the user named.
    """

    def __init__(self, host: str, until: float) -> None:
        self._sockets: list[socket.socket] = []
        self._timer = threading.Timer(max(until - time.monotonic(), 0), self._end)
        self._timer.daemon = True
        self._is_redirect = False
        self._host = self._connects_to = host
        # Behind a proxy nobody knows, so that what is private stays out of reach.
        self._is_from_public = not _is_private(host)
        self.is_over = False

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()
        self._timer.join()
        for known in self._sockets:
            known.close()

    def begin(self, host: str, *, is_redirect: bool) -> None:
        """The next connection is for `host`. Raises RemoteError if that is an address that it must not be."""
        self._host = host
        self._is_redirect = is_redirect
        if is_redirect:
            for address in [host] if _is_address(host) else ["127.0.0.1"] if host == "localhost" else []:
                check_redirect(address, is_from_public=self._is_from_public)

    def trace(self, event: str, info: dict[str, Any]) -> None:
        """What httpcore tells; raises RemoteError before anything is sent to where nothing may be sent."""
        if event == f"{_CONNECT}.started":
            self._connects_to = info["host"]
        elif event == f"{_CONNECT}.complete":
            stream = info["return_value"]
            try:
                self._connected(stream.get_extra_info("socket"), stream.get_extra_info("server_addr")[0])
            except RemoteError:
                stream.close()
                raise

    def _connected(self, connected: socket.socket, address: str) -> None:
        if self._connects_to == self._host:
            if self._is_redirect:
                check_redirect(address, is_from_public=self._is_from_public)
            else:
                self._is_from_public = _unwrapped(ipaddress.ip_address(address.partition("%")[0])).is_global
        # A socket of our own: TLS takes the first one over.
        self._sockets.append(connected.dup())
        if self.is_over:
            self._end()

    def _end(self) -> None:
        """Wake whoever waits for a server that sends a byte now and then."""
        self.is_over = True
        for known in self._sockets:
            with contextlib.suppress(OSError):
                known.shutdown(socket.SHUT_RDWR)


def _unwrapped(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True


def _is_private(host: str) -> bool:
    return _is_address(host) and not _unwrapped(ipaddress.ip_address(host.partition("%")[0])).is_global
