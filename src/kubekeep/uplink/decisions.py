"""Decisions of a server on a source, with a copy for the time in which the server is away. Applies none of them."""

from __future__ import annotations

import datetime as dt
import hashlib
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.model.decision import DecisionEntry, LoadedDecisions
from kubekeep.model.scanned_source import ScannedSource
from kubekeep.model.text import encode_json
from kubekeep.uplink.connection import ServerConnection
from kubekeep.uplink.errors import UnreachableServerError
from kubekeep.uplink.patience import Patience
from kubekeep.uplink.private_files import write_private
from kubekeep.uplink.reading import MAX_PAGE, ResultReader
from kubekeep.uplink.selection import SelectedServer

LONGEST_AGE: Final = dt.timedelta(hours=24)
"""Age of a copy that a scan may use at most."""
_PATH: Final = "/api/v1/decisions/in-force"
_PATIENCE: Final = 30.0


class _Copy(msgspec.Struct, frozen=True, rename="camel"):
    """Decisions with the time at which a server has sent them."""

    server: str
    source: str
    received: dt.datetime
    decisions: tuple[DecisionEntry, ...]


class ServerDecisions:
    """The decisions of one server. folder: of the copies; None to keep none."""

    def __init__(self, server: SelectedServer, folder: Path | None) -> None:
        self._server = server
        self._address = server.access.address
        self._folder = folder

    def load(self, source: ScannedSource) -> LoadedDecisions:
        """Return the decisions in force on a source.

        Raises UnreachableServerError if the server is away and no copy of the last 24 hours exists, and what `ResultReader.read`
        raises for an answer of the server.
        """
        file = None if self._folder is None else self._folder / f"{self._digest(source)}.json"
        now = dt.datetime.now(dt.UTC)
        try:
            with ServerConnection(self._server.access, MAX_PAGE) as connection:
                reader = ResultReader(connection, self._server.token, Patience(_PATIENCE))
                entries = reader.read(_PATH, tuple[DecisionEntry, ...], {"source": source.key})
        except UnreachableServerError as error:
            return self._read_copy(file, source, now, error)
        if file is not None:
            _write_copy(file, _Copy(self._address, source.key, now, entries))
        return LoadedDecisions(entries)

    def _digest(self, source: ScannedSource) -> str:
        return hashlib.sha256(f"{self._address}\n{source.key}".encode()).hexdigest()[:32]

    def _read_copy(
        self, file: Path | None, source: ScannedSource, now: dt.datetime, error: UnreachableServerError
    ) -> LoadedDecisions:
        copy = None if file is None else _load(file)
        if copy is None or (copy.server, copy.source) != (self._address, source.key):
            raise UnreachableServerError(
                f"{error}; the decisions of the server are not known: scan without --server, or again later"
            )
        if not dt.timedelta() <= now - copy.received <= LONGEST_AGE:
            reason = "more than 24 hours ago" if copy.received < now else "in the future"
            raise UnreachableServerError(
                f"{error}; the copy of its decisions is of {_format(copy.received)}, {reason}: scan again later"
            )
        note = f"the decisions of {self._address} are a copy of {_format(copy.received)}: {error}"
        return LoadedDecisions(copy.decisions, note)


def _write_copy(file: Path, copy: _Copy) -> None:
    try:
        with write_private(file) as stream:
            stream.write(encode_json(copy).encode())
    except OSError:
        # The next scan reads from the server as well; an older copy must not remain as if it was this one.
        file.unlink(missing_ok=True)


def _load(file: Path) -> _Copy | None:
    """Return a copy; None without a readable one."""
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_PAGE + 1)
        return msgspec.json.decode(content, type=_Copy) if len(content) <= MAX_PAGE else None
    except (OSError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def _format(moment: dt.datetime) -> str:
    return f"{moment.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC"
