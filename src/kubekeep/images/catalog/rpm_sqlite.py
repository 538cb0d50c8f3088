"""The SQLite database of rpm in RHEL 9, Fedora 33 and newer (`rpmdb.sqlite`). Reads one table, runs nothing from the file.

SQLite itself reads the file, without its write-ahead log, which rpm empties when it closes the database; `rpm` refuses another one.
Views, virtual
tables, triggers and functions of the file cannot run: only reading the columns of a real table is permitted.
"""

from __future__ import annotations

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Iterator
from typing import Final

from kubekeep.images.content import LayerFile

MAX_RECORD: Final = 64 * 2**20
"""Largest record in bytes; SQLite does not load larger ones. The package of all texlive files needs 10 MB."""
MAX_STEPS: Final = 5_000_000
"""Most steps of SQLite's virtual machine; a package needs about ten."""
_STEPS_PER_CHECK: Final = 10_000
_WAL, _ROLLBACK_JOURNAL = 2, 1
_WRITE_VERSION, _READ_VERSION = 18, 19


def iterate_sqlite_records(file: LayerFile) -> Iterator[bytes]:
    """Yield the package headers. Raises ValueError if the file is no database with a table Packages, or damaged."""
    try:
        with contextlib.closing(_connect(file)) as connection:
            if not file.spill:
                connection.deserialize(_without_log(file.content))
            _restrict(connection)
            for (record,) in connection.execute("SELECT blob FROM Packages"):
                if not isinstance(record, bytes):
                    raise ValueError("rpm database with a record that is no blob")
                yield record
    except sqlite3.Error as error:
        raise ValueError(f"SQLite cannot read the rpm database: {error}") from None
    except MemoryError:
        raise ValueError("SQLite cannot read the rpm database: not enough memory") from None


def _connect(file: LayerFile) -> sqlite3.Connection:
    path = f"file:{urllib.parse.quote(file.spill)}?mode=ro&immutable=1" if file.spill else ":memory:"
    return sqlite3.connect(path, uri=bool(file.spill))


def _without_log(content: bytes) -> bytes:
    """Return the database without its write-ahead log, which a database in memory cannot have."""
    if content[_READ_VERSION : _READ_VERSION + 1] != bytes([_WAL]):
        return content
    journal = bytes([_ROLLBACK_JOURNAL])
    return content[:_WRITE_VERSION] + journal + journal + content[_READ_VERSION + 1 :]


def _restrict(connection: sqlite3.Connection) -> None:
    """Permit nothing but reading the table Packages, within limits of size and time."""
    steps = 0

    def count_steps() -> int:
        nonlocal steps
        steps += _STEPS_PER_CHECK
        return steps > MAX_STEPS

    connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_RECORD)
    connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.set_progress_handler(count_steps, _STEPS_PER_CHECK)
    # The page number of a virtual table or a view is 0.
    row = connection.execute("SELECT type, rootpage FROM sqlite_master WHERE name = 'Packages'").fetchone()
    if row is None or row[0] != "table" or not row[1]:
        raise ValueError("SQLite database without a table Packages")
    connection.set_authorizer(_authorize)


def _authorize(action: int, table: str | None, column: str | None, _database: str | None, _trigger: str | None) -> int:
    permitted = action == sqlite3.SQLITE_SELECT or (
        action == sqlite3.SQLITE_READ and table == "Packages" and column == "blob"
    )
    return sqlite3.SQLITE_OK if permitted else sqlite3.SQLITE_DENY
