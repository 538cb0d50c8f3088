"""Which proxy leads to a server, by the variables that kubectl obeys (golang.org/x/net/http/httpproxy). Connects to nothing."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from urllib.parse import urlsplit

_PORTS = {"http": 80, "https": 443}


def proxy_for(server: str, environment: Mapping[str, str]) -> str:
    """The address of the proxy that HTTPS_PROXY or HTTP_PROXY names for `server`; empty for none, or where NO_PROXY says so.

    What is on this machine is reached without one. Raises ValueError where `server` is no address.
    """
    url = urlsplit(server)
    host, port = (url.hostname or "").rstrip("."), url.port or _PORTS.get(url.scheme, 0)
    named = _variable(environment, f"{url.scheme.upper()}_PROXY")
    if not named or host == "localhost" or (_address(host) or _NOWHERE).is_loopback:
        return ""
    if any(_is_meant(entry.strip().lower(), host, port) for entry in _variable(environment, "NO_PROXY").split(",")):
        return ""
    return named if "://" in named else f"http://{named}"


_NOWHERE = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - nothing listens there


def _variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _is_meant(entry: str, host: str, port: int) -> bool:
    """Whether an entry of NO_PROXY means a server: a network, an address, a domain with all below it, or `*`."""
    if entry in ("", "*"):
        return entry == "*"
    address = _address(host)
    if "/" in entry:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
        return address is not None and address in network
    name, wanted = _split(entry)
    if wanted and wanted != str(port):
        return False
    if address is not None:
        return _address(name) == address
    # A star stands for what comes before the first dot; a dot means only what is below the domain.
    domain = name.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _split(entry: str) -> tuple[str, str]:
    """The name or address and the port of `entry`."""
    if entry.startswith("["):
        inside, _, rest = entry[1:].partition("]")
        return inside, rest.removeprefix(":")
    name, _, port = entry.rpartition(":")
    return (name, port) if name and ":" not in name else (entry, "")


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
