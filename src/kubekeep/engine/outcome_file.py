"""The file in which outcomes are remembered: read when first asked, replaced as a whole in the end.

It may be deleted at any time, and several processes may use it at once: the last one wins. Whatever is not exactly what
this very program wrote for this user is taken for no file. Holds what rules said, which names what they looked at;
never an object.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import stat
import tempfile
import zlib
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.engine.policies import outcome_of
from kubekeep.engine.port import Outcome

_FORMAT: Final = b"kubekeep outcomes 1\n"
_DIGEST: Final = 32
_LIMIT: Final = 128 << 20
"""Bytes of outcomes that are kept, the oldest left out; a file of 10,000 objects has a third of it."""
_SLACK: Final = 32 << 20
"""What keys and lengths may add to them."""
_NO_LINKS: Final = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)

_Generation = dict[bytes, bytes]


class OutcomeFile:
    """Outcomes in a file; see `kubekeep.engine.remembered.Memory`."""

    def __init__(self, path: Path, program: bytes, limit: int = _LIMIT) -> None:
        """Nothing is read yet. What another `program`, as its digest says, has written is not taken."""
        self._path = path
        self._head = _FORMAT + hashlib.blake2b(program, digest_size=_DIGEST).digest()
        self._limit = limit
        self._older: list[_Generation] | None = None
        self._used: _Generation = {}
        self._learned = False

    def get(self, key: bytes) -> Outcome | None:
        """The outcome that was put there; None if there is none."""
        text = self._used.get(key)
        if text is None:
            text = next((found[key] for found in self._generations() if key in found), None)
            if text is None:
                return None
            self._used[key] = text
        return outcome_of(text)

    def put(self, key: bytes, outcome: Outcome) -> None:
        """Remember `outcome`."""
        self._used[key] = msgspec.json.encode(outcome)
        self._learned = True

    def save(self) -> None:
        """Write what was used this time and, as far as there is room, what was before. Raises OSError.

        Nothing is written when nothing was learned.
        """
        if not self._learned:
            return
        body = zlib.compress(msgspec.msgpack.encode(self._kept()), 1)
        self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, name = tempfile.mkstemp(prefix=f".{self._path.name}-", dir=self._path.parent)
        try:
            with open(descriptor, "wb") as stream:  # noqa: PTH123 - a descriptor has no path
                stream.write(self._head + hashlib.blake2b(body, digest_size=_DIGEST).digest() + body)
            Path(name).replace(self._path)
        finally:
            Path(name).unlink(missing_ok=True)
        self._learned = False

    def _kept(self) -> list[_Generation]:
        kept: list[_Generation] = []
        known: set[bytes] = set()
        room = self._limit
        for found in (self._used, *self._generations()):
            fresh = {key: text for key, text in found.items() if key not in known}
            room -= sum(map(len, fresh.values()))
            if room < 0:
                break
            known |= fresh.keys()
            if fresh:
                kept.append(fresh)
        return kept

    def _generations(self) -> list[_Generation]:
        """What was remembered before, the newest first."""
        if self._older is None:
            self._older = []
            with contextlib.suppress(OSError, ValueError, zlib.error, MemoryError):
                self._older = self._read()
        return self._older

    def _read(self) -> list[_Generation]:
        descriptor = os.open(self._path, os.O_RDONLY | _NO_LINKS | getattr(os, "O_NONBLOCK", 0))
        with open(descriptor, "rb") as stream:  # noqa: PTH123 - a descriptor has no path
            about = os.fstat(descriptor)
            own = not hasattr(os, "geteuid") or about.st_uid == os.geteuid()
            if not stat.S_ISREG(about.st_mode) or not own or about.st_size > self._limit + _SLACK:
                return []
            if stream.read(len(self._head)) != self._head:
                return []
            digest, body = stream.read(_DIGEST), stream.read()
        if hashlib.blake2b(body, digest_size=_DIGEST).digest() != digest:
            return []
        unpacked = zlib.decompressobj()
        data = unpacked.decompress(body, self._limit + _SLACK)
        return msgspec.msgpack.decode(data, type=list[_Generation]) if unpacked.eof else []
