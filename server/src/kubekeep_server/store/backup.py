"""Backups: all rows of a database in one file, which is restored into SQLite or PostgreSQL.

A file is a Zstandard stream of parts: four bytes with the length (big-endian), then MessagePack. The first part is the header,
then come rows by table, an empty part, and the trailer with the SHA-256 of everything before it. One transaction reads or
writes it, so that a server may run during a backup. It contains the digests of passwords and tokens.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import io
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Literal

import msgspec
from sqlalchemy import Connection, Table, column, func, insert, inspect, select, table

from kubekeep_server.store.background_schema import retention_clock
from kubekeep_server.store.engine import get_revision, is_known_revision, upgrade
from kubekeep_server.store.framework_schema import framework
from kubekeep_server.store.identity_schema import account
from kubekeep_server.store.image_schema import image
from kubekeep_server.store.label_schema import label
from kubekeep_server.store.notification_schema import outbox
from kubekeep_server.store.permission_schema import cluster_permissions
from kubekeep_server.store.saved_view_schema import saved_view
from kubekeep_server.store.service_level_schema import service_levels

_METADATA: Final = image.metadata
_LENGTH_BYTES: Final = 4
_ROWS, _BYTES = 1_000, 8 << 20
"""The most rows of a part, and the bytes after which it ends."""
_ROWS_READ: Final = 50
"""Rows that are read at once: those of documents are large."""
_LONGEST_PART: Final = 1 << 30
assert account.metadata is _METADATA  # noqa: S101 - the import adds the tables of users
assert framework.metadata is _METADATA  # noqa: S101 - the import adds those of frameworks
assert outbox.metadata is _METADATA  # noqa: S101 - the import adds those of notifications
assert saved_view.metadata is _METADATA  # noqa: S101 - the import adds that of saved views
assert service_levels.metadata is _METADATA  # noqa: S101 - the import adds that of service levels
assert label.metadata is _METADATA  # noqa: S101 - the import adds those of labels
assert cluster_permissions.metadata is _METADATA  # noqa: S101 - the import adds that of roles and bindings
assert retention_clock.metadata is _METADATA  # noqa: S101 - the import adds those of work in the background


class BackupError(ValueError):
    """A database without content to save, one with content that would be replaced, or a file that cannot be restored."""


class _Header(msgspec.Struct, frozen=True, kw_only=True):
    """The first part. revision: of the tables. version: of the server. columns: names by table."""

    format: Literal["kubekeep.io/backup/v1"] = "kubekeep.io/backup/v1"
    revision: str
    version: str
    created: dt.datetime
    columns: dict[str, tuple[str, ...]]


class _Rows(msgspec.Struct, frozen=True, array_like=True):
    table: str
    rows: list[list[Any]]


class _Trailer(msgspec.Struct, frozen=True):
    """The last part. rows: their number by table. digest: SHA-256 of all parts before it."""

    rows: dict[str, int]
    digest: bytes


def count_rows(connection: Connection) -> int:
    """Return the number of rows that a backup has; 0 for a database without tables."""
    if not get_revision(connection):
        return 0
    return sum(
        connection.execute(select(func.count()).select_from(each)).scalar_one() for each in _METADATA.sorted_tables
    )


def write_backup(
    connection: Connection,
    stream: io.BufferedIOBase,
    version: str,
    now: dt.datetime,
    report: Callable[[int], object] = lambda _: None,
) -> Mapping[str, int]:
    """Write all rows, and return their number by table. Raises BackupError for tables of another version or none.

    report: is called with the number of rows of each part.
    """
    revision = get_revision(connection)
    if not revision:
        raise BackupError("the database has no tables")
    if not is_known_revision(revision):
        raise BackupError("a newer version of the server has changed the tables; use it for the backup")
    writer = _Writer(stream)
    columns = {str(each.name): tuple(map(str, each.c.keys())) for each in _METADATA.sorted_tables}
    writer.write(_Header(revision=revision, version=version, created=now, columns=columns))
    counts = dict.fromkeys(columns, 0)
    for source in _METADATA.sorted_tables:
        for rows in _read_rows(connection, source):
            writer.write(_Rows(str(source.name), rows))
            counts[source.name] += len(rows)
            report(len(rows))
    writer.end()
    writer.write(_Trailer(counts, writer.digest))
    return counts


def restore_backup(connection: Connection, stream: io.BufferedIOBase) -> Mapping[str, int]:
    """Make the tables and write all rows; return their number by table.

    Raises BackupError for a database with tables, and a file that is damaged or of a newer version.
    """
    if inspect(connection).get_table_names():
        raise BackupError("the database is not empty; restore into a new one")
    reader = _Reader(stream)
    header = reader.read(_Header)
    if not is_known_revision(header.revision):
        raise BackupError(f"version {header.version} of the server wrote the file, which is newer; update the server")
    upgrade(connection, header.revision)
    counts = dict.fromkeys(header.columns, 0)
    for part in reader.read_parts():
        names = header.columns[part.table]
        target = table(part.table, *map(column, names))
        connection.execute(insert(target), [dict(zip(names, row, strict=True)) for row in part.rows])
        counts[part.table] += len(part.rows)
    digest = reader.digest
    if reader.read(_Trailer) != _Trailer(counts, digest) or stream.read(1):
        raise BackupError("the file is damaged: its content does not have its SHA-256")
    _set_sequences(connection)
    upgrade(connection)
    return counts


class _Writer:
    """Parts of a new file."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the parts."""
        return self._hash.digest()

    def write(self, part: msgspec.Struct) -> None:
        """Add a part."""
        self._add(msgspec.msgpack.encode(part))

    def end(self) -> None:
        """Add the empty part."""
        self._add(b"")

    def _add(self, content: bytes) -> None:
        for piece in (len(content).to_bytes(_LENGTH_BYTES), content):
            self._hash.update(piece)
            self._stream.write(piece)


