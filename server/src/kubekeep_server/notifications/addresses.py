"""Network addresses that destinations may have: those of the internet, and the networks that the settings allow.

A name is resolved once, and the address that was checked is the one that is connected: a second answer of the name server changes
nothing. Opens no connection.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final

from kubekeep.model.text import visible
from kubekeep_server.notifications.errors import DeliveryError

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
_COMPATIBLE: Final = ipaddress.ip_network("::/96")
_IPV4: Final = 0xFFFFFFFF
_SECONDS: Final = 10


class AddressPolicy:
    """The addresses that are allowed. networks: further ones, such as `10.0.0.0/8`."""

    def __init__(self, networks: Iterable[str]) -> None:
        """Raise ValueError for a network that is none."""
        self._networks = tuple(ipaddress.ip_network(network) for network in networks)

    async def resolve(self, host: str, port: int) -> str:
        """Return the address to connect to. Raises DeliveryError, a final one if no address of the host is allowed."""
        name = visible(host)
        try:
            async with asyncio.timeout(_SECONDS):
                answers = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except (OSError, TimeoutError, UnicodeError) as error:
            raise DeliveryError(f"{name}: the name cannot be resolved") from error
        addresses = [str(answer[4][0]) for answer in answers]
        for address in addresses:
            if self.allows(address):
                return address
        raise DeliveryError(
            f"{name}: {', '.join(addresses)} is not a public address; allow its network with notification_networks",
            is_final=True,
        )

    def allows(self, text: str) -> bool:
        """Return True for an address that may be connected."""
        # A zone names an interface, and has link-local addresses only.
        address = unwrap(ipaddress.ip_address(text.partition("%")[0]))
        if any(address.version == network.version and address in network for network in self._networks):
            return True
        return address.is_global and not address.is_multicast


def unwrap(address: Address) -> Address:
    """Return the IPv4 address that an address of IPv6 stands for, or the address itself."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    inner = address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
    if inner is None and (address in _NAT64 or (address in _COMPATIBLE and int(address) > 1)):
        inner = ipaddress.IPv4Address(int(address) & _IPV4)
    return inner or address
