"""IP addresses, networks and URLs of the Kubernetes CEL libraries. Never resolves a name, never fetches a URL."""

from __future__ import annotations

import ipaddress
import re
from typing import Final, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.values import CelError, OpaqueValue

NETWORK: Final = FunctionRegistry()

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address


class Ip(OpaqueValue):
    """An IP address (`net.IP`)."""

    __slots__ = ("address",)
    type_name = "net.IP"

    def __init__(self, address: Address) -> None:
        self.address = address

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ip) and self.address == other.address

    def __hash__(self) -> int:
        return hash(self.address)


class Cidr(OpaqueValue):
    """An address with a prefix length (`net.CIDR`)."""

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
        """The network with its host bits set to zero."""
        network = ipaddress.ip_network((self.address, self.bits), strict=False)
        return Cidr(network.network_address, self.bits)

    def contains(self, address: Address) -> bool:
        """Return True if `address` is in the network."""
        return address.version == self.address.version and Cidr(address, self.bits).masked == self.masked


def _parse_address(text: str) -> Address:
    try:
        address = ipaddress.ip_address(text)
    except ValueError as error:
        raise CelError(f"IP Address {text!r} parse error during conversion from string: {error}") from None
    if isinstance(address, ipaddress.IPv6Address) and (address.scope_id or address.ipv4_mapped):
        raise CelError(f"IP address {text!r} with zone value, or IPv4-mapped, is not allowed")
    return address


def _parse_cidr(text: str) -> Cidr:
    name, slash, digits = text.rpartition("/")
    problem = f"network address parse error during conversion from string: {text!r}"
    try:
        address = _parse_address(name)
    except CelError:
        raise CelError(problem) from None
    is_canonical = digits.isascii() and digits.isdigit() and digits == str(int(digits))
    if not slash or not is_canonical or int(digits) > address.max_prefixlen:
        raise CelError(problem)
    return Cidr(address, int(digits))


def _is_ip(text: str) -> bool:
    try:
        _parse_address(text)
    except CelError:
        return False
    return True


def _is_cidr(text: str) -> bool:
    try:
        _parse_cidr(text)
    except CelError:
        return False
    return True


def _is_global(address: Address) -> bool:
    special = address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local
    return not special and str(address) != "255.255.255.255"


def _is_local_multicast(address: Address) -> bool:
    # The scope of an IPv6 multicast address is the low half of its second byte.
    if isinstance(address, ipaddress.IPv6Address):
        return address.packed[0] == 0xFF and address.packed[1] & 0x0F == 0x02
    return address in ipaddress.ip_network("224.0.0.0/24")


def _covers(cidr: Cidr, other: Cidr) -> bool:
    return cidr.bits <= other.bits and cidr.contains(other.address)


NETWORK.function("ip", "string -> net.IP")(lambda text: Ip(_parse_address(text)))
NETWORK.function("isIP", "string -> bool")(_is_ip)
NETWORK.function("ip.isCanonical", "string -> bool")(lambda text: str(_parse_address(text)) == text)
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
NETWORK.function("cidr", "string -> net.CIDR")(_parse_cidr)
NETWORK.function("isCIDR", "string -> bool")(_is_cidr)
NETWORK.function("string", "net.CIDR -> string")(lambda cidr: f"{cidr.address}/{cidr.bits}")
NETWORK.member("containsIP", "net.CIDR, string -> bool")(lambda cidr, text: cidr.contains(_parse_address(text)))
NETWORK.member("containsIP", "net.CIDR, net.IP -> bool")(lambda cidr, ip: cidr.contains(ip.address))
NETWORK.member("containsCIDR", "net.CIDR, string -> bool")(lambda cidr, text: _covers(cidr, _parse_cidr(text)))
NETWORK.member("containsCIDR", "net.CIDR, net.CIDR -> bool")(_covers)
NETWORK.member("ip", "net.CIDR -> net.IP")(lambda cidr: Ip(cidr.address))
NETWORK.member("prefixLength", "net.CIDR -> int")(lambda cidr: cidr.bits)
NETWORK.member("masked", "net.CIDR -> net.CIDR")(lambda cidr: cidr.masked)


