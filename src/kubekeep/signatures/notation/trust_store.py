"""Trust stores of notation: `truststore/x509/TYPE/NAME/*.pem|crt|cer` in a folder. Never writes one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final, Literal, get_args

from cryptography import x509

from kubekeep.model.text import visible
from kubekeep.signatures.errors import TrustError
from kubekeep.signatures.notation.certificates import PARSE_ERRORS

StoreType = Literal["ca", "signingAuthority", "tsa"]
STORE_TYPES: Final = get_args(StoreType)
_EXTENSIONS: Final = (".pem", ".crt", ".cer")
_PEM: Final = b"-----BEGIN CERTIFICATE-----"
_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,255}")
_LARGEST_FILE: Final = 4 << 20
_MOST_FILES: Final = 1024


class TrustStore:
    """The named stores in a folder; each is read when it is first needed."""

    def __init__(self, folder: Path) -> None:
        """Use the folder that contains `x509`, or notation's configuration folder, which contains `truststore/x509`."""
        nested = folder / "truststore"
        self._folder = nested if nested.is_dir() else folder
        self._stores: dict[tuple[str, str], tuple[x509.Certificate, ...]] = {}

    def load(self, kind: StoreType, name: str) -> tuple[x509.Certificate, ...]:
        """Return the certificates of a named store. Raises TrustError for a missing or empty one."""
        key = (kind, name)
        if key not in self._stores:
            if not is_store_name(name):
                raise TrustError(f"trust store {visible(kind)}:{visible(name)}: not a valid name")
            self._stores[key] = _read_folder(self._folder / "x509" / kind / name)
        return self._stores[key]


class CertificateStore(TrustStore):
    """One store, `ca:imported`, with certificates that a policy contains."""

    NAME: Final = "ca:imported"

    def __init__(self, certificates: tuple[x509.Certificate, ...]) -> None:
        self._stores = {("ca", "imported"): certificates}

    def load(self, kind: StoreType, name: str) -> tuple[x509.Certificate, ...]:
        """Return the certificates. Raises TrustError for another store."""
        try:
            return self._stores[kind, name]
        except KeyError:
            raise TrustError(f"trust store {visible(kind)}:{visible(name)}: not in the policy") from None


def is_store_name(name: str) -> bool:
    """Return True for the name of a store, which is the name of a folder."""
    return _NAME.fullmatch(name) is not None and name not in (".", "..")


def _read_folder(folder: Path) -> tuple[x509.Certificate, ...]:
    shown = visible(str(folder))
    if folder.is_symlink() or not folder.is_dir():
        raise TrustError(f"{shown}: not a folder with certificates; symbolic links are not followed")
    try:
        files = sorted(path for path in folder.iterdir() if path.suffix.lower() in _EXTENSIONS)
    except OSError as error:
        raise TrustError(f"{shown}: {error.strerror}") from error
    if len(files) > _MOST_FILES:
        raise TrustError(f"{shown}: {len(files)} files; the limit is {_MOST_FILES}")
    certificates = tuple(certificate for file in files for certificate in _read_file(file))
    if not certificates:
        raise TrustError(f"{shown}: no certificates; add files with the extension .pem, .crt or .cer")
    return certificates


def _read_file(path: Path) -> list[x509.Certificate]:
    shown = visible(str(path))
    if path.is_symlink() or not path.is_file():
        raise TrustError(f"{shown}: not a regular file; symbolic links are not followed")
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
    except OSError as error:
        raise TrustError(f"{shown}: {error.strerror}") from error
    if len(content) > _LARGEST_FILE:
        raise TrustError(f"{shown}: larger than {_LARGEST_FILE:,} bytes")
    try:
        certificates = (
            x509.load_pem_x509_certificates(content) if _PEM in content else [x509.load_der_x509_certificate(content)]
        )
        for certificate in certificates:
            _check_anchor(certificate, shown)
    except PARSE_ERRORS as error:
        raise TrustError(f"{shown}: not a certificate in PEM or DER") from error
    return certificates


def _check_anchor(certificate: x509.Certificate, shown: str) -> None:
    """Refuse the certificate of a signer that an authority issued: a trust anchor is an authority, or self-signed."""
    try:
        is_authority = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        is_authority = False
    if not is_authority and certificate.issuer != certificate.subject:
        raise TrustError(
            f"{shown}: neither the certificate of an authority nor a self-signed one; store the root of its chain"
        )
