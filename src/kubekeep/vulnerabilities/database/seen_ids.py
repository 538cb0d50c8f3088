"""Ids of the records of one run, so that the newest record with an id counts in all ecosystems. On disk, to any number."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Final

_SEPARATOR: Final = "\n"


class SeenIds:
    """Ids with the time of change and the ecosystems of their records, in a temporary file at `path`."""

    def __init__(self, path: Path) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None)
        for statement in (
            "PRAGMA journal_mode = OFF",
            "PRAGMA synchronous = OFF",
            "PRAGMA locking_mode = EXCLUSIVE",
            "CREATE TABLE ids (id TEXT PRIMARY KEY, modified INTEGER, ecosystems TEXT) WITHOUT ROWID",
            "BEGIN",
        ):
            self._connection.execute(statement)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def replace(self, record_id: str, modified: int, ecosystems: Iterable[str]) -> frozenset[str] | None:
        """Note a record and return the ecosystems that an older record with this id has named and this one does not.

        Return None, and note nothing, if the noted record is newer.
        """
        text = _SEPARATOR.join(ecosystems)
        cursor = self._connection.execute(
            "INSERT INTO ids VALUES (?, ?, ?) ON CONFLICT DO NOTHING", (record_id, modified, text)
        )
        if cursor.rowcount == 1:
            return frozenset()
        query = "SELECT modified, ecosystems FROM ids WHERE id = ?"
        old_modified, old_text = self._connection.execute(query, (record_id,)).fetchone()
        if modified < old_modified:
            return None
        self._connection.execute(
            "UPDATE ids SET modified = ?, ecosystems = ? WHERE id = ?", (modified, text, record_id)
        )
        return frozenset(old_text.split(_SEPARATOR)) - frozenset(text.split(_SEPARATOR))
