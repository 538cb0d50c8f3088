"""Addresses of servers. Never connects and resolves no names."""

from __future__ import annotations

import re
from typing import Final

import httpx2

from kubekeep.model.network_address import is_port, parse_address
from kubekeep.model.text import visible
from kubekeep.uplink.errors import ServerAddressError

_HOST: Final = re.compile(r"[\w.:-]+")


def parse_server_address(text: str, *, plain_http: bool = False) -> str:
    """Return the address of a server in its only spelling: scheme, host, port and folder, without a slash at the end.

    `http://` is accepted for this machine, and for others with `plain_http`: anybody on the network could read the token.
    Raises ServerAddressError, with a message that contains no password.
    """
    try:
        # A second time, because an upper-case scheme keeps its default port.
        url = httpx2.URL(str(httpx2.URL(text)))
    except httpx2.InvalidURL as error:
        raise ServerAddressError("the address of the server is invalid: use https://HOST") from error
    if url.scheme not in {"https", "http"} or not _HOST.fullmatch(url.host) or not is_port(url.port):
        raise ServerAddressError(f"{_show(url)} is not the address of a server: use https://HOST")
    if url.userinfo or url.query or url.fragment:
        raise ServerAddressError(
            f"{_show(url)}: the address of a server has no password, query or fragment: use a token file"
        )
    if url.scheme == "http" and not plain_http and not is_loopback(url):
        raise ServerAddressError(
            f"{_show(url)} would send the token without TLS: use https://, or --server-plain-http in a network that you trust"
        )
    return str(url).rstrip("/")


def is_loopback(url: httpx2.URL) -> bool:
    """Return True for an address of this machine."""
    if url.host == "localhost":
        return True
    try:
        return parse_address(url.host).is_loopback
    except ValueError:
        return False


def _show(url: httpx2.URL) -> str:
    return visible(str(url.copy_with(userinfo=b"", query=None, fragment=None)))
