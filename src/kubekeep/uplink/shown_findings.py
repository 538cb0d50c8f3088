"""Keys of the findings that lists have shown to this user, so that a short text names one. Never connects.

The file has the last findings of one server. A file that cannot be read or written is treated as an empty one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.finding_key import FindingKey
from kubekeep.model.text import encode_json
from kubekeep.uplink.private_files import write_private

_NAME: Final = "findings.json"
_MOST: Final = 5_000
_MAX_BYTES: Final = 1 << 20


class _ShownKeys(msgspec.Struct, frozen=True):
    server: str
    keys: tuple[str, ...]


class ShownFindings:
    """The keys for one server, the oldest first. folder: of the file; None to keep none."""

    def __init__(self, server: str, folder: Path | None) -> None:
        self._server = server
        self._file = None if folder is None else folder / _NAME

    def add(self, keys: Iterable[FindingKey]) -> None:
        """Add the keys of a list."""
        if self._file is None:
            return
        names = [*map(str, keys)]
        kept = [name for name in self._read() if name not in {*names}]
        document = _ShownKeys(self._server, tuple([*kept, *names][-_MOST:]))
        with contextlib.suppress(OSError), write_private(self._file) as stream:
            stream.write(encode_json(document).encode())

    def find(self, text: str) -> list[FindingKey]:
        """Return the keys of findings. text: the number of a source, a point and the beginning of a fingerprint."""
        number, _, beginning = text.rpartition(".")
        keys = filter(None, map(FindingKey.parse, self._read()))
        return sorted({key for key in keys if str(key.source) == number and key.fingerprint.startswith(beginning)})

    def _read(self) -> tuple[str, ...]:
        if self._file is None:
            return ()
        try:
            with self._file.open("rb") as stream:
                stored = msgspec.json.decode(stream.read(_MAX_BYTES), type=_ShownKeys)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return ()
        return stored.keys if stored.server == self._server else ()