_SCHEME: Final = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*):", re.ASCII)
_BAD_ESCAPE: Final = re.compile(r"%(?![0-9A-Fa-f]{2})")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f]")
_PATH_SAFE: Final = "$&+,/:;=@-_.~"
_ENCODED: Final = re.compile(r"[A-Za-z0-9\-_.~$&+,/:;=@!'()*\[\]%]*", re.ASCII)
_HOST: Final = re.compile(r"(?:[A-Za-z0-9\-_.~!$&'()*+,;=:\"<>]|[^\x00-\x7f]|%[0-9A-Fa-f]{2})*", re.ASCII)


class Url(OpaqueValue):
    """A URL parsed like Go's net/url; `path` and `query` are in their original encoding."""

    __slots__ = ("host", "path", "query", "scheme", "text")
    type_name = "kubernetes.URL"

    def __init__(self, text: str) -> None:
        """Parse a URL. Raises CelError for text that is neither an absolute URL nor a path."""
        problem = f"URL parse error during conversion from string: parse {text!r}: "
        if not text or _CONTROL.search(text):
            raise CelError(problem + ("invalid control character in URL" if text else "empty url"))
        self.text = text
        match = _SCHEME.match(text)
        self.scheme = match[1].lower() if match else ""
        rest = (text[match.end() :] if match else text).partition("#")[0]
        if not self.scheme and not rest.startswith("/"):
            raise CelError(problem + "invalid URI for request")
        rest, _, self.query = rest.partition("?")
        self.host = ""
        if rest.startswith("//") and (self.scheme or not rest.startswith("///")):
            authority, slash, after = rest[2:].partition("/")
            rest = slash + after
            self.host = authority.rpartition("@")[2]
            if not _is_host(self.host):
                raise CelError(problem + f"invalid host {self.host!r}")
        self.path = rest if rest.startswith("/") or not self.scheme else ""
        if _BAD_ESCAPE.search(self.path):
            raise CelError(problem + "invalid URL escape")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Url) and self.text == other.text

    def __hash__(self) -> int:
        return hash(self.text)

    @property
    def _host_and_port(self) -> tuple[str, str]:
        """(host, port); the port may be empty."""
        name, colon, port = self.host.rpartition(":")
        if colon and (not port or port.isdigit()) and not name.endswith(":"):
            return name, port
        return self.host, ""

    @property
    def hostname(self) -> str:
        """The host without brackets and port."""
        return self._host_and_port[0].removeprefix("[").removesuffix("]")

    @property
    def port(self) -> str:
        """The port, or "" if there is none."""
        return self._host_and_port[1]

    @property
    def escaped_path(self) -> str:
        """The path as written if it is validly encoded, else encoded again."""
        if _ENCODED.fullmatch(self.path):
            return self.path
        return quote(unquote_to_bytes(self.path), safe=_PATH_SAFE)

    @property
    def parameters(self) -> dict[str, list[str]]:
        """Values of each query parameter; invalid parameters are left out."""
        parameters: dict[str, list[str]] = {}
        for part in self.query.split("&"):
            if not part or ";" in part or _BAD_ESCAPE.search(part):
                continue
            key, _, value = part.partition("=")
            parameters.setdefault(_decode(key), []).append(_decode(value))
        return parameters


def _decode(text: str) -> str:
    return unquote_to_bytes(text.replace("+", " ")).decode(errors="replace")


def _is_host(host: str) -> bool:
    if host.startswith("["):
        inside, bracket, after = host[1:].partition("]")
        return bool(bracket and inside) and re.fullmatch(r"(?::[0-9]*)?", after) is not None
    _, colon, port = host.rpartition(":")
    return _HOST.fullmatch(host) is not None and (not colon or not port or (port.isascii() and port.isdigit()))


@NETWORK.function("isURL", "string -> bool")
def _is_url(text: str) -> bool:
    try:
        Url(text)
    except CelError:
        return False
    return True


NETWORK.function("url", "string -> kubernetes.URL")(Url)
NETWORK.declare(
    {
        "getScheme": lambda url: url.scheme,
        "getHost": lambda url: url.host,
        "getHostname": lambda url: url.hostname,
        "getPort": lambda url: url.port,
        "getEscapedPath": lambda url: url.escaped_path,
    },
    "kubernetes.URL -> string",
    member=True,
)
NETWORK.member("getQuery", "kubernetes.URL -> map(string, list(string))")(lambda url: url.parameters)
