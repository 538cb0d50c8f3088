"""Updates of the database from servers with the layout of OSV's bucket: archives, deltas, and files of exploit signals.

A file is replaced only by a complete one. The state of each file remembers its source, so that the next update needs no
options.
"""

from __future__ import annotations

import concurrent.futures
import datetime as dt
import re
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import msgspec

from kubekeep.model.struct_types import prepare_types
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.build import get_feed_folder
from kubekeep.vulnerabilities.database.compression import MAX_RECORD
from kubekeep.vulnerabilities.database.download import Downloader, show_url
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, UpdateError
from kubekeep.vulnerabilities.database.inputs import AdvisoryReader
from kubekeep.vulnerabilities.database.locking import publish
from kubekeep.vulnerabilities.database.records import parse_time, store_record
from kubekeep.vulnerabilities.database.signals import SignalWriter
from kubekeep.vulnerabilities.database.writer import AdvisoryWriter

OSV: Final = "https://osv-vulnerabilities.storage.googleapis.com"
KEV: Final = "https://www.cisa.gov/sites/default/files/feeds/known_exploited_vulnerabilities.json"
EPSS: Final = "https://epss.empiricalsecurity.com/epss_scores-current.csv.gz"
KEV_NAME: Final = "known_exploited_vulnerabilities.json"
EPSS_NAME: Final = "epss_scores-current.csv.gz"
"""Names of the files of exploit signals in a mirror."""
DOWNLOADS: Final = ".downloads"
_MOST_CHANGES: Final = 1000
"""Changed records that are fetched one by one; beyond, the archive is cheaper."""
_MOST_LINES: Final = 100_000
_OVERLAP: Final = 24 * 3600 * 1_000_000
"""Microseconds before the newest record that are compared too: records may be published late."""
_REQUESTS: Final = 8
SHRUNK: Final = 0.5
"""Share of the last size below which new content is refused: it is probably incomplete."""
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:+-]{0,255}")


class UpdatedFile(msgspec.Struct, frozen=True):
    """The result for one file. unread: records that are missing.

    kind: "archive", "delta", "unchanged" or "signals"; of VEX repositories "documents", "same-documents" or "recent".
    """

    name: str
    kind: str
    records: int = 0
    changed: int = 0
    unread: int = 0
    problems: tuple[str, ...] = ()


class EcosystemUpdate:
    """The update of one ecosystem of a feed. `run` raises UpdateError, AdvisoryInputError and DatabaseError."""

    def __init__(
        self, downloader: Downloader, folder: Path, staging: Path, ecosystem: str, *, feed: str, source: str
    ) -> None:
        self._downloader = downloader
        self._ecosystem = ecosystem
        self._source = source.rstrip("/")
        self._url = f"{self._source}/{quote(ecosystem)}"
        name = schema.get_file_name(ecosystem)
        self._target = get_feed_folder(folder, feed) / name
        self._new = staging / name
        self._archive = folder / DOWNLOADS / f"{feed}-{name}.zip"
        self._name = f"{ecosystem} ({feed})" if feed else ecosystem
        self._facts = schema.read_file_facts(self._target, schema.ADVISORIES)

    def run(self) -> UpdatedFile:
        """Update the file, by a delta if possible."""
        changes = self._list_changes() if self._facts.get("source") == show_url(self._source) else None
        return self._load_archive() if changes is None else self._load_changes(changes)

    def _list_changes(self) -> list[tuple[int, str]] | None:
        """Return the changed records; None if the archive is needed."""
        limit = min(int(self._facts.get("newest", 0)), _now()) - _OVERLAP
        if limit <= 0:
            return None
        changes = []
        previous = None
        with self._downloader.open_lines(f"{self._url}/modified_id.csv") as lines:
            if lines is None:
                return None
            for modified, record_id in _parse_changes(lines):
                if previous is not None and modified > previous:
                    # Not in the order of OSV: the file does not show which records are new.
                    return None
                previous = modified
                if modified < limit:
                    break
                changes.append((modified, record_id))
                if len(changes) > _MOST_LINES:
                    return None
        return self._select_unknown(changes)

    def _select_unknown(self, changes: list[tuple[int, str]]) -> list[tuple[int, str]] | None:
        connection = schema.open_file(self._target, schema.ADVISORIES)
        try:
            query = "SELECT 1 FROM records WHERE id = ? AND modified = ?"
            unknown = [
                (modified, record_id)
                for modified, record_id in changes
                if connection.execute(query, (record_id, modified)).fetchone() is None
            ]
        finally:
            connection.close()
        return unknown if len(unknown) <= _MOST_CHANGES else None

    def _load_changes(self, changes: list[tuple[int, str]]) -> UpdatedFile:
        reader = AdvisoryReader()
        shutil.copyfile(self._target, self._new)
        prepare_types()
        with AdvisoryWriter(self._new, self._ecosystem, is_addition=True) as writer:
            with concurrent.futures.ThreadPoolExecutor(_REQUESTS) as executor:
                for record in executor.map(self._fetch_record, (record_id for _, record_id in changes)):
                    for advisory in _read_record(reader, *record):
                        writer.add(store_record(advisory))
            writer.finish(current=_now(), source=show_url(self._source))
        return self._publish("delta" if changes else "unchanged", reader, len(changes))

    def _fetch_record(self, record_id: str) -> tuple[str, str, bytes]:
        url = f"{self._url}/{quote(record_id)}.json"
        reply = self._downloader.get(url, MAX_RECORD)
        if reply.status not in (200, 404):
            raise UpdateError(f"{show_url(url)}: the server responded with {reply.status}")
        return record_id, show_url(url), reply.body if reply.status == 200 else b""

    def _load_archive(self) -> UpdatedFile:
        url = f"{self._url}/all.zip"
        self._archive.parent.mkdir(parents=True, exist_ok=True)
        etag = str(self._facts.get("etag", "")) if self._facts.get("source") == show_url(self._source) else ""
        reply = self._downloader.save(url, self._archive, etag)
        if reply.status == 304:
            return self._load_changes([])
        if reply.status != 200:
            raise UpdateError(
                f"{show_url(url)}: the server responded with {reply.status}: is {visible(self._ecosystem)} an ecosystem of OSV?"
            )
        reader = AdvisoryReader()
        try:
            with AdvisoryWriter(self._new, self._ecosystem) as writer:
                for advisory in reader.read(self._archive):
                    writer.add(store_record(advisory))
                self._check_size(reader.records)
                previous = self._target if self._facts else None
                source = show_url(self._source)
                writer.finish(previous, current=_now(), source=source, origin=source, etag=reply.etag)
        except AdvisoryInputError as error:
            raise UpdateError(f"{show_url(url)} is not usable: {error}") from error
        finally:
            self._archive.unlink(missing_ok=True)
        return self._publish("archive", reader, reader.records)

    def _check_size(self, records: int) -> None:
        old = int(self._facts.get("records", 0))
        if records < old * SHRUNK:
            raise UpdateError(
                f"{show_url(self._url)} has {records:,} records and the database {old:,}: the archive seems incomplete; "
                f"delete {visible(str(self._target))} to use it"
            )

    def _publish(self, kind: str, reader: AdvisoryReader, changed: int) -> UpdatedFile:
        facts = schema.read_file_facts(self._new, schema.ADVISORIES)
        publish(self._new, self._target)
        problems = tuple(str(problem) for problem in reader.problems)
        return UpdatedFile(self._name, kind, int(facts["records"]), changed, reader.unread, problems)


