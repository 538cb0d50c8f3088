"""A database of Trivy, schema 2: the bolt file `trivy.db` with `metadata.json` beside it. Read as a whole, read-only.

Its order is by platform, package and vulnerability, so entries are sorted in a temporary file. Only packages are read.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import itertools
import sqlite3
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import msgspec

from kubekeep.images.access.bolt import BoltBucket, open_database
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.trivy.blobs import (
    DataSource,
    TrivyAdvisory,
    TrivyMetadata,
    TrivyVulnerability,
)
from kubekeep.vulnerabilities.database.trivy.convert import NOT_AFFECTED, TrivyRow, build_advisory
from kubekeep.vulnerabilities.database.trivy.platforms import RED_HAT, TrivyPlatform, resolve_platform, resolve_product

FILE: Final = "trivy.db"
METADATA: Final = "metadata.json"
_SCHEMA: Final = 2
_MOST_METADATA: Final = 1 << 16
_MOST_BYTES: Final = 16 << 30
_TABLE: Final = """CREATE TABLE entries (
    ecosystem TEXT, id TEXT, package TEXT, release TEXT, is_distribution INTEGER, source TEXT, content BLOB
)"""
_PRODUCTS: Final = (b"Red Hat CPE", b"cpe")


class TrivyDatabase:
    """The file `trivy.db`. Methods raise DatabaseError for a damaged file."""

    def __init__(self, path: Path, temporary: Path) -> None:
        """Read the metadata. temporary: a folder for the sorted entries. Raises DatabaseError for another schema."""
        self._path = path
        self._name = visible(str(path))
        self._temporary = temporary
        metadata = self._read_metadata(path.with_name(METADATA))
        if metadata.version != _SCHEMA:
            raise DatabaseError(f"{self._name} is not a database of Trivy with schema {_SCHEMA}")
        try:
            self.built: dt.datetime | None = msgspec.convert(metadata.updated_at, dt.datetime)
        except msgspec.ValidationError as error:
            raise DatabaseError(f"{visible(METADATA)} of {self._name} has no time of the build") from error

    def close(self) -> None:
        """Do nothing: the file is open only while records are listed."""

    def list_records(self, report: Callable[[str], None]) -> Iterator[tuple[str, Advisory]]:
        """Yield (ecosystem, advisory) for all packages, each id once for an ecosystem.

        report: called with the reason for each entry that cannot be read.
        """
        connection = sqlite3.connect(self._temporary / "entries", isolation_level=None)
        try:
            with contextlib.closing(connection), open_database(self._path, _MOST_BYTES) as root:
                self._sort(root, connection, report)
                details = root.get_bucket(b"vulnerability")
                query = "SELECT * FROM entries ORDER BY ecosystem, id, package, release"
                rows = (msgspec.convert(row, TrivyRow) for row in connection.execute(query))
                for (ecosystem, name), group in itertools.groupby(rows, key=lambda row: (row.ecosystem, row.id)):
                    try:
                        content = details.get(name.encode()) if details else None
                        vulnerability = msgspec.json.decode(content or b"{}", type=TrivyVulnerability)
                        yield ecosystem, build_advisory(list(group), vulnerability)
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        report(f"{visible(name)} of {ecosystem}: {visible(str(error))}")
        except (ImageAccessError, OSError, sqlite3.Error) as error:
            raise DatabaseError(f"{self._name} cannot be read: {visible(str(error))}") from error

    def list_signals(self) -> Iterator[tuple[str, str, ExploitSignal]]:
        """Yield nothing: the database has no exploit signals."""
        return iter(())

    def _read_metadata(self, path: Path) -> TrivyMetadata:
        try:
            with path.open("rb") as file:
                return msgspec.json.decode(file.read(_MOST_METADATA), type=TrivyMetadata)
        except (OSError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise DatabaseError(f"{METADATA} beside {self._name} cannot be read: {visible(str(error))}") from error

    def _sort(self, root: BoltBucket, connection: sqlite3.Connection, report: Callable[[str], None]) -> None:
        """Write all entries into a table."""
        for statement in ("PRAGMA journal_mode = OFF", "PRAGMA synchronous = OFF", _TABLE, "BEGIN"):
            connection.execute(statement)
        for row in self._list_rows(root, report):
            connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", msgspec.structs.astuple(row))
        connection.execute("COMMIT")

    def _list_rows(self, root: BoltBucket, report: Callable[[str], None]) -> Iterator[TrivyRow]:
        sources = root.get_bucket(b"data-source")
        products = _read_products(root)
        for key, packages in root.list_buckets():
            platform = resolve_platform(key.decode("utf-8", "replace"))
            if platform is None:
                continue
            content = sources.get(key) if sources else None
            source = msgspec.json.decode(content, type=DataSource).id if content else ""
            for package, advisories in packages.list_buckets():
                for name, value in advisories.list_values():
                    try:
                        texts = package.decode(), name.decode()
                        advisory = msgspec.json.decode(value, type=TrivyAdvisory)
                    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
                        report(f"{visible(name.decode('utf-8', 'replace'))}: {visible(str(error))}")
                        continue
                    yield from _split(*texts, source, platform, advisory, products)


def _read_products(root: BoltBucket) -> dict[int, TrivyPlatform]:
    """Return the main streams of Red Hat Enterprise Linux by the number of the product."""
    parent, name = _PRODUCTS
    bucket = root.get_bucket(parent)
    names = bucket.get_bucket(name) if bucket else None
    products = {}
    for number, cpe in names.list_values() if names else ():
        platform = resolve_product(msgspec.json.decode(cpe, type=str))
        if platform is not None and number.isdigit():
            products[int(number)] = platform
    return products


def _split(
    package: str,
    name: str,
    source: str,
    platform: TrivyPlatform,
    advisory: TrivyAdvisory,
    products: Mapping[int, TrivyPlatform],
) -> Iterator[TrivyRow]:
    """Yield a row for each entry of an advisory, and for each product and CVE of one of Red Hat."""
    for entry in advisory.entries or (advisory,):
        if entry.status == NOT_AFFECTED and not entry.fixed_version:
            continue
        platforms = [platform]
        if platform.ecosystem == RED_HAT:
            platforms = list(dict.fromkeys(products[number] for number in entry.affected or () if number in products))
        for cve in entry.cves or (None,):
            own = entry
            if cve is not None and cve.id:
                own = msgspec.structs.replace(
                    entry, vendor_ids=(*(entry.vendor_ids or ()), name), severity=cve.severity or entry.severity
                )
            elif cve is not None:
                own = msgspec.structs.replace(entry, severity=cve.severity or entry.severity)
            content = msgspec.json.encode(msgspec.structs.replace(own, cves=None, affected=None))
            for target in platforms:
                yield TrivyRow(
                    target.ecosystem,
                    cve.id if cve is not None and cve.id else name,
                    package,
                    target.release,
                    target.is_distribution,
                    source,
                    content,
                )
