"""The SQLite files of the database: their schema, opening for reading, and file names.

A finished file never changes: an update writes a new one and renames it. So readers need no locks, and keep the file that
they opened.
"""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path
from typing import IO, Any, Final
from urllib.parse import quote, unquote

import msgspec

from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database.compression import Training
from kubekeep.vulnerabilities.database.errors import DatabaseError

ADVISORIES: Final = 0x4B4B6164
"""Application id of files with advisories."""
SIGNALS: Final = 0x4B4B7367
"""Application id of files with exploit signals."""
STATEMENTS: Final = 0x4B4B7678
"""Application id of files with the documents of a VEX repository."""
VERSION: Final = 2
WITHOUT_RATINGS: Final = 1
"""The version of files without the names of rated flaws; a change of such a file adds them."""
SUFFIX: Final = ".advisories"
SIGNALS_FILE: Final = "exploits.signals"
FEEDS: Final = "feeds"
"""Folder of private feeds: each has a folder with files like those of OSV."""
REPOSITORIES: Final = "vex"
"""Folder of VEX repositories: each has a file with its name."""
REPOSITORY_SUFFIX: Final = ".statements"

RATED: Final = (
    "CREATE TABLE rated (name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, number)) WITHOUT ROWID"
)
TABLES: Final = {
    ADVISORIES: (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
        "CREATE TABLE training (name TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
        "CREATE TABLE records (number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, modified INTEGER, digest INTEGER, content BLOB)",
        "CREATE TABLE names (name TEXT NOT NULL, number INTEGER NOT NULL, PRIMARY KEY (name, number)) WITHOUT ROWID",
        RATED,
        "CREATE TABLE releases (name TEXT PRIMARY KEY) WITHOUT ROWID",
        "CREATE TABLE generations (number INTEGER PRIMARY KEY, token TEXT NOT NULL UNIQUE)",
        "CREATE TABLE changes (generation INTEGER, name TEXT, PRIMARY KEY (generation, name)) WITHOUT ROWID",
    ),
    SIGNALS: (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
        "CREATE TABLE exploited (cve TEXT PRIMARY KEY, added TEXT NOT NULL, ransomware INTEGER NOT NULL) WITHOUT ROWID",
        "CREATE TABLE epss (cve TEXT PRIMARY KEY, score REAL NOT NULL, percentile REAL NOT NULL) WITHOUT ROWID",
    ),
    STATEMENTS: (
        "CREATE TABLE facts (name TEXT PRIMARY KEY, value) WITHOUT ROWID",
        "CREATE TABLE documents (number INTEGER PRIMARY KEY, content BLOB NOT NULL)",
        "CREATE TABLE packages (name TEXT, id TEXT, document INTEGER NOT NULL, PRIMARY KEY (name, id)) WITHOUT ROWID",
    ),
}
READ_ERRORS: Final = (sqlite3.Error, UnicodeDecodeError)
"""Errors of reading a damaged file."""
_SEAL: Final = "changes"
"""Fact with the number of changes of the file, this one included."""
_HEADER: Final = 28
_COUNTER: Final = slice(24, 28)
_COUNTER_END: Final = 1 << 32
_PAGE_BYTES: Final = 16384
_READER_CACHE_KB: Final = 2048
_WRITER_CACHE_KB: Final = 16384


def create_file(path: Path, kind: int) -> sqlite3.Connection:
    """Return a connection to a new file, which is damaged until it is closed. Raises sqlite3.Error."""
    connection = _connect(path.absolute().as_uri() + "?mode=rwc")
    connection.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
    _prepare_writing(connection)
    connection.execute(f"PRAGMA application_id = {kind}")
    connection.execute(f"PRAGMA user_version = {VERSION}")
    for table in TABLES[kind]:
        connection.execute(table)
    return connection


def open_for_writing(path: Path, kind: int) -> sqlite3.Connection:
    """Return a connection to a private copy of a file. Raises DatabaseError."""
    open_file(path, kind).close()
    connection = _connect(path.absolute().as_uri() + "?mode=rw")
    _prepare_writing(connection)
    return connection


def open_file(path: Path, kind: int) -> sqlite3.Connection:
    """Return a read-only connection. Raises DatabaseError for a missing, damaged or foreign file."""
    try:
        # SQLite would accept a folder or a device until the first query.
        if not path.is_file():
            raise DatabaseError(f"{visible(str(path))} is not a file")
        connection, counter = _connect_with_counter(path)
    except (OSError, sqlite3.Error) as error:
        raise DatabaseError(f"{visible(str(path))} cannot be opened: {error}") from error
    try:
        check_file(connection, kind, path)
        _check_seal(connection, counter, path)
        connection.execute("PRAGMA query_only = ON")
        connection.execute(f"PRAGMA cache_size = -{_READER_CACHE_KB}")
    except DatabaseError:
        connection.close()
        raise
    except (*READ_ERRORS, OSError) as error:
        connection.close()
        raise damaged(path, error) from error
    return connection


