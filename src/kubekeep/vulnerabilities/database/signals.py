"""Exploit signals: CISA's catalogue of known exploited vulnerabilities (KEV) and the scores of FIRST's EPSS.

Reads their published files and writes the side table of the database. Never uses the network.
"""

from __future__ import annotations

import csv
import datetime as dt
import io
import itertools
import re
import shutil
import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.compression import zstd
from kubekeep.vulnerabilities.database.errors import AdvisoryInputError, DatabaseError
from kubekeep.vulnerabilities.database.inputs import is_exploited_catalogue, open_stream
from kubekeep.vulnerabilities.database.records import parse_time

_CVE: Final = re.compile(r"CVE-[0-9]{4}-[0-9]{4,19}")
_MOST_BYTES: Final = 64 << 20
_MOST_SCORES: Final = 5_000_000
_HEAD: Final = 4096
_SCORE_DATE: Final = re.compile(r"score_date:([^,\s]+)")


class _Catalogue(msgspec.Struct, frozen=True, rename="camel"):
    class ExploitedVulnerability(msgspec.Struct, frozen=True, rename="camel"):
        cve_id: str = msgspec.field(name="cveID")
        date_added: str = ""
        known_ransomware_campaign_use: str = ""

    vulnerabilities: tuple[ExploitedVulnerability, ...]
    date_released: str = ""


class SignalWriter:
    """Writes the side table at `path`, a new file or a private copy of `previous`.

    Tables that are not replaced stay as they are. Raises DatabaseError if the file cannot be written.
    """

    def __init__(self, path: Path, previous: Path | None = None) -> None:
        self.path = path
        if previous is not None and previous.is_file():
            shutil.copyfile(previous, path)
            self._connection = schema.open_for_writing(path, schema.SIGNALS)
        else:
            self._connection = schema.create_file(path, schema.SIGNALS)

    def read(self, path: Path, facts: Mapping[str, object] | None = None) -> str:
        """Replace a table by the content of a file, and return its kind, "kev" or "epss". Raises AdvisoryInputError.

        facts: source and time of the file; without them, the time is the one in the file.
        """
        name = visible(str(path))
        try:
            with open_stream(path) as stream:
                kind = "kev" if is_exploited_catalogue(stream.peek(_HEAD)[:_HEAD]) else "epss"
                self._connection.execute("BEGIN")
                date = self._read_exploited(stream) if kind == "kev" else self._read_scores(stream)
                self._connection.execute("COMMIT")
        except (OSError, EOFError, zlib.error, zstd.ZstdError, ValueError, msgspec.DecodeError, csv.Error) as error:
            self._connection.close()
            raise AdvisoryInputError(f"{name} cannot be read: {visible(str(error))}") from error
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}") from error
        self.note(kind, {"newest": date, **(facts or {})})
        return kind

    def replace(self, kind: str, signals: Iterable[tuple[str, ExploitSignal]], facts: Mapping[str, object]) -> None:
        """Replace the table of a kind, "kev" or "epss", by the signals of CVEs from another database."""
        table = {"kev": "exploited", "epss": "epss"}[kind]
        try:
            self._connection.execute("BEGIN")
            self._connection.execute(f"DELETE FROM {table}")  # noqa: S608 - constants
            self._connection.executemany(
                f"INSERT OR REPLACE INTO {table} VALUES (?, ?, ?)",  # noqa: S608 - constants
                (
                    (cve, signal.known_exploited, signal.ransomware)
                    if kind == "kev"
                    else (cve, signal.epss, signal.percentile)
                    for cve, signal in signals
                    if _CVE.fullmatch(cve)
                ),
            )
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}") from error
        self.note(kind, {**dict.fromkeys(("source", "newest"), ""), **facts})

    def note(self, kind: str, facts: Mapping[str, object]) -> None:
        """Write facts about a table."""
        schema.write_facts(self._connection, **{f"{kind}_{name}": value for name, value in facts.items()})

    def finish(self) -> None:
        """Complete the file."""
        self._connection.close()
        try:
            schema.seal_file(self.path)
        except (sqlite3.Error, OSError) as error:
            raise DatabaseError(f"{self.path} cannot be written: {error}") from error

    def _read_exploited(self, stream: BinaryIO) -> int:
        content = stream.read(_MOST_BYTES + 1)
        if len(content) > _MOST_BYTES:
            raise ValueError(f"the catalogue has more than {_MOST_BYTES:,} bytes")
        catalogue = msgspec.json.decode(content.removeprefix(b"\xef\xbb\xbf"), type=_Catalogue)
        self._connection.execute("DELETE FROM exploited")
        self._connection.executemany(
            "INSERT OR REPLACE INTO exploited VALUES (?, ?, ?)",
            (
                (entry.cve_id, entry.date_added, entry.known_ransomware_campaign_use == "Known")
                for entry in catalogue.vulnerabilities
                if _CVE.fullmatch(entry.cve_id)
            ),
        )
        return parse_time(catalogue.date_released)

    def _read_scores(self, stream: BinaryIO) -> int:
        text = io.TextIOWrapper(stream, encoding="utf-8", errors="replace")
        first = text.readline(_HEAD)
        date = _SCORE_DATE.search(first)
        header = text.readline(_HEAD) if first.startswith("#") else first
        columns = [name.strip().lower() for name in header.split(",")]
        if columns[:3] != ["cve", "epss", "percentile"]:
            raise ValueError("not a table of EPSS scores: expected the columns cve, epss and percentile")
        self._connection.execute("DELETE FROM epss")
        rows = itertools.islice(_parse_scores(text), _MOST_SCORES)
        self._connection.executemany("INSERT OR REPLACE INTO epss VALUES (?, ?, ?)", rows)
        text.detach()
        return parse_time(_complete_time(date[1])) if date else 0


def read_signal_times(path: Path) -> dict[str, int]:
    """Return the times of the tables of a file by their kind; none for a missing or unusable file."""
    try:
        connection = schema.open_file(path, schema.SIGNALS)
    except DatabaseError:
        return {}
    try:
        facts = schema.read_facts(connection)
    finally:
        connection.close()
    times = {kind: facts.get(f"{kind}_current") or facts.get(f"{kind}_newest") for kind in ("kev", "epss")}
    return {kind: time for kind, time in times.items() if isinstance(time, int)}


def _parse_scores(text: io.TextIOBase) -> Iterator[tuple[str, float, float]]:
    for row in csv.reader(text):
        if row and _CVE.fullmatch(row[0]):
            score, percentile = float(row[1]), float(row[2])
            if not (0 <= score <= 1 and 0 <= percentile <= 1):
                raise ValueError(f"{row[0]} has a score that is no probability")
            yield row[0], score, percentile


def _complete_time(text: str) -> str:
    """Return the time in RFC 3339; EPSS writes the zone as +0000."""
    try:
        return dt.datetime.fromisoformat(text).astimezone(dt.UTC).isoformat()
    except ValueError:
        return ""
