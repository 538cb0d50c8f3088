"""IP addresses and networks, as Kubernetes reads them: strictly. Never resolves a name."""

from __future__ import annotations

import ipaddress
from typing import Final, TypeAlias

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.values import CelError, Opaque

NETWORK: Final = Functions()

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip(Opaque):
    """An address."""

    __slots__ = ("address",)
    type_name = "net.IP"

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)


class Cidr(Opaque):
    """An address with the length of its network."""

    __slots__ = ("address", "bits")
    type_name = "net.CIDR"

    def __init__(self, address: Address, bits: int) -> None:
        self.address = address
        self.bits = bits

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cidr) and (self.address, self.bits) == (other.address, other.bits)

    def __hash__(self) -> int:
        return hash((self.address, self.bits))

    @property
    def masked(self) -> Cidr:
        """The network itself."""
        network = ipaddress.ip_network((self.address, self.bits), strict=False)
        return Cidr(network.network_address, self.bits)

    def contains(self, address: Address) -> bool:
        """Whether `address` lies in the network."""
        return address.version == self.address.version and Cidr(address, self.bits).masked == self.masked


def _address(text: str) -> Address:
    try:
        found = ipaddress.ip_address(text)
    except ValueError as error:
        raise CelError(f"IP Address {text!r} parse error during conversion from string: {error}") from None
    if isinstance(found, ipaddress.IPv6Address) and (found.scope_id or found.ipv4_mapped):
        raise CelError(f"IP address {text!r} with zone value, or IPv4-mapped, is not allowed")
    return found


def _cidr(text: str) -> Cidr:
    name, slash, digits = text.rpartition("/")
    problem = f"network address parse error during conversion from string: {text!r}"
    try:
        address = _address(name)
    except CelError:
        raise CelError(problem) from None
    plain = digits.isascii() and digits.isdigit() and digits == str(int(digits))
    if not slash or not plain or int(digits) > address.max_prefixlen:
        raise CelError(problem)
    return Cidr(address, int(digits))


def _is_ip(text: str) -> bool:
    try:
        _address(text)
    except CelError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _cidr(text)
    except CelError:
        return False
    return True


def _is_global(address: Address) -> bool:
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def _is_local_multicast(address: Address) -> bool:
    # The scope of a multicast address of version 6 is its second hexadecimal pair's low half.
    if isinstance(address, ipaddress.IPv6Address):
        return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02
    return address in ipaddress.ip_network("224.0.0.0/24")


def _covers(cidr: Cidr, other: Cidr) -> bool:
    return cidr.bits <= other.bits and cidr.contains(other.address)


NETWORK.function("ip", "string -> net.IP")(lambda text: Ip(_address(text)))
NETWORK.function("isIP", "string -> bool")(_is_ip)
NETWORK.function("ip.isCanonical", "string -> bool")(lambda text: str(_address(text)) == text)
NETWORK.function("string", "net.IP -> string")(lambda ip: str(ip.address))
NETWORK.member("family", "net.IP -> int")(lambda ip: ip.address.version)
NETWORK.declare(
    {
        "isUnspecified": lambda ip: ip.address.is_unspecified,
        "isLoopback": lambda ip: ip.address.is_loopback,
        "isLinkLocalMulticast": lambda ip: _is_local_multicast(ip.address),
        "isLinkLocalUnicast": lambda ip: ip.address.is_link_local,
        "isGlobalUnicast": lambda ip: _is_global(ip.address),
    },
    "net.IP -> bool",
    member=True,
)
NETWORK.function("cidr", "string -> net.CIDR")(_cidr)
NETWORK.function("isCIDR", "string -> bool")(_is_cidr)
NETWORK.function("string", "net.CIDR -> string")(lambda cidr: f"{cidr.address}/{cidr.bits}")
NETWORK.member("containsIP", "net.CIDR, string -> bool")(lambda cidr, text: cidr.contains(_address(text)))
NETWORK.member("containsIP", "net.CIDR, net.IP -> bool")(lambda cidr, ip: cidr.contains(ip.address))
NETWORK.member("containsCIDR", "net.CIDR, string -> bool")(lambda cidr, text: _covers(cidr, _cidr(text)))
NETWORK.member("containsCIDR", "net.CIDR, net.CIDR -> bool")(_covers)
NETWORK.member("ip", "net.CIDR -> net.IP")(lambda cidr: Ip(cidr.address))
NETWORK.member("prefixLength", "net.CIDR -> int")(lambda cidr: cidr.bits)
NETWORK.member("masked", "net.CIDR -> net.CIDR")(lambda cidr: cidr.masked)
