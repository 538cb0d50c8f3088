"""Import of databases of other scanners: Grype (schema 6) and Trivy (schema 2), as files or as the archives they publish.

Their records go into a feed with the name of the scanner, apart from the advisories of OSV. Never uses the network.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import tarfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

import msgspec

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.build import get_feed_folder
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError
from kubekeep.vulnerabilities.database.inputs import STREAM_ERRORS, open_stream
from kubekeep.vulnerabilities.database.records import parse_time, store_record
from kubekeep.vulnerabilities.database.signals import SignalWriter, read_signal_times
from kubekeep.vulnerabilities.database.writer import AdvisoryWriter

_GRYPE_FILE: Final = "vulnerability.db"
_TRIVY_FILE: Final = "trivy.db"
_TRIVY_METADATA: Final = "metadata.json"
_SQLITE: Final = b"SQLite format 3\0"
_BOLT: Final = b"\xed\xda\x0c\xed"
"""Magic number after the head of the first page."""
_BOLT_OFFSET: Final = 16
_TAR: Final = b"ustar"
_TAR_OFFSET: Final = 257
_HEAD: Final = 512
_CHUNK: Final = 1 << 20
_MOST_PROBLEMS: Final = 100
_TOLERATED_SHARE: Final = 0.01
_TOLERATED: Final = 100


class ScannerDatabase(Protocol):
    """An open database of another scanner."""

    @property
    def built(self) -> dt.datetime | None:
        """The time of its build."""

    def list_records(self, report: Callable[[str], None]) -> Iterator[tuple[str, Advisory]]:
        """Yield (ecosystem, advisory), each id once for an ecosystem. report: called for each record that cannot be read."""

    def list_signals(self) -> Iterator[tuple[str, str, ExploitSignal]]:
        """Yield "kev" or "epss", the CVE and its signal."""

    def close(self) -> None:
        """Close its files."""


class ScannerFile(msgspec.Struct, frozen=True):
    """The file of a database. scanner: "Grype" or "Trivy"."""

    scanner: str
    path: Path

    @property
    def feed(self) -> str:
        """The feed of its records."""
        return self.scanner.lower()


class ScannerImport(msgspec.Struct, frozen=True):
    """The result of an import. files: names in the folder of the database. records: of all ecosystems."""

    scanner: str
    feed: str
    built: dt.datetime
    files: tuple[str, ...]
    ecosystems: int
    records: int
    unread: int
    problems: tuple[str, ...]


def find_scanner_database(path: Path, staging: Path) -> ScannerFile | None:
    """Return the database that a file, a folder or an archive contains; None without one.

    An archive is unpacked into `staging`. Raises AdvisoryInputError if it cannot be unpacked, and OSError.
    """
    if path.is_dir():
        candidates = (path / _GRYPE_FILE, path / _TRIVY_FILE)
        return next((database for file in candidates if (database := _recognise(file))), None)
    database = _recognise(path)
    if database is not None:
        return database
    is_archive = False
    try:
        with open_stream(path) as stream:
            is_archive = stream.peek(_HEAD)[_TAR_OFFSET:_HEAD].startswith(_TAR)
            return _unpack(stream, staging) if is_archive else None
    except (*STREAM_ERRORS, tarfile.TarError) as error:
        if not is_archive:
            # The reader of advisories reports the damage.
            return None
        raise AdvisoryInputError(f"{visible(str(path))} cannot be unpacked: {visible(str(error))}") from error


def write_records(database: ScannerFile, feed: str, staging: Path, folder: Path) -> ScannerImport:
    """Write the records of a database into files of a feed below `staging`.

    Exploit signals replace those of the database in `folder` that are older. Raises DatabaseError and AdvisoryInputError.
    """
    problems: list[str] = []
    with contextlib.closing(_open(database, staging)) as source:
        built = source.built
        if built is None:
            raise DatabaseError(f"{visible(str(database.path))} has no time of its build")
        facts: dict[str, Any] = {
            "origin": f"database of {database.scanner} built at {built.astimezone(dt.UTC):%Y-%m-%d %H:%M} UTC",
            "current": parse_time(built.astimezone(dt.UTC).isoformat()),
        }
        records, files = _write(source.list_records(problems.append), get_feed_folder(staging, feed), facts)
        files += _write_signals(source, staging, folder, facts)
    if not records or len(problems) > max(_TOLERATED, _TOLERATED_SHARE * records):
        reason = f": {problems[0]}" if problems else ""
        raise AdvisoryInputError(
            f"{visible(str(database.path))}: {len(problems):,} of {records + len(problems):,} records cannot be read{reason}"
        )
    return ScannerImport(
        scanner=database.scanner,
        feed=feed,
        built=built,
        files=tuple(file.relative_to(staging).as_posix() for file in files),
        ecosystems=sum(file.name != schema.SIGNALS_FILE for file in files),
        records=records,
        unread=len(problems),
        problems=tuple(problems[:_MOST_PROBLEMS]),
    )


def _write(
    advisories: Iterator[tuple[str, Advisory]], folder: Path, facts: Mapping[str, Any]
) -> tuple[int, list[Path]]:
    """Write one file for each ecosystem; return the number of records, and the files."""
    folder.mkdir(parents=True)
    writers: dict[str, AdvisoryWriter] = {}
    records = 0
    with contextlib.ExitStack() as stack:
        for ecosystem, advisory in advisories:
            if ecosystem not in writers:
                writer = AdvisoryWriter(folder / schema.get_file_name(ecosystem), ecosystem)
                writers[ecosystem] = stack.enter_context(writer)
            writers[ecosystem].add(store_record(advisory))
            records += 1
        for writer in writers.values():
            writer.finish(**facts)
    return records, [writer.path for writer in writers.values()]


def _write_signals(source: ScannerDatabase, staging: Path, folder: Path, facts: Mapping[str, Any]) -> list[Path]:
    """Write the signals that are newer than those of the database; return the file, or nothing."""
    signals: dict[str, list[tuple[str, ExploitSignal]]] = {}
    for kind, cve, signal in source.list_signals():
        signals.setdefault(kind, []).append((cve, signal))
    previous = folder / schema.SIGNALS_FILE
    known = read_signal_times(previous)
    newer = {kind: rows for kind, rows in signals.items() if known.get(kind, 0) < facts["current"]}
    if not newer:
        return []
    writer = SignalWriter(staging / schema.SIGNALS_FILE, previous)
    for kind, rows in newer.items():
        writer.replace(kind, rows, facts)
    writer.finish()
    return [writer.path]


def _recognise(path: Path) -> ScannerFile | None:
    """Return the database in a file, by its first bytes and the tables that only a database of Grype has."""
    if not path.is_file():
        return None
    with path.open("rb") as file:
        head = file.read(_HEAD)
    if head[_BOLT_OFFSET : _BOLT_OFFSET + len(_BOLT)] == _BOLT:
        return ScannerFile("Trivy", path)
    return ScannerFile("Grype", path) if head.startswith(_SQLITE) else None


def _unpack(stream: io.BufferedReader, staging: Path) -> ScannerFile | None:
    """Unpack the files of a database and return the database."""
    folder = staging / "archive"
    folder.mkdir()
    with tarfile.open(fileobj=cast("BinaryIO", stream), mode="r|") as archive:
        for member in archive:
            name = member.name.rpartition("/")[2]
            content = archive.extractfile(member) if member.isreg() and not member.issparse() else None
            if content is None or name not in (_GRYPE_FILE, _TRIVY_FILE, _TRIVY_METADATA):
                continue
            with (folder / name).open("wb") as file:
                while chunk := content.read(_CHUNK):
                    file.write(chunk)
    return find_scanner_database(folder, staging)


def _open(database: ScannerFile, staging: Path) -> ScannerDatabase:
    if database.scanner == "Grype":
        from kubekeep.vulnerabilities.database.grype.source import GrypeDatabase  # noqa: PLC0415 - only for its databases

        return GrypeDatabase(database.path)
    from kubekeep.vulnerabilities.database.trivy.source import TrivyDatabase  # noqa: PLC0415 - only for its databases

    return TrivyDatabase(database.path, staging)
