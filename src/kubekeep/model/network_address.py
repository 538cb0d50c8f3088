"""Addresses to which redirects of servers must not lead. Resolves no names."""

from __future__ import annotations

import ipaddress
import re
import socket
from typing import Final

_METADATA: Final = (
    ipaddress.ip_network("169.254.0.0/16"),
    ipaddress.ip_network("fe80::/10"),
    ipaddress.ip_network("fd00:ec2::/32"),
    ipaddress.ip_network("fd20:ce::254/128"),
    ipaddress.ip_network("100.100.100.200/32"),
    ipaddress.ip_network("168.63.129.16/32"),
)
"""Metadata services of clouds (AWS, Azure, Google, Alibaba) and link-local addresses."""
_PORTS: Final = 1 << 16
_NUMBERS: Final = re.compile(r"[0-9a-fx.]+", re.IGNORECASE)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def parse_address(text: str) -> IpAddress:
    """Return the address in a text without its zone, and the IPv4 address inside of IPv6. Raises ValueError.

    Accepts the numbers that system libraries accept as addresses, such as 2130706433 and 0x7f.1 for 127.0.0.1.
    """
    text = text.partition("%")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        if not _NUMBERS.fullmatch(text):
            raise
        try:
            return ipaddress.IPv4Address(socket.inet_aton(text))
        except OSError:
            raise ValueError(f"{text!r} is not an address") from None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def is_port(port: int | None) -> bool:
    """Return True for a valid port, or None for the default one."""
    return port is None or 0 < port < _PORTS


def is_address(host: str) -> bool:
    """Return True for an address, False for a name."""
    try:
        parse_address(host)
    except ValueError:
        return False
    return True


def is_private(host: str) -> bool:
    """Return True for an address that is not reachable from the internet; False for names."""
    return is_address(host) and not parse_address(host).is_global


def explain_refused_redirect(address: str, *, is_from_public: bool) -> str:
    """Return why a redirect must not lead to an address; "" if it may.

    Refuses metadata services of clouds, and private addresses unless the redirect comes from one.
    """
    target = parse_address(address)
    if any(target in network for network in _METADATA) or target.is_unspecified or target.is_multicast:
        return f"a redirect to {target} is not followed"
    if is_from_public and not target.is_global:
        return f"a redirect to the private address {target} is not followed"
    return ""
