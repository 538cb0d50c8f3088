"""SQLite files that keep a state between runs: opened or created, written in transactions. Knows no tables."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible

_BUSY_SECONDS: Final = 60
_WRITABLE: Final = stat.S_IWGRP | stat.S_IWOTH


class StateError(KubekeepError):
    """The state cannot be used; the message names the file and the next step."""


def open_folder(folder: Path) -> None:
    """Create the folder of a state. Raises OSError, PermissionError if another user may write it."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    status = folder.lstat()
    if not stat.S_ISDIR(status.st_mode):
        raise NotADirectoryError(f"{visible(str(folder))} is not a folder")
    if os.name == "posix" and (status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & _WRITABLE):
        raise PermissionError(f"{visible(str(folder))} belongs to another user or others may write it")


def open_database(
    path: Path,
    application: int,
    version: int,
    schema: str,
    changes: Mapping[int, str] | None = None,
    older: str = "",
) -> sqlite3.Connection:
    """Open or create a database. Raises sqlite3.Error and OSError; ValueError for a file of another program.

    changes: statements that change a database of an older version to the present one. older: the message about other
    older versions.
    """
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(connection.close)
        connection.execute("PRAGMA trusted_schema = OFF")
        with write(connection):
            _create_tables(connection, application, version, schema, changes or {}, older)
        on_failure.pop_all()
    return connection


def _create_tables(
    connection: sqlite3.Connection, application: int, version: int, schema: str, changes: Mapping[int, str], older: str
) -> None:
    """Create the tables of an empty database, or change an older one. Raises ValueError for one of another program."""
    if connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]:
        names = ("application_id", "user_version")
        own, present = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in names)
        if (own, present) == (application, version):
            return
        if own != application or present not in changes:
            is_older = own == application and present < version and older
            raise ValueError(older if is_older else "it was written by another program or version; use another folder")
        schema = changes[present]
    for statement in filter(str.strip, schema.split(";")):
        connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {application:d}")
    connection.execute(f"PRAGMA user_version = {version:d}")


@contextlib.contextmanager
def write(connection: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """Yield a connection in a transaction, which other programs wait for."""
    connection.execute("BEGIN IMMEDIATE")
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(connection.rollback)
        yield connection
        connection.execute("COMMIT")
        on_failure.pop_all()


@contextlib.contextmanager
def convert_errors(path: Path) -> Iterator[None]:
    """Raise StateError for errors of a database."""
    try:
        yield
    except sqlite3.DatabaseError as error:
        advice = (
            "" if isinstance(error, sqlite3.OperationalError) else "; delete the file, the next run creates it again"
        )
        raise StateError(f"{visible(str(path))}: the state cannot be used: {visible(str(error))}{advice}") from error
    except ValueError as error:
        raise StateError(f"{visible(str(path))}: the state cannot be used: {error}") from error
    except OSError as error:
        raise StateError(f"{visible(str(path))}: the state cannot be used: {error.strerror or error}") from error
