"""Encryption of the secrets of destinations by a key in a file: a copy of the database alone does not contain them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import msgspec
from cryptography.fernet import Fernet, InvalidToken

from kubekeep_server.settings import Settings, SettingsError, read_secret

_FILE: Final = "notifications.key"
_PRIVATE: Final = 0o600


class SecretBox:
    """Encrypts and decrypts with one key (Fernet: AES-128-CBC and HMAC-SHA256)."""

    def __init__(self, key: str) -> None:
        """Raise ValueError for a text that is no key."""
        self._fernet = Fernet(key)

    def seal(self, secrets: Mapping[str, str]) -> bytes:
        """Return encrypted secrets."""
        return self._fernet.encrypt(msgspec.json.encode(secrets))

    def open(self, content: bytes | None) -> dict[str, str]:
        """Return secrets; none for an empty content. Raises ValueError if another key has encrypted them."""
        if not content:
            return {}
        try:
            return msgspec.json.decode(self._fernet.decrypt(content), type=dict[str, str])
        except (InvalidToken, msgspec.DecodeError) as error:
            raise ValueError("the secrets were encrypted with another key; enter them again") from error


def open_secret_box(settings: Settings) -> SecretBox | None:
    """Return the box with the key of the settings, or with one in the data folder, which is created.

    None with a database server and without a key file: its processes have no folder in common. Raises SettingsError.
    """
    if settings.secret_key_file:
        try:
            return SecretBox(read_secret(settings.secret_key_file))
        except ValueError as error:
            raise SettingsError(
                f"secret_key_file: {settings.secret_key_file}: the first line is no key: 32 bytes in URL-safe Base64"
            ) from error
    if settings.database:
        return None
    path = Path(settings.data) / _FILE
    try:
        _create(path)
        return SecretBox(read_secret(str(path)))
    except (OSError, ValueError) as error:
        raise SettingsError(f"{path}: {error}; restore the file, or delete it and enter the secrets again") from error


def _create(path: Path) -> None:
    """Write a new key to a file that does not exist."""
    if path.exists():
        return
    draft = path.with_suffix(".new")
    draft.unlink(missing_ok=True)
    with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as stream:
        stream.write(Fernet.generate_key() + b"\n")
        stream.flush()
        os.fsync(stream.fileno())
    draft.replace(path)
