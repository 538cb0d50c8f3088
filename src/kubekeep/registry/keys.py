"""Keys from PEM files: ECDSA on P-256, the keys that cosign makes. Never writes one, never asks for a password itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Callable
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from kubekeep.registry.errors import KeyFileError

_COSIGN: Final = (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
_LONGEST: Final = 64 << 10
_MOST_MEMORY: Final = 256 << 20
"""Bytes that deriving a key from a password may take: cosign's settings take 64 MiB."""
_KEY_BYTES: Final = 32

Password = Callable[[], bytes]
"""Gives the password of a key, when a key turns out to have one."""


class _Scrypt(msgspec.Struct, frozen=True):
    class Cost(msgspec.Struct, frozen=True):
        n: Annotated[int, msgspec.Meta(ge=2, le=1 << 22)] = msgspec.field(name="N")
        r: Annotated[int, msgspec.Meta(ge=1, le=64)]
        p: Annotated[int, msgspec.Meta(ge=1, le=16)]

    name: Literal["scrypt"]
    params: Cost
    salt: bytes


class _Secretbox(msgspec.Struct, frozen=True):
    name: Literal["nacl/secretbox"]
    nonce: bytes


class _Sealed(msgspec.Struct, frozen=True):
    """What is inside of an encrypted key of cosign, as JSON; bytes are base64."""

    kdf: _Scrypt
    cipher: _Secretbox
    ciphertext: bytes


def private_key(text: bytes, password: Password) -> ec.EllipticCurvePrivateKey:
    """The private key in `text`: PEM of PKCS#8 or SEC 1, or a key of cosign. Raises KeyFileError."""
    if len(text) > _LONGEST:
        raise KeyFileError("too long for a key")
    if text.lstrip().startswith(_COSIGN):
        key = _loaded(_opened(text, password()), None, der=True)
    else:
        try:
            key = _loaded(text, None)
        except TypeError:  # it is encrypted, and by what the library says, nothing else
            key = _loaded(text, password())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not a key for ECDSA on P-256, which is what cosign signs with")
    return key


def public_key(text: bytes) -> ec.EllipticCurvePublicKey:
    """The public key in `text`, in PEM. Raises KeyFileError."""
    try:
        key = serialization.load_pem_public_key(text[:_LONGEST])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("not a public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not a key for ECDSA on P-256, which is what cosign signs with")
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """The SHA-256 digest of the key in DER (SubjectPublicKeyInfo), by which people may tell it apart."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _loaded(text: bytes, password: bytes | None, *, der: bool = False) -> object:
    load = serialization.load_der_private_key if der else serialization.load_pem_private_key
    try:
        return load(text, password)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("not a private key in PEM, or not its password") from error


def _opened(text: bytes, password: bytes) -> bytes:
    """The PKCS#8 in an encrypted key of cosign: a secretbox of NaCl, its key derived by scrypt (RFC 7914)."""
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - only these keys need it
    from nacl.secret import SecretBox  # noqa: PLC0415

    lines = text.strip().splitlines()
    try:
        sealed = msgspec.json.decode(base64.b64decode(b"".join(lines[1:-1]), validate=True), type=_Sealed)
        cost = sealed.kdf.params
        key = hashlib.scrypt(
            password, salt=sealed.kdf.salt, n=cost.n, r=cost.r, p=cost.p, maxmem=_MOST_MEMORY, dklen=_KEY_BYTES
        )
        return SecretBox(key).decrypt(sealed.ciphertext, sealed.cipher.nonce)
    except CryptoError as error:
        raise KeyFileError("not the password of this key") from error
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError) as error:
        raise KeyFileError("not an encrypted key of cosign") from error
