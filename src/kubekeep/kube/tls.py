"""How TLS with an API server is set up: whom to trust, and which certificate to show. Connects to nothing."""

from __future__ import annotations

import ssl
import tempfile
from pathlib import Path

from kubekeep.kube.access import Access, Certificate
from kubekeep.kube.errors import KubeconfigError, LoginError
from kubekeep.model.text import visible


def context(access: Access, certificate: Certificate | None) -> ssl.SSLContext:
    """The TLS settings of `access`, showing `certificate` if there is one.

    Raises KubeconfigError for an authority or a name, LoginError for a certificate that cannot be used.
    """
    name = visible(access.name)
    try:
        # As OpenSSL will take it, which would leave the socket open.
        access.server_name.encode("idna")
    except UnicodeError:
        raise KubeconfigError(f"{name}: no server has the name {visible(access.server_name)!r}") from None
    try:
        found = ssl.create_default_context(cadata=_authorities(access.authority))
    except (ssl.SSLError, ValueError) as error:
        raise KubeconfigError(f"{name}: the certificate authority is not PEM: {_told(error)}") from None
    # Authorities that kubeadm and managed platforms made lack extensions that this would ask for.
    found.verify_flags &= ~ssl.VERIFY_X509_STRICT
    # Whatever is named is trusted, as by Go: an intermediate authority, or the certificate of the server itself.
    found.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if access.insecure:
        found.check_hostname = False
        found.verify_mode = ssl.CERT_NONE
    if certificate is not None:
        _show(found, certificate, name)
    return found


def _authorities(data: bytes | None) -> str | None:
    """`data` as OpenSSL takes it. Raises ValueError where nothing is in it, which would mean the authorities of the system."""
    # What stands between certificates are comments, in any language.
    text = None if data is None else data.decode("ascii", "ignore")
    if text is not None and not text.strip():
        raise ValueError("empty")
    return text


def _show(found: ssl.SSLContext, certificate: Certificate, name: str) -> None:
    """OpenSSL takes a certificate from files only: they are gone as soon as they were read."""
    try:
        with tempfile.TemporaryDirectory(prefix="kubekeep-") as folder:
            pair = Path(folder, "pair.pem")
            pair.touch(mode=0o600)
            pair.write_bytes(certificate.certificate.rstrip() + b"\n" + certificate.key)
            # Without a password OpenSSL would ask for one on the terminal.
            found.load_cert_chain(pair, password="")
    except (OSError, ValueError) as error:
        raise LoginError(f"{name}: the client certificate and its key cannot be used: {_told(error)}") from None


def _told(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return error.reason or "no certificate in it"
    if isinstance(error, OSError):
        return f"there is no place for a temporary file: {error.strerror}"
    return "no certificate in it"