class _Reader:
    """Parts of a file. Raises BackupError for one that is damaged."""

    def __init__(self, stream: io.BufferedIOBase) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()

    @property
    def digest(self) -> bytes:
        """SHA-256 of the parts that were read."""
        return self._hash.digest()

    def read(self, kind: type[Any]) -> Any:
        """Return the next part."""
        try:
            return msgspec.msgpack.decode(self._take(), type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            raise BackupError(f"the file is no backup, or damaged: {error}") from error

    def read_parts(self) -> Iterator[_Rows]:
        """Yield the rows."""
        while content := self._take():
            try:
                yield msgspec.msgpack.decode(content, type=_Rows)
            except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                raise BackupError(f"the file is damaged: {error}") from error

    def _take(self) -> bytes:
        length = int.from_bytes(self._read(_LENGTH_BYTES))
        if length > _LONGEST_PART:
            raise BackupError("the file is no backup, or damaged")
        return self._read(length)

    def _read(self, length: int) -> bytes:
        content = self._stream.read(length)
        if len(content) != length:
            raise BackupError("the file ends early")
        self._hash.update(content)
        return content


def _read_rows(connection: Connection, source: Table) -> Iterator[list[list[Any]]]:
    rows: list[list[Any]] = []
    size = 0
    query = select(source).execution_options(yield_per=_ROWS_READ)
    for row in connection.execute(query):
        rows.append(list(row))
        size += sum(len(value) for value in row if isinstance(value, (bytes, str)))
        if len(rows) == _ROWS or size > _BYTES:
            yield rows
            rows, size = [], 0
    if rows:
        yield rows


def _set_sequences(connection: Connection) -> None:
    """Let PostgreSQL continue to number after the restored rows; SQLite does by itself."""
    if connection.dialect.name != "postgresql":
        return
    for source in _METADATA.sorted_tables:
        key = source.autoincrement_column
        if key is None:
            continue
        sequence = func.pg_get_serial_sequence(source.name, key.name)
        if connection.execute(select(sequence)).scalar() is None:
            continue
        last = select(func.max(key)).scalar_subquery()
        connection.execute(select(func.setval(sequence, func.coalesce(last, 1), last.is_not(None))))
