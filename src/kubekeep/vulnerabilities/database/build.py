"""Building of database files from OSV records: each record goes to the files of its ecosystems.

Files are complete before they replace others. Never uses the network.
"""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError
from kubekeep.vulnerabilities.database.inputs import AdvisoryReader, UnreadRecord
from kubekeep.vulnerabilities.database.locking import change_folder, publish
from kubekeep.vulnerabilities.database.records import store_record
from kubekeep.vulnerabilities.database.signals import SignalWriter
from kubekeep.vulnerabilities.database.writer import AdvisoryWriter

_MOST_ECOSYSTEMS: Final = 300
_ECOSYSTEM_SEPARATOR: Final = "\n"


class BuildResult(msgspec.Struct, frozen=True):
    """The result of reading advisories into files: records by ecosystem, unread ones, and if there are exploit signals."""

    ecosystems: Mapping[str, int]
    records: int
    unread: int
    problems: tuple[UnreadRecord, ...]
    has_signals: bool


class RecordRouter:
    """Writes records to files of their ecosystems in `folder`.

    previous: a folder with files to add to; without it, the files are new. is_temporary: as for AdvisoryWriter.
    """

    def __init__(self, folder: Path, *, previous: Path | None = None, is_temporary: bool = False) -> None:
        self._folder = folder
        self._previous = previous
        self._is_temporary = is_temporary
        self._writers: dict[str, AdvisoryWriter] = {}
        self._ids = _SeenIds(folder / "ids")

    def add(self, advisory: Advisory) -> None:
        """Write a record, unless a newer one with the same id has been written. Raises DatabaseError."""
        record = store_record(advisory)
        left = self._ids.replace(record.id, record.modified, record.names)
        if left is None:
            return
        for ecosystem in left:
            self._writers[ecosystem].remove(record.id)
        for ecosystem in record.names:
            self._get_writer(ecosystem).add(record)

    def finish(self, facts: Mapping[str, object], replaced: Path | None = None) -> list[str]:
        """Complete the files and return their ecosystems. replaced: folder of the files that new ones replace."""
        self._ids.close()
        for ecosystem, writer in self._writers.items():
            old = replaced and replaced / schema.get_file_name(ecosystem)
            writer.finish(old if old and old.is_file() else None, **facts)
        return sorted(self._writers)

    def close(self) -> None:
        """Close the files, complete or not."""
        self._ids.close()
        for writer in self._writers.values():
            writer.close()

    def _get_writer(self, ecosystem: str) -> AdvisoryWriter:
        writer = self._writers.get(ecosystem)
        if writer is not None:
            return writer
        if len(self._writers) >= _MOST_ECOSYSTEMS:
            raise AdvisoryInputError(f"the records name more than {_MOST_ECOSYSTEMS} ecosystems")
        name = schema.get_file_name(ecosystem)
        path = self._folder / name
        if self._previous is not None and (self._previous / name).is_file():
            shutil.copyfile(self._previous / name, path)
            writer = AdvisoryWriter(path, ecosystem, is_addition=True)
        else:
            writer = AdvisoryWriter(path, ecosystem, is_temporary=self._is_temporary)
        self._writers[ecosystem] = writer
        return writer


def build_database(
    sources: Sequence[Path], folder: Path, *, feed: str = "", is_addition: bool = False, origin: str = ""
) -> BuildResult:
    """Build files in `folder` from OSV records and files of KEV and EPSS.

    feed: name of a private feed, whose files are separate. is_addition: records are added to the existing files; without
    it, a file with new records replaces the one of the same ecosystem. Raises AdvisoryInputError and DatabaseError; then
    no file has changed.
    """
    with change_folder(folder) as staging:
        target = get_feed_folder(folder, feed)
        reader = AdvisoryReader()
        router = RecordRouter(staging, previous=target if is_addition else None)
        try:
            for source in sources:
                for advisory in reader.read(source):
                    router.add(advisory)
            ecosystems = router.finish({"origin": origin}, None if is_addition else target)
        finally:
            router.close()
        signals = write_signals(reader.signal_files, staging, folder)
        counts = {}
        for ecosystem in ecosystems:
            name = schema.get_file_name(ecosystem)
            counts[ecosystem] = _count_records(staging / name)
            publish(staging / name, target / name)
        if signals is not None:
            publish(signals, folder / schema.SIGNALS_FILE)
    return BuildResult(counts, reader.records, reader.unread, tuple(reader.problems), signals is not None)


def get_feed_folder(folder: Path, feed: str) -> Path:
    """Return the folder of the files of a feed; the public one has no name."""
    return folder / schema.FEEDS / feed if feed else folder


def write_signals(files: Iterable[Path], staging: Path, folder: Path) -> Path | None:
    """Write the side table of `folder` with the content of files of KEV and EPSS into `staging`; None without files."""
    signal_files = list(files)
    if not signal_files:
        return None
    writer = SignalWriter(staging / schema.SIGNALS_FILE, folder / schema.SIGNALS_FILE)
    for file in signal_files:
        writer.read(file)
    writer.finish()
    return writer.path


def _count_records(path: Path) -> int:
    connection = schema.open_file(path, schema.ADVISORIES)
    try:
        return int(schema.read_facts(connection)["records"])
    finally:
        connection.close()


class _SeenIds:
    """Ids of the records of one run with their time of change and ecosystems, to any number: in a temporary file.

    With them the newest record with an id counts in all ecosystems.
    """

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
        text = _ECOSYSTEM_SEPARATOR.join(ecosystems)
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
        return frozenset(old_text.split(_ECOSYSTEM_SEPARATOR)) - frozenset(text.split(_ECOSYSTEM_SEPARATOR))
