"""Trusted roots of Sigstore from certificates and keys in PEM, as imported policies contain them. No network."""

from __future__ import annotations

import base64
import functools
import hashlib
import importlib.resources
from typing import Any, Final

import msgspec
from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

_TYPE: Final = "application/vnd.dev.sigstore.trustedroot+json;version=0.1"
_ALWAYS: Final = {"start": "1970-01-01T00:00:00Z"}
_MOST_CERTIFICATES: Final = 64
_LARGEST: Final = 1 << 20
Parts = dict[str, list[dict[str, Any]]]


class PemError(ValueError):
    """A text without valid certificates or keys."""


def build_root(parts: Parts, *, is_public: bool = False) -> str:
    """Return a trusted root as JSON. is_public: parts that are not given are those of Sigstore's public instance."""
    base = _load_public() if is_public else {"mediaType": _TYPE}
    return msgspec.json.encode(base | parts).decode()


def describe_authorities(pem: str, *, is_chain: bool) -> list[dict[str, Any]]:
    """Return the authorities of certificates. is_chain: one chain, its root last; else each is a root. Raises PemError."""
    certificates = load_certificates(pem)
    # Trusted roots have the root of a chain last; policies may name it anywhere.
    ordered = sorted(certificates, key=lambda certificate: certificate.issuer == certificate.subject)
    chains = [ordered] if is_chain else [[certificate] for certificate in certificates]
    return [
        {
            "certChain": {
                "certificates": [
                    {"rawBytes": _encode(certificate.public_bytes(serialization.Encoding.DER))} for certificate in chain
                ]
            },
            "validFor": _ALWAYS,
        }
        for chain in chains
    ]


def describe_log(pem: str) -> dict[str, Any]:
    """Return the log with a public key. Raises PemError."""
    try:
        key = serialization.load_pem_public_key(pem.encode())
    except (ValueError, UnsupportedAlgorithm) as error:
        raise PemError("not a public key in PEM") from error
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return {
        "publicKey": {"rawBytes": _encode(der), "validFor": _ALWAYS},
        "logId": {"keyId": _encode(hashlib.sha256(der).digest())},
    }


def load_certificates(pem: str) -> list[x509.Certificate]:
    """Return the certificates of a text. Raises PemError if there is none, and above the limits."""
    if len(pem) > _LARGEST:
        raise PemError(f"larger than {_LARGEST:,} bytes")
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError as error:
        raise PemError("no valid certificates in PEM") from error
    if len(certificates) > _MOST_CERTIFICATES:
        raise PemError(f"{len(certificates)} certificates; the limit is {_MOST_CERTIFICATES}")
    return certificates


def _encode(content: bytes) -> str:
    return base64.b64encode(content).decode()


@functools.cache
def _load_public() -> dict[str, Any]:
    content = importlib.resources.files("kubekeep.signatures.sigstore").joinpath("public_good.json").read_bytes()
    document: dict[str, Any] = msgspec.json.decode(content)
    return document