def update_signals(
    downloader: Downloader, folder: Path, staging: Path, urls: Mapping[str, str], *, is_optional: bool = False
) -> UpdatedFile | None:
    """Update the side table from the files at `urls`; None if none has changed.

    is_optional: a file that does not exist is no error. Raises UpdateError and DatabaseError.
    """
    target = folder / schema.SIGNALS_FILE
    facts = schema.read_file_facts(target, schema.SIGNALS)
    downloads = folder / DOWNLOADS
    downloads.mkdir(parents=True, exist_ok=True)
    writer = SignalWriter(staging / schema.SIGNALS_FILE, target)
    changed = 0
    try:
        for kind, url in urls.items():
            source = show_url(url)
            path = downloads / kind
            etag = str(facts.get(f"{kind}_etag", "")) if facts.get(f"{kind}_source") == source else ""
            reply = downloader.save(url, path, etag)
            if reply.status == 404 and is_optional:
                continue
            if reply.status == 304:
                writer.note(kind, {"current": _now()})
            elif reply.status == 200:
                _read_signals(writer, path, kind, {"source": source, "etag": reply.etag, "current": _now()})
            else:
                raise UpdateError(f"{source}: the server responded with {reply.status}")
            changed += 1
    finally:
        writer.finish()
    if not changed:
        return None
    publish(writer.path, target)
    return UpdatedFile("KEV, EPSS", "signals", changed=changed)


def _read_signals(writer: SignalWriter, path: Path, kind: str, facts: Mapping[str, object]) -> None:
    try:
        actual_kind = writer.read(path, facts)
    except AdvisoryInputError as error:
        raise UpdateError(f"{facts['source']} is not usable: {error}") from error
    finally:
        path.unlink(missing_ok=True)
    if actual_kind != kind:
        raise UpdateError(f"{facts['source']} has other content than expected")


def list_feed_ecosystems(downloader: Downloader, source: str) -> list[str]:
    """Return the ecosystems that a server lists in `ecosystems.txt`. Raises UpdateError without one."""
    url = f"{source.rstrip('/')}/ecosystems.txt"
    reply = downloader.get(url, 1 << 20)
    if reply.status != 200:
        raise UpdateError(f"{show_url(url)}: the server responded with {reply.status}: name the ecosystems")
    lines = (line.partition(":")[0].strip() for line in reply.body.decode("utf-8", "replace").splitlines())
    return sorted({line for line in lines if line and line.isprintable()})


def _read_record(reader: AdvisoryReader, record_id: str, url: str, body: bytes) -> Iterator[Advisory]:
    """Yield the record, or report it as unread."""
    for advisory in reader.decode(body, url):
        if advisory.id != record_id:
            raise UpdateError(f"{url} has the record {visible(advisory.id)}")
        yield advisory


def _parse_changes(lines: Iterator[str]) -> Iterator[tuple[int, str]]:
    for line in lines:
        time_text, comma, name = line.partition(",")
        record_id = name.rpartition("/")[2]
        modified = parse_time(time_text)
        if not line:
            continue
        if not comma or not modified or not _ID.fullmatch(record_id):
            raise UpdateError(f"modified_id.csv has an unexpected line: {visible(line)[:100]}")
        yield modified, record_id


def _now() -> int:
    return parse_time(dt.datetime.now(dt.UTC).isoformat())
