"""Keys in PEM files, and signatures with them: ECDSA, RSA and Ed25519, as in Sigstore's registry of algorithms.

Never writes a key and never prompts for a password.
"""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Final, Literal

import msgspec
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

from kubekeep.registry.errors import KeyFileError

_COSIGN: Final = (b"-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----", b"-----BEGIN ENCRYPTED COSIGN PRIVATE KEY-----")
_LONGEST: Final = 64 << 10
_MOST_MEMORY: Final = 256 << 20
"""Memory limit in bytes of deriving a key from a password; cosign's parameters need 64 MiB."""
_KEY_BYTES: Final = 32

Password = Callable[[], bytes]
"""Returns the password of an encrypted key; called only if needed."""
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey | ed25519.Ed25519PublicKey
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey
_CURVES: Final = {"secp256r1": hashes.SHA256(), "secp384r1": hashes.SHA384(), "secp521r1": hashes.SHA512()}
"""Hash function of each curve. Old versions of cosign use SHA-256 with every curve."""
_HASHES: Final = (hashes.SHA256(), hashes.SHA384(), hashes.SHA512())
_LEAST_BITS: Final = 2048
_MOST_BITS: Final = 8192
_SUPPORTED: Final = "use ECDSA on P-256, P-384 or P-521, RSA of 2048 to 8192 bits, or Ed25519"


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


def load_private_key(text: bytes, password: Password) -> PrivateKey:
    """Load a private key: PEM (PKCS#8 or traditional), or an encrypted cosign key. Raises KeyFileError."""
    if len(text) > _LONGEST:
        raise KeyFileError("file too large for a key")
    if text.lstrip().startswith(_COSIGN):
        key = _load(_decrypt(text, password()), None, der=True)
    else:
        try:
            key = _load(text, None)
        except TypeError:  # TypeError means that the key is encrypted
            key = _load(text, password())
    if not isinstance(key, PrivateKey):
        raise KeyFileError(f"a key of an unsupported type: {_SUPPORTED}")
    check_public_key(key.public_key())
    return key


def load_public_key(text: bytes) -> PublicKey:
    """Load a public key in PEM. Raises KeyFileError."""
    try:
        return check_public_key(serialization.load_pem_public_key(text[:_LONGEST]))
    except (ValueError, UnsupportedAlgorithm) as error:
        if isinstance(error, KeyFileError):
            raise
        raise KeyFileError("not a public key in PEM") from error


def check_public_key(key: object) -> PublicKey:
    """Return `key` if its algorithm and size are supported. Raises KeyFileError."""
    match key:
        case ec.EllipticCurvePublicKey() if key.curve.name in _CURVES:
            return key
        case rsa.RSAPublicKey() if _LEAST_BITS <= key.key_size <= _MOST_BITS:
            return key
        case ed25519.Ed25519PublicKey():
            return key
    raise KeyFileError(f"a key of an unsupported type: {_SUPPORTED}")


def encode_public_key(key: PublicKey) -> bytes:
    """Return the key in DER (SubjectPublicKeyInfo)."""
    return key.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def fingerprint(key: PublicKey) -> str:
    """Return the SHA-256 digest in hex of the key in DER (SubjectPublicKeyInfo)."""
    return hashlib.sha256(encode_public_key(key)).hexdigest()


def create_signature(key: PrivateKey, data: bytes, *, is_legacy: bool = False) -> bytes:
    """Return the signature of `data`. is_legacy: with SHA-256 for every key, as old versions of cosign expect."""
    match key:
        case ec.EllipticCurvePrivateKey():
            return key.sign(data, ec.ECDSA(hashes.SHA256() if is_legacy else _CURVES[key.curve.name]))
        case rsa.RSAPrivateKey():
            return key.sign(data, padding.PKCS1v15(), hashes.SHA256())
        case _:
            return key.sign(data)


def is_valid(key: PublicKey, signature: bytes, data: bytes, *, is_digest: bool = False, algorithm: str = "") -> bool:
    """Return True if `signature` of `data` is valid. is_digest: `data` is the SHA-256 digest of the message.

    algorithm: the name of the only accepted hash function, as "sha256".

    RSA with PKCS #1 v1.5 and PSS, and each SHA-2 function that key services offer, are accepted. Ed25519 needs the message.
    """
    functions = tuple(function for function in _HASHES if algorithm in ("", function.name))
    return any(_succeeds(verify) for verify in _list_attempts(key, signature, data, functions, is_digest=is_digest))


def _list_attempts(
    key: PublicKey, signature: bytes, data: bytes, functions: Sequence[hashes.HashAlgorithm], *, is_digest: bool
) -> Iterator[Callable[[], None]]:
    if isinstance(key, ed25519.Ed25519PublicKey):
        if not is_digest:
            yield functools.partial(key.verify, signature, data)
        return
    for function in functions:
        # Bundles state a digest by SHA-256.
        if is_digest and function.name != "sha256":
            continue
        algorithm = Prehashed(function) if is_digest else function
        if isinstance(key, ec.EllipticCurvePublicKey):
            yield functools.partial(key.verify, signature, data, ec.ECDSA(algorithm))
        else:
            yield functools.partial(key.verify, signature, data, padding.PKCS1v15(), algorithm)
            probabilistic = padding.PSS(padding.MGF1(function), padding.PSS.AUTO)
            yield functools.partial(key.verify, signature, data, probabilistic, algorithm)


def _succeeds(verify: Callable[[], None]) -> bool:
    try:
        verify()
    except InvalidSignature:
        return False
    return True


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
