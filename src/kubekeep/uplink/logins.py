"""Stored logins: the tokens of this user for servers, one private file each. Never sends one.

Files of their own need no lock: two logins at the same moment change different files, or the later one applies.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from kubekeep.model.text import visible
from kubekeep.uplink.errors import ServerLoginError
from kubekeep.uplink.private_files import remove, write_private

_DEFAULT: Final = "default.json"
_PATTERN: Final = "server-*.json"
_MAX_BYTES: Final = 64 << 10
_DIGITS: Final = 16
T = TypeVar("T")


class StoredLogin(msgspec.Struct, frozen=True):
    """A token for a server, and the options of the connection. name: of the account, for people."""

    server: str
    token: str
    name: str = ""
    expires: dt.datetime | None = None
    authority_file: str = ""

    def __repr__(self) -> str:
        return f"StoredLogin({self.server!r}, {self.name!r})"


class _DefaultServer(msgspec.Struct, frozen=True):
    server: str


class LoginStore:
    """The logins in a folder. Methods raise ServerLoginError for a file that cannot be read or written."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find(self, server: str) -> StoredLogin | None:
        """Return the login for a server; None without one."""
        return self._read(self._locate(server), StoredLogin)

    def find_default(self) -> StoredLogin | None:
        """Return the login for the default server, or the only one; None without a default."""
        default = self._read(self._folder / _DEFAULT, _DefaultServer)
        login = None if default is None else self.find(default.server)
        if login is not None:
            return login
        logins = list(self._list())
        return logins[0] if len(logins) == 1 else None

    def save(self, login: StoredLogin) -> None:
        """Store a login; its server becomes the default."""
        self._write(self._locate(login.server), login)
        self._write(self._folder / _DEFAULT, _DefaultServer(login.server))

    def remove(self, server: str) -> bool:
        """Remove the login for a server. Return False without one."""
        path = self._locate(server)
        try:
            if not path.exists():
                return False
            remove(path)
        except OSError as error:
            raise ServerLoginError(f"{visible(str(path))} cannot be removed: {error.strerror}") from error
        return True

    def _list(self) -> Iterator[StoredLogin]:
        for path in sorted(self._folder.glob(_PATTERN)):
            login = self._read(path, StoredLogin)
            if login is not None:
                yield login

    def _locate(self, server: str) -> Path:
        digest = hashlib.sha256(server.encode()).hexdigest()[:_DIGITS]
        return self._folder / _PATTERN.replace("*", digest)

    def _read(self, path: Path, kind: type[T]) -> T | None:
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_MAX_BYTES), type=kind)
        except FileNotFoundError:
            return None
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is damaged"
            raise ServerLoginError(
                f"{visible(str(path))}: the login cannot be read: {reason}; delete the file and run `kubekeep login`"
            ) from error

    def _write(self, path: Path, content: msgspec.Struct) -> None:
        try:
            with write_private(path) as file:
                file.write(msgspec.json.encode(content))
        except OSError as error:
            raise ServerLoginError(f"{visible(str(path))}: the login cannot be stored: {error.strerror}") from error
