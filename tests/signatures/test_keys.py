"""Algorithms of keys: all that Sigstore and key services use are accepted, and no signature for another message or key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from kubekeep.registry.keys import create_signature, is_valid

MESSAGE = b"a message"
RSA = rsa.generate_private_key(65537, 2048)
EC256, EC384, EC521 = (ec.generate_private_key(curve()) for curve in (ec.SECP256R1, ec.SECP384R1, ec.SECP521R1))
ED = ed25519.Ed25519PrivateKey.generate()


def pss(function: hashes.HashAlgorithm, length: Any = padding.PSS.DIGEST_LENGTH) -> bytes:
    return RSA.sign(MESSAGE, padding.PSS(padding.MGF1(function), length), function)


SIGNATURES: dict[str, tuple[Any, Callable[[], bytes], bool]] = {
    "P-256": (EC256, lambda: EC256.sign(MESSAGE, ec.ECDSA(hashes.SHA256())), True),
    "P-384, SHA-384": (EC384, lambda: EC384.sign(MESSAGE, ec.ECDSA(hashes.SHA384())), False),
    "P-384, SHA-256": (EC384, lambda: EC384.sign(MESSAGE, ec.ECDSA(hashes.SHA256())), True),
    "P-521, SHA-512": (EC521, lambda: EC521.sign(MESSAGE, ec.ECDSA(hashes.SHA512())), False),
    "RSA, PKCS #1": (RSA, lambda: RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA256()), True),
    "RSA, SHA-512": (RSA, lambda: RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA512()), False),
    "RSA, PSS": (RSA, lambda: pss(hashes.SHA256()), True),
    "RSA, PSS, long salt": (RSA, lambda: pss(hashes.SHA256(), padding.PSS.MAX_LENGTH), True),
    "RSA, PSS, SHA-512": (RSA, lambda: pss(hashes.SHA512()), False),
    "Ed25519": (ED, lambda: ED.sign(MESSAGE), False),
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_algorithms(name: str) -> None:
    """Accept a signature of the message; of its SHA-256 alone only where the algorithm allows it."""
    key, sign, accepts_digest = SIGNATURES[name]
    public, signature = key.public_key(), sign()
    digest = hashlib.sha256(MESSAGE).digest()
    assert is_valid(public, signature, MESSAGE)
    assert is_valid(public, signature, digest, is_digest=True) == accepts_digest
    assert not is_valid(public, signature, MESSAGE + b"x")
    assert not is_valid(public, signature[:-1], MESSAGE)
    assert not is_valid(public, b"", MESSAGE)


def test_old_rsa_hash_is_refused() -> None:
    signature = RSA.sign(MESSAGE, padding.PKCS1v15(), hashes.SHA1())  # noqa: S303 - refused
    assert not is_valid(RSA.public_key(), signature, MESSAGE)


@pytest.mark.parametrize("key", [EC256, EC384, EC521, RSA, ED], ids=["P-256", "P-384", "P-521", "RSA", "Ed25519"])
@pytest.mark.parametrize("is_legacy", [False, True])
def test_created_signatures(key: Any, *, is_legacy: bool) -> None:
    assert is_valid(key.public_key(), create_signature(key, MESSAGE, is_legacy=is_legacy), MESSAGE)
