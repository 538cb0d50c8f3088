"""Writing of the file of one ecosystem: a new one, or a private copy of an existing one. Never replaces a file in use."""

from __future__ import annotations

import datetime as dt
import sqlite3
import uuid
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.compression import (
    SAMPLE_BYTES,
    RecordCompressor,
    RecordDecompressor,
    Training,
    train,
)
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.records import StoredRecord, parse_time, store_record

_LEVEL: Final = 3
_FAST: Final = 1
"""Level of temporary files, which are read once."""
_MOST_GENERATIONS: Final = 1000
"""Generations whose changed names are kept; with an update each hour, six weeks."""


class AdvisoryWriter:
    """Writes the records of `ecosystem` into the file at `path`; use it as a context.

    The file is new, or with `is_addition` a private copy of an existing one, to which records are added; their names are
    then noted as changed. The file is complete after `finish`. A temporary file has no trained dictionary and is written
    faster. Raises DatabaseError if the file cannot be written.
    """

    def __init__(self, path: Path, ecosystem: str, *, is_temporary: bool = False, is_addition: bool = False) -> None:
        """Create or open the file."""
        self.path = path
        self._ecosystem = ecosystem
        self._level = _FAST if is_temporary else _LEVEL
        self._samples: list[StoredRecord] = []
        self._sample_bytes = 0
        self._releases: set[str] = set()
        self._newest = 0
        self._now = parse_time(dt.datetime.now(dt.UTC).isoformat())
        self._training = Training()
        self._compressor: RecordCompressor | None = None
        self._facts: dict[str, Any] = {"ecosystem": ecosystem}
        self._generation = 1
        self._is_addition = is_addition
        if is_addition:
            self._connection = schema.open_for_writing(path, schema.ADVISORIES)
            self._facts = schema.read_facts(self._connection)
            self._generation = self._get_generation("main") + 1
            self._use(schema.read_training(self._connection))
            if schema.read_version(self._connection) == schema.WITHOUT_RATINGS:
                self._add_ratings()
        else:
            self._connection = schema.create_file(path, schema.ADVISORIES)
            if is_temporary:
                self._use(Training())
        self._connection.execute("BEGIN")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file, complete or not."""
        self._connection.close()

    def add(self, record: StoredRecord) -> None:
        """Add a record, or replace the one with the same id unless that is newer."""
        if self._compressor is not None:
            self._write(record)
            return
        self._samples.append(record)
        self._sample_bytes += len(record.content)
        if self._sample_bytes > SAMPLE_BYTES:
            self._flush()

    def remove(self, record_id: str) -> None:
        """Remove the record with this id, if there is one."""
        self._flush()
        row = self._connection.execute("SELECT number, content FROM records WHERE id = ?", (record_id,)).fetchone()
        if row is not None:
            self._remove_names(*row)
            self._connection.execute("DELETE FROM records WHERE number = ?", row[:1])

    def get_modified(self, record_id: str) -> int | None:
        """Return the time of change of a stored record, or None if there is no such record."""
        self._flush()
        row = self._connection.execute("SELECT modified FROM records WHERE id = ?", (record_id,)).fetchone()
        return None if row is None else int(row[0])

    def finish(self, previous: Path | None = None, **facts: object) -> None:
        """Complete the file. previous: the file that a new one replaces, whose changes it continues."""
        try:
            self._flush()
            self._connection.executemany(
                "INSERT OR IGNORE INTO releases VALUES (?)", ((release,) for release in sorted(self._releases))
            )
            self._connection.execute("COMMIT")
            if previous is not None:
                self._continue(previous)
            self._add_generation()
            newest = max(self._newest, min(int(self._facts.get("newest", 0)), self._now))
            count = self._connection.execute("SELECT count(*) FROM records").fetchone()[0]
            schema.write_facts(self._connection, **{**self._facts, "newest": newest, "records": count, **facts})
            self.close()
            schema.seal_file(self.path)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}") from error

    def _flush(self) -> None:
        """Train the dictionary with the first records and write them."""
        if self._compressor is not None:
            return
        training = train([record.content for record in self._samples])
        self._use(training)
        schema.write_training(self._connection, training)
        samples, self._samples = self._samples, []
        for record in samples:
            self._write(record)

    def _use(self, training: Training) -> None:
        self._training = training
        self._compressor = RecordCompressor(training, self._level)

    def _write(self, record: StoredRecord) -> None:
        assert self._compressor is not None  # noqa: S101 - for mypy; add and _flush see to it
        row = (record.id, record.modified, record.digest, self._compressor.compress(record.content))
        try:
            cursor = self._connection.execute(
                "INSERT INTO records (id, modified, digest, content) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING", row
            )
            if cursor.rowcount == 1:
                number = int(cursor.lastrowid or 0)
            else:
                replaced = self._replace(record, row)
                if replaced is None:
                    return
                number = replaced
            names = sorted(record.names.get(self._ecosystem, ()))
            for table, members in (("names", names), ("rated", sorted(record.rated))):
                self._connection.executemany(
                    f"INSERT INTO {table} VALUES (?, ?)",  # noqa: S608 - constants
                    ((name, number) for name in members),
                )
            self._note_changes(names)
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}") from error
        self._releases |= record.releases.get(self._ecosystem, frozenset())
        # Updates fetch what is newer than this record: a time in the future would end them.
        if record.modified <= self._now:
            self._newest = max(self._newest, record.modified)

    def _add_ratings(self) -> None:
        """Add the names of rated flaws of all records to a file without them."""
        decompressor = RecordDecompressor(self._training)
        self._connection.execute(schema.RATED)
        for number, content in self._connection.execute("SELECT number, content FROM records").fetchall():
            record = store_record(msgspec.json.decode(decompressor.decompress(content), type=Advisory))
            rows = ((name, number) for name in sorted(record.rated))
            self._connection.executemany("INSERT INTO rated VALUES (?, ?)", rows)
        self._connection.execute(f"PRAGMA user_version = {schema.VERSION}")
        # The token of the state changes with the ratings, although no package has another advisory.
        self._note_changes([""])

    def _replace(self, record: StoredRecord, row: tuple[object, ...]) -> int | None:
        """Replace the stored record with the same id; return its number, or None if it is newer or equal."""
        number, modified, digest, content = self._connection.execute(
            "SELECT number, modified, digest, content FROM records WHERE id = ?", (record.id,)
        ).fetchone()
        if record.modified < modified or record.digest == digest:
            return None
        self._remove_names(number, content)
        self._connection.execute(
            "UPDATE records SET id = ?, modified = ?, digest = ?, content = ? WHERE number = ?", (*row, number)
        )
        return int(number)

    def _remove_names(self, number: int, content: bytes) -> None:
        text = RecordDecompressor(self._training).decompress(content)
        stored = store_record(msgspec.json.decode(text, type=Advisory))
        names = sorted(stored.names.get(self._ecosystem, ()))
        for table, members in (("names", names), ("rated", sorted(stored.rated))):
            self._connection.executemany(
                f"DELETE FROM {table} WHERE name = ? AND number = ?",  # noqa: S608 - constants
                ((name, number) for name in members),
            )
        self._note_changes(names)

    def _note_changes(self, names: Iterable[str]) -> None:
        """Note names as changed, except in a new file, which has no previous state."""
        if self._is_addition:
            self._connection.executemany(
                "INSERT OR IGNORE INTO changes VALUES (?, ?)", ((self._generation, name) for name in names)
            )

    def _continue(self, previous: Path) -> None:
        """Take over the changes of the previous file, and add the names whose records differ from it."""
        # SQLite cannot attach a file and verify it first.
        schema.open_file(previous, schema.ADVISORIES).close()
        self._connection.execute("ATTACH ? AS old", (previous.absolute().as_uri() + "?mode=ro&immutable=1",))
        self._generation = self._get_generation("old") + 1
        for table in ("generations", "changes"):
            self._connection.execute(f"INSERT INTO {table} SELECT * FROM old.{table}")  # noqa: S608 - constants
        for here, there in (("main", "old"), ("old", "main")):
            self._connection.execute(
                f"INSERT OR IGNORE INTO changes SELECT ?, n.name FROM {here}.records r"  # noqa: S608 - constants
                f" JOIN {here}.names n ON n.number = r.number LEFT JOIN {there}.records t ON t.id = r.id"
                " WHERE t.digest IS NOT r.digest",
                (self._generation,),
            )
        self._connection.execute("DETACH old")

    def _get_generation(self, database: str) -> int:
        query = f"SELECT max(number) FROM {database}.generations"  # noqa: S608 - a constant
        return int(self._connection.execute(query).fetchone()[0] or 0)

    def _add_generation(self) -> None:
        """Add a generation if names have changed, and delete the oldest ones.

        A token is random: two databases that were updated from a common state have different tokens.
        """
        query = "SELECT 1 FROM changes WHERE generation = ?"
        if self._generation == 1 or self._connection.execute(query, (self._generation,)).fetchone() is not None:
            self._connection.execute("INSERT INTO generations VALUES (?, ?)", (self._generation, uuid.uuid4().hex))
        oldest = self._generation - _MOST_GENERATIONS
        self._connection.execute("DELETE FROM changes WHERE generation <= ?", (oldest,))
        self._connection.execute("DELETE FROM generations WHERE number < ?", (oldest,))