def _connect_with_counter(path: Path) -> tuple[sqlite3.Connection, int]:
    """Return a read-only connection, and the number of changes in the header of the same file."""
    while True:
        with path.open("rb") as file:
            connection = _connect(path.absolute().as_uri() + "?mode=ro&immutable=1")
            # An update may have replaced the file in between.
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                return connection, _read_counter(file)
            connection.close()


def seal_file(path: Path) -> None:
    """Record the state of a complete file, so that a later change of its rows by another program is detected.

    SQLite increments a counter in the header with each change (file format, 1.3.7); the fact with its value is the last
    change. It protects against damage, not against forgery. Raises sqlite3.Error and OSError.
    """
    connection = _connect(path.absolute().as_uri() + "?mode=rw")
    try:
        for setting in ("journal_mode = OFF", "synchronous = OFF"):
            connection.execute(f"PRAGMA {setting}")
        with path.open("rb") as file:
            write_facts(connection, **{_SEAL: (_read_counter(file) + 1) % _COUNTER_END})
    finally:
        connection.close()


def _check_seal(connection: sqlite3.Connection, counter: int, path: Path) -> None:
    """Raise DatabaseError for a file that has changed after its seal, or was never complete."""
    row = connection.execute("SELECT value FROM facts WHERE name = ?", (_SEAL,)).fetchone()
    if row is None or row[0] != counter:
        raise DatabaseError(
            f"{visible(str(path))} is incomplete, or has been changed by another program: delete it and run "
            "`kubekeep db update`"
        )


def _read_counter(file: IO[bytes]) -> int:
    """Return the number of changes in the header of a file of SQLite."""
    return int.from_bytes(file.read(_HEADER)[_COUNTER], "big")


def check_file(connection: sqlite3.Connection, kind: int, path: Path) -> None:
    """Raise DatabaseError unless the file has exactly the tables of its kind: a view or a trigger could run anything."""
    found_kind = _read_number(connection, "application_id")
    version = read_version(connection)
    if found_kind != kind:
        raise DatabaseError(f"{visible(str(path))} is not a file of an advisory database of Kubekeep")
    if version not in (VERSION, WITHOUT_RATINGS):
        raise DatabaseError(
            f"{visible(str(path))} has version {version} of the database, and this program reads version {VERSION}: "
            "run `kubekeep db update`"
        )
    statements = {row[0] for row in connection.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 20")}
    if statements != {*TABLES[kind]} - ({RATED} if version == WITHOUT_RATINGS else set()):
        raise DatabaseError(f"{visible(str(path))} has unexpected tables: delete it and run `kubekeep db update`")


def read_version(connection: sqlite3.Connection) -> int:
    """Return the version of the tables of a file."""
    return _read_number(connection, "user_version")


def damaged(path: Path, error: Exception) -> DatabaseError:
    """Return the error for a file whose content cannot be read."""
    return DatabaseError(
        f"{visible(str(path))} is damaged ({visible(str(error))}): delete it and run `kubekeep db update`"
    )


def get_file_name(ecosystem: str) -> str:
    """Return the file name for an ecosystem; it never has a separator or a leading dot."""
    name = quote(ecosystem, safe=" ")
    return f"{'%2E' + name[1:] if name.startswith('.') else name}{SUFFIX}"


def get_kind(name: str) -> int:
    """Return the kind of a file of the database by its name."""
    if name.endswith(REPOSITORY_SUFFIX):
        return STATEMENTS
    return SIGNALS if name == SIGNALS_FILE else ADVISORIES


def get_ecosystem(path: Path) -> str:
    """Return the ecosystem of a file by its name."""
    return unquote(path.name.removesuffix(SUFFIX))


def read_facts(connection: sqlite3.Connection) -> dict[str, Any]:
    """Return the facts about a file."""
    return dict(connection.execute("SELECT name, value FROM facts"))


def read_file_facts(path: Path, kind: int) -> dict[str, Any]:
    """Return the facts about a file; none of a missing or unusable one, which an update replaces."""
    try:
        connection = open_file(path, kind)
    except DatabaseError:
        return {}
    try:
        return read_facts(connection)
    finally:
        connection.close()


def write_facts(connection: sqlite3.Connection, **facts: object) -> None:
    """Write facts about a file."""
    connection.executemany("INSERT OR REPLACE INTO facts VALUES (?, ?)", facts.items())


def read_training(connection: sqlite3.Connection) -> Training:
    """Return what the compression of a file learned."""
    parts = dict(connection.execute("SELECT name, value FROM training"))
    return msgspec.convert(parts, Training)


def write_training(connection: sqlite3.Connection, training: Training) -> None:
    """Write what the compression of a file learned."""
    connection.executemany("INSERT INTO training VALUES (?, ?)", msgspec.structs.asdict(training).items())


def _connect(uri: str) -> sqlite3.Connection:
    connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    return connection


def _prepare_writing(connection: sqlite3.Connection) -> None:
    # The file is private until it is complete and synced.
    for setting in ("journal_mode = OFF", "synchronous = OFF", "locking_mode = EXCLUSIVE", "temp_store = MEMORY"):
        connection.execute(f"PRAGMA {setting}")
    connection.execute(f"PRAGMA cache_size = -{_WRITER_CACHE_KB}")


def _read_number(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
