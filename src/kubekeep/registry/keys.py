"""Keys in PEM files: ECDSA on P-256, as created by cosign. Never writes a key and never prompts for a password."""

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
"""Memory limit in bytes of deriving a key from a password; cosign's parameters need 64 MiB."""
_KEY_BYTES: Final = 32

Password = Callable[[], bytes]
"""Returns the password of an encrypted key; called only if needed."""


class _ScryptParameters(msgspec.Struct, frozen=True):
    class ScryptCost(msgspec.Struct, frozen=True):
        n: Annotated[int, msgspec.Meta(ge=2, le=1 << 22)] = msgspec.field(name="N")
        r: Annotated[int, msgspec.Meta(ge=1, le=64)]
        p: Annotated[int, msgspec.Meta(ge=1, le=16)]

    name: Literal["scrypt"]
    params: ScryptCost
    salt: bytes


class _Secretbox(msgspec.Struct, frozen=True):
    name: Literal["nacl/secretbox"]
    nonce: bytes


class _EncryptedKey(msgspec.Struct, frozen=True):
    """JSON content of an encrypted cosign key; bytes are base64."""

    kdf: _ScryptParameters
    cipher: _Secretbox
    ciphertext: bytes


def load_private_key(text: bytes, password: Password) -> ec.EllipticCurvePrivateKey:
    """Load a private key: PEM (PKCS#8 or SEC 1), or an encrypted cosign key. Raises KeyFileError."""
    if len(text) > _LONGEST:
        raise KeyFileError("file too large for a key")
    if text.lstrip().startswith(_COSIGN):
        key = _load(_decrypt(text, password()), None, der=True)
    else:
        try:
            key = _load(text, None)
        except TypeError:  # TypeError means that the key is encrypted
            key = _load(text, password())
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not an ECDSA key on P-256, as cosign requires")
    return key


def load_public_key(text: bytes) -> ec.EllipticCurvePublicKey:
    """Load a public key in PEM. Raises KeyFileError."""
    try:
        key = serialization.load_pem_public_key(text[:_LONGEST])
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("not a public key in PEM") from error
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise KeyFileError("not an ECDSA key on P-256, as cosign requires")
    return key


def fingerprint(key: ec.EllipticCurvePublicKey) -> str:
    """Return the SHA-256 digest in hex of the key in DER (SubjectPublicKeyInfo)."""
    der = key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    return hashlib.sha256(der).hexdigest()


def _load(text: bytes, password: bytes | None, *, der: bool = False) -> object:
    load = serialization.load_der_private_key if der else serialization.load_pem_private_key
    try:
        return load(text, password)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise KeyFileError("not a private key in PEM, or wrong password") from error


def _decrypt(text: bytes, password: bytes) -> bytes:
    """Decrypt a cosign key to PKCS#8: a NaCl secretbox with a key derived by scrypt (RFC 7914)."""
    from nacl.exceptions import CryptoError  # noqa: PLC0415 - only these keys need it
    from nacl.secret import SecretBox  # noqa: PLC0415

    lines = text.strip().splitlines()
    try:
        encrypted = msgspec.json.decode(base64.b64decode(b"".join(lines[1:-1]), validate=True), type=_EncryptedKey)
        cost = encrypted.kdf.params
        key = hashlib.scrypt(
            password, salt=encrypted.kdf.salt, n=cost.n, r=cost.r, p=cost.p, maxmem=_MOST_MEMORY, dklen=_KEY_BYTES
        )
        return SecretBox(key).decrypt(encrypted.ciphertext, encrypted.cipher.nonce)
    except CryptoError as error:
        raise KeyFileError("wrong password for this key") from error
    except (binascii.Error, msgspec.DecodeError, ValueError, TypeError) as error:
        raise KeyFileError("not a valid encrypted key of cosign") from error
