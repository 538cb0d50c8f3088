"""Reading of the files of the database: advisories by package name, and their changes. Never writes."""

from __future__ import annotations

import datetime as dt
import json
import shlex
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.compression import RecordDecompressor
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.records import format_time
from kubekeep.vulnerabilities.source import SourceState

_BATCH: Final = 500
"""Names of one query."""


class EcosystemFile:
    """The advisories of one ecosystem. Raises DatabaseError for a missing, damaged or foreign file."""

    def __init__(self, path: Path) -> None:
        """Open the file; it stays the same until it is closed, even if an update replaces it."""
        self._path = path
        self._connection = schema.open_file(path, schema.ADVISORIES)
        self.facts: dict[str, Any] = self._read_facts()
        self._decompressor: RecordDecompressor | None = None
        self._decoder = msgspec.json.Decoder(Advisory)

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    @property
    def ecosystem(self) -> str:
        """The ecosystem, without a release."""
        return str(self.facts.get("ecosystem", ""))

    @property
    def feed(self) -> str:
        """The feed; empty for the public one."""
        return self._path.parent.name if self._path.parent.parent.name == schema.FEEDS else ""

    @property
    def is_imported(self) -> bool:
        """True for a feed without a source, which only an import renews."""
        return bool(self.feed and not self.facts.get("source"))

    @property
    def token(self) -> str:
        """The state of the file for `list_changes`: a random text that changes with the advisories."""
        rows = self._query("SELECT token FROM generations ORDER BY number DESC LIMIT 1", ())
        return str(rows[0][0]) if rows else ""

    def get_state(self) -> SourceState:
        """Return the state of the ecosystem."""
        rows = self._query("SELECT name FROM releases", ())
        return SourceState(
            ecosystem=self.ecosystem,
            releases=frozenset(name for (name,) in rows),
            updated=get_time(self.facts),
            records=int(self.facts.get("records", 0)),
            origin=str(self.facts.get("origin", "")),
            renewal=self._describe_renewal(),
        )

    def _describe_renewal(self) -> str:
        """Return the step that loads newer advisories: without a source, an update leaves a feed as it is."""
        if self.is_imported:
            return f"import newer data of {visible(self.feed)} with `kubekeep db import`"
        option = f"--feed {shlex.quote(self.feed)} " if self.feed else ""
        return f"run `kubekeep db update {option}{shlex.quote(self.ecosystem)}`"

    def find(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names of packages."""
        return self._find("names", names)

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for names of flaws, only records that rate the flaw; none of a file without these names."""
        has_ratings = schema.read_version(self._connection) != schema.WITHOUT_RATINGS
        return self._find("rated", names) if has_ratings else iter(())

    def _find(self, table: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        ordered = sorted(set(names))
        for start in range(0, len(ordered), _BATCH):
            rows = self._query(
                f"SELECT n.name, r.content FROM json_each(?) j JOIN {table} n ON n.name = j.value"  # noqa: S608 - constants
                " JOIN records r ON r.number = n.number ORDER BY n.name, r.id",
                (json.dumps(ordered[start : start + _BATCH]),),
            )
            for name, content in rows:
                yield name, self._decode(content)

    def list_changes(self, since: str) -> frozenset[str] | None:
        """Return the names whose records changed after the token `since`; None if that is unknown."""
        rows = self._query("SELECT number FROM generations WHERE token = ?", (since,))
        if not rows:
            return None
        query = "SELECT DISTINCT name FROM changes WHERE generation > ?"
        return frozenset(name for (name,) in self._query(query, rows[0]))

    def _decode(self, content: bytes) -> Advisory:
        try:
            if self._decompressor is None:
                self._decompressor = RecordDecompressor(schema.read_training(self._connection))
            return self._decoder.decode(self._decompressor.decompress(content))
        except (DatabaseError, sqlite3.Error, msgspec.DecodeError, UnicodeDecodeError, TypeError) as error:
            raise schema.damaged(self._path, error) from error

    def _query(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except schema.READ_ERRORS as error:
            raise schema.damaged(self._path, error) from error

    def _read_facts(self) -> dict[str, Any]:
        try:
            facts = schema.read_facts(self._connection)
            for name in ("records", "current", "newest"):
                facts[name] = int(facts.get(name, 0))
        except (sqlite3.Error, ValueError, TypeError) as error:
            self._connection.close()
            raise schema.damaged(self._path, error) from error
        return facts


class SignalFile:
    """Exploit signals by CVE. Raises DatabaseError for a missing, damaged or foreign file."""

    def __init__(self, path: Path) -> None:
        """Open the file."""
        self._path = path
        self._connection = schema.open_file(path, schema.SIGNALS)
        try:
            self.facts: dict[str, Any] = schema.read_facts(self._connection)
        except schema.READ_ERRORS as error:
            self._connection.close()
            raise schema.damaged(path, error) from error

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def count(self) -> dict[str, int]:
        """Return the number of vulnerabilities by kind of signal, "kev" and "epss"."""
        query = "SELECT (SELECT count(*) FROM exploited), (SELECT count(*) FROM epss)"
        try:
            exploited, scored = self._connection.execute(query).fetchone()
        except schema.READ_ERRORS as error:
            raise schema.damaged(self._path, error) from error
        return {"kev": exploited, "epss": scored}

    def get(self, cves: Iterable[str]) -> dict[str, ExploitSignal]:
        """Return the signals of CVEs; unknown ones are absent."""
        ordered = sorted(set(cves))
        signals = {}
        for start in range(0, len(ordered), _BATCH):
            batch = json.dumps(ordered[start : start + _BATCH])
            try:
                rows = self._connection.execute(
                    "SELECT j.value, k.added, k.ransomware, e.score, e.percentile FROM json_each(?) j"
                    " LEFT JOIN exploited k ON k.cve = j.value LEFT JOIN epss e ON e.cve = j.value"
                    " WHERE k.cve IS NOT NULL OR e.cve IS NOT NULL",
                    (batch,),
                ).fetchall()
            except schema.READ_ERRORS as error:
                raise schema.damaged(self._path, error) from error
            for cve, added, ransomware, score, percentile in rows:
                signals[cve] = ExploitSignal(added or "", bool(ransomware), score, percentile)
        return signals


def get_time(facts: Mapping[str, Any]) -> dt.datetime | None:
    """Return the time at which a file was current: of its update, else of its newest record; None if it has neither."""
    number = facts.get("current") or facts.get("newest") or 0
    text = format_time(number) if isinstance(number, int) else ""
    return dt.datetime.fromisoformat(text) if text else None
