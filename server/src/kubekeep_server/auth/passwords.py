"""Passwords by argon2id (RFC 9106), at most two computations at a time: each takes 64 MiB and a quarter of a second."""

from __future__ import annotations

import asyncio
from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

SHORTEST: Final = 12
LONGEST: Final = 200
_AT_ONCE: Final = 2


class PasswordsBusyError(Exception):
    """More sign-ins than are computed at a time."""


class PasswordVerifier:
    """Hashes and verifies passwords in threads."""

    def __init__(self) -> None:
        self._hasher = PasswordHasher()
        self._running = 0
        # As slow as a real one, so that the time does not tell which users exist.
        self._unknown = self._hasher.hash("unknown user")

    async def hash(self, password: str) -> str:
        """Return the hash with its salt and parameters. Raises PasswordsBusyError."""
        self._start()
        try:
            return await asyncio.to_thread(self._hasher.hash, password)
        finally:
            self._running -= 1

    async def verify(self, stored: str | None, password: str) -> bool:
        """Return True for the password of a hash; None is the hash of no user. Raises PasswordsBusyError."""
        self._start()
        try:
            return await asyncio.to_thread(self._verify, stored or self._unknown, password) and stored is not None
        finally:
            self._running -= 1

    def _start(self) -> None:
        if self._running >= _AT_ONCE:
            raise PasswordsBusyError
        self._running += 1

    def _verify(self, stored: str, password: str) -> bool:
        try:
            return self._hasher.verify(stored, password)
        except (VerificationError, InvalidHashError):
            return False
