"""TLS and proxy settings of connections. Does not connect."""

from __future__ import annotations

import ipaddress
import ssl
import tempfile
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from kubekeep.kube.access import Certificate, ClusterAccess
from kubekeep.kube.errors import KubeconfigError, LoginError
from kubekeep.model.text import visible


def create_tls_context(access: ClusterAccess, certificate: Certificate | None) -> ssl.SSLContext:
    """Create the TLS context of `access`, with `certificate` as client certificate.

    Raises KubeconfigError for an invalid authority or server name, LoginError for an invalid client certificate.
    """
    name = visible(access.name)
    try:
        # OpenSSL makes the same check later, and would leave the socket open.
        access.server_name.encode("idna")
    except UnicodeError:
        raise KubeconfigError(f"{name}: invalid tls-server-name {visible(access.server_name)!r}") from None
    try:
        context = ssl.create_default_context(cadata=_decode_authorities(access.authority))
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"{name}: invalid certificate authority: {_describe_error(error)}") from None
    # Authorities created by kubeadm and managed platforms have no extensions that strict mode requires.
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Trust any certificate in the list as Go does: intermediate authorities and the server's own certificate.
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if access.insecure:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _load_certificate(context, certificate, name)
    return context


def _decode_authorities(pem: bytes | None) -> str | None:
    """Decode PEM. Raises ValueError if it is empty, as OpenSSL would then trust the system's authorities."""
    # Text between certificates is a comment in any encoding.
    text = None if pem is None else pem.decode("ascii", "ignore")
    if text is not None and not text.strip():
        raise ValueError("empty")
    return text


def _load_certificate(context: ssl.SSLContext, certificate: Certificate, name: str) -> None:
    """Load a client certificate. OpenSSL reads files only, so they exist just for the duration of the call."""
    try:
        with tempfile.TemporaryDirectory(prefix="kubekeep-") as folder:
            pair = Path(folder, "pair.pem")
            pair.touch(mode=0o600)
            pair.write_bytes(certificate.certificate.rstrip() + b"\n" + certificate.key)
            # Without a password argument OpenSSL would prompt on the terminal.
            context.load_cert_chain(pair, password="")
    except (OSError, ValueError) as error:
        raise LoginError(f"{name}: invalid client certificate or key: {_describe_error(error)}") from None


def _describe_error(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "it contains no PEM certificate"
    if isinstance(error, OSError):
        return f"cannot create a temporary file: {error.strerror}"
    return "it contains no PEM certificate"


_PORTS = {"http": 80, "https": 443}


def select_proxy(server: str, environment: Mapping[str, str]) -> str:
    """Return the proxy URL in HTTPS_PROXY or HTTP_PROXY for `server`; "" without one or if NO_PROXY matches.

    Follows kubectl (golang.org/x/net/http/httpproxy): loopback addresses need no proxy. Raises ValueError for an
    invalid URL.
    """
    url = urlsplit(server)
    host, port = (url.hostname or "").rstrip("."), url.port or _PORTS.get(url.scheme, 0)
    proxy = _read_variable(environment, f"{url.scheme.upper()}_PROXY")
    if not proxy or host == "localhost" or (_parse_address(host) or _UNSPECIFIED).is_loopback:
        return ""
    if any(
        _matches_entry(entry.strip().lower(), host, port)
        for entry in _read_variable(environment, "NO_PROXY").split(",")
    ):
        return ""
    return proxy if "://" in proxy else f"http://{proxy}"


_UNSPECIFIED = ipaddress.ip_address("0.0.0.0")  # noqa: S104 - no service listens there


def _read_variable(environment: Mapping[str, str], name: str) -> str:
    return environment.get(name) or environment.get(name.lower()) or ""


def _matches_entry(entry: str, host: str, port: int) -> bool:
    """Return True if an entry of NO_PROXY matches: a network, an address, a domain with its subdomains, or `*`."""
    if entry in ("", "*"):
        return entry == "*"
    address = _parse_address(host)
    if "/" in entry:
        try:
            network = ipaddress.ip_network(entry, strict=False)
        except ValueError:
            return False
        return address is not None and address in network
    name, entry_port = _split_port(entry)
    if entry_port and entry_port != str(port):
        return False
    if address is not None:
        return _parse_address(name) == address
    # `*.example.com` equals `.example.com`: a leading dot matches subdomains only.
    domain = name.removeprefix("*")
    return host.endswith(domain) if domain.startswith(".") else host == domain or host.endswith(f".{domain}")


def _split_port(entry: str) -> tuple[str, str]:
    """Return the host and the port of `entry`."""
    if entry.startswith("["):
        inside, _, rest = entry[1:].partition("]")
        return inside, rest.removeprefix(":")
    name, _, port = entry.rpartition(":")
    return (name, port) if name and ":" not in name else (entry, "")


def _parse_address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        return None
