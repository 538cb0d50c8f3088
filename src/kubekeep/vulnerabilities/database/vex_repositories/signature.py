"""Detached signatures of the archives of VEX repositories, as `cosign sign-blob` writes them. No I/O."""

from __future__ import annotations

import base64
import binascii
from types import ModuleType
from typing import Final

from kubekeep.registry.errors import KeyFileError
from kubekeep.vulnerabilities.database.errors import UpdateError

SUFFIX: Final = ".sig"
"""End of the name of a signature, after the name of the archive."""
MAX_SIGNATURE: Final = 64 << 10


def normalise_key(content: bytes) -> str:
    """Return a public key as the database keeps it, so that equal keys are equal texts. Raises KeyFileError, UpdateError."""
    keys = _import_keys()
    text = base64.encodebytes(keys.encode_public_key(keys.load_public_key(content))).decode()
    return f"-----BEGIN PUBLIC KEY-----\n{text}-----END PUBLIC KEY-----\n"


def check_signature(key: str, signature: bytes, content: bytes, name: str) -> None:
    """Raise UpdateError unless `signature` is one of `content` by the public `key`. name: of the content, for messages."""
    keys = _import_keys()
    try:
        decoded = base64.b64decode(b"".join(signature.split()), validate=True)
        is_valid = keys.is_valid(keys.load_public_key(key.encode()), decoded, content)
    except KeyFileError as error:
        raise UpdateError(f"the key of the repository is damaged: {error}") from error
    except binascii.Error as error:
        raise UpdateError(f"{name}: the signature is not base64, as `cosign sign-blob` writes it") from error
    if not is_valid:
        raise UpdateError(f"{name} has no valid signature by the key of the repository")


def _import_keys() -> ModuleType:
    # Needs an optional package, and only signed repositories do.
    try:
        from kubekeep.registry import keys  # noqa: PLC0415
    except ModuleNotFoundError as error:
        raise UpdateError(f"signatures need {error.name}: pip install 'kubekeep[oci]'") from error
    return keys
