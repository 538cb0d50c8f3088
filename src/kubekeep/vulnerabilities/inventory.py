"""Inventory of the packages of many images: the images and packages that a change of advisories affects.

One SQLite file; several programs may use it at the same time. Equal packages in equal distributions are stored and matched
once. Never reads an image and never matches a package itself.
"""

from __future__ import annotations

import collections
import contextlib
import hashlib
import itertools
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from kubekeep.images.package import Distribution, Package, PackageLocation
from kubekeep.images.registries.state import convert_errors, open_database, open_folder, write

FILE: Final = "packages.sqlite"
_APPLICATION: Final = 0x6B6B7069
_VERSION: Final = 1
_DIGEST: Final = 16
_MOST_PARAMETERS: Final = 500
_GROUP: Final = 100
"""Images per transaction: each of them waits for the disk."""
_SCHEMA: Final = """
CREATE TABLE context (id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE package (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, context INTEGER NOT NULL, package INTEGER NOT NULL, is_matched INTEGER NOT NULL DEFAULT 0,
    reason TEXT NOT NULL DEFAULT '', is_incomplete INTEGER NOT NULL DEFAULT 0, UNIQUE (context, package)
);
CREATE INDEX entry_unmatched ON entry (id) WHERE is_matched = 0;
CREATE INDEX entry_not_assessed ON entry (id, reason, is_incomplete) WHERE reason != '';
CREATE TABLE image (id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, version TEXT NOT NULL);
CREATE TABLE image_entry (entry INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY (entry, image)) WITHOUT ROWID;
CREATE INDEX image_entry_by_image ON image_entry (image);
CREATE TABLE lookup (
    ecosystem TEXT NOT NULL, name TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (ecosystem, name, entry)
) WITHOUT ROWID;
CREATE INDEX lookup_by_entry ON lookup (entry);
CREATE TABLE vulnerability (
    entry INTEGER NOT NULL, name TEXT NOT NULL, content BLOB NOT NULL, PRIMARY KEY (entry, name)
) WITHOUT ROWID;
CREATE INDEX vulnerability_by_name ON vulnerability (name);
CREATE TABLE token (ecosystem TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID;
"""

NameLister = Callable[[Package, Distribution], Iterable[tuple[str, str]]]
"""Returns the (ecosystem, normalised name) under which advisories may list a package; the ecosystem has no release."""


class PackageContext(msgspec.Struct, frozen=True):
    """The facts of an image that decide with the package if an advisory applies."""

    distribution: Distribution
    platform: str = ""


class InventoryEntry(msgspec.Struct, frozen=True):
    """A package in a context. The layers of its locations are empty, since they differ between images."""

    id: int
    package: Package


class StoredVulnerability(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts of a vulnerability that are compared between two runs. level: the severity in lower case.

    is_suppressed: a VEX statement says that the package is not affected or fixed.
    """

    id: str
    purl: str
    level: str = "unknown"
    fixed_version: str = ""
    known_exploited: str = ""
    is_suppressed: bool = False


class IndexedImage(msgspec.Struct, frozen=True, kw_only=True):
    """The packages of an image. version: of the reading, which changes with the program."""

    digest: str
    packages: tuple[Package, ...]
    context: PackageContext
    version: str = ""


class MatchedEntry(msgspec.Struct, frozen=True):
    """The result of matching a package: its vulnerabilities, or the reason why it was not assessed.

    is_incomplete: another database or SBOM would give an answer.
    """

    vulnerabilities: tuple[StoredVulnerability, ...] = ()
    reason: str = ""
    is_incomplete: bool = False


class UnassessedPackages(msgspec.Struct, frozen=True):
    """The number of packages that were not assessed for a reason, equal ones once."""

    reason: str
    packages: int
    is_incomplete: bool


class PackageInventory:
    """The inventory in a folder, which is created. Threads may share it. Raises StateError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        with convert_errors(self.path):
            open_folder(folder)
            self._connection = open_database(self.path, _APPLICATION, _VERSION, _SCHEMA)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._lock:
            self._connection.close()

    def list_images(self) -> dict[str, str]:
        """Return the versions of all images by digest."""
        return dict(self._select("SELECT digest, version FROM image"))

    def add_images(self, images: Iterable[IndexedImage], names: NameLister) -> None:
        """Add images, or replace their packages. Images are written in groups; each group completely or not at all."""
        rest = iter(images)
        while group := list(itertools.islice(rest, _GROUP)):
            with self._write() as connection:
                for image in group:
                    _add_image(connection, image, names)

    def remove_images(self, digests: Iterable[str]) -> None:
        """Remove images, and the packages that no other image has."""
        with self._write() as connection:
            for digest in digests:
                connection.execute(
                    "DELETE FROM image_entry WHERE image = (SELECT id FROM image WHERE digest = ?)", (digest,)
                )
                connection.execute("DELETE FROM image WHERE digest = ?", (digest,))
            connection.execute("DELETE FROM entry WHERE id NOT IN (SELECT entry FROM image_entry)")
            for table in ("lookup", "vulnerability"):
                connection.execute(f"DELETE FROM {table} WHERE entry NOT IN (SELECT id FROM entry)")  # noqa: S608 - fixed
            connection.execute("DELETE FROM package WHERE id NOT IN (SELECT package FROM entry)")

    def find_images(self, ecosystem: str, names: Iterable[str]) -> set[str]:
        """Return the digests of the images with a package that advisories may list under one of the names."""
        entries = self._find_entries(ecosystem, names)
        return {digest for digests in self.list_images_of(entries).values() for digest in digests}

    def list_ecosystems(self) -> list[str]:
        """Return the ecosystems of all packages."""
        # One step in the index per ecosystem, instead of one per package.
        query = (
            "WITH RECURSIVE step (ecosystem) AS (SELECT min(ecosystem) FROM lookup UNION ALL"
            " SELECT (SELECT min(ecosystem) FROM lookup WHERE lookup.ecosystem > step.ecosystem) FROM step"
            " WHERE step.ecosystem IS NOT NULL) SELECT ecosystem FROM step WHERE ecosystem IS NOT NULL"
        )
        return [ecosystem for (ecosystem,) in self._select(query)]

    def iterate_affected(
        self, changes: Mapping[str, frozenset[str] | None], exploited: Iterable[str] = ()
    ) -> Iterator[tuple[PackageContext, list[InventoryEntry]]]:
        """Yield the packages to match by context.

        These are packages of changed names, those that were never matched, those of a changed ecosystem that could not be
        assessed, and those with a vulnerability in `exploited` that was not exploited at the last match. changes:
        normalised names by ecosystem; None for all names of it.
        """
        entries = {entry for (entry,) in self._select("SELECT id FROM entry WHERE is_matched = 0")}
        for ecosystem, names in changes.items():
            entries |= self._find_entries(ecosystem, names)
            query = "SELECT id FROM entry JOIN lookup ON entry = id WHERE reason != '' AND ecosystem = ?"
            entries |= {entry for (entry,) in self._select(query, ecosystem)}
        query = "SELECT entry, content FROM vulnerability WHERE name IN"
        for entry, content in self._select_in(query, exploited):
            if not msgspec.msgpack.decode(content, type=StoredVulnerability).known_exploited:
                entries.add(entry)
        by_context: dict[int, list[InventoryEntry]] = collections.defaultdict(list)
        query = "SELECT entry.context, entry.id, package.content FROM entry JOIN package ON package.id = entry.package"
        for context, entry, content in self._select_in(f"{query} WHERE entry.id IN", sorted(entries)):
            by_context[context].append(InventoryEntry(entry, msgspec.msgpack.decode(content, type=Package)))
        for context, own in by_context.items():
            ((content,),) = self._select("SELECT content FROM context WHERE id = ?", context)
            yield msgspec.msgpack.decode(content, type=PackageContext), own

    def list_vulnerabilities(self, entries: Iterable[int]) -> dict[int, tuple[StoredVulnerability, ...]]:
        """Return the vulnerabilities of the last match by entry, sorted by id; entries without any are absent."""
        known: dict[int, list[StoredVulnerability]] = collections.defaultdict(list)
        query = "SELECT entry, content FROM vulnerability WHERE entry IN"
        for entry, content in self._select_in(query, entries):
            known[entry].append(msgspec.msgpack.decode(content, type=StoredVulnerability))
        return {entry: tuple(sorted(own, key=lambda one: one.id)) for entry, own in known.items()}

    def list_vulnerability_names(self) -> list[str]:
        """Return the ids of all vulnerabilities of the last match."""
        return [name for (name,) in self._select("SELECT DISTINCT name FROM vulnerability ORDER BY name")]

    def count_unassessed(self) -> tuple[UnassessedPackages, ...]:
        """Return the numbers of packages that were not assessed, the most frequent reason first."""
        query = (
            "SELECT reason, count(*), is_incomplete FROM entry WHERE reason != ''"
            " GROUP BY reason, is_incomplete ORDER BY count(*) DESC, reason"
        )
        return tuple(
            UnassessedPackages(reason, count, bool(is_incomplete))
            for reason, count, is_incomplete in self._select(query)
        )

    def list_images_of(self, entries: Iterable[int]) -> dict[int, list[str]]:
        """Return the digests of the images that have each entry, sorted."""
        images: dict[int, list[str]] = collections.defaultdict(list)
        query = "SELECT entry, digest FROM image_entry JOIN image ON image.id = image_entry.image WHERE entry IN"
        for entry, digest in self._select_in(query, entries):
            images[entry].append(digest)
        return {entry: sorted(own) for entry, own in images.items()}

    def get_tokens(self) -> dict[str, str]:
        """Return the tokens of the advisories that the last match used, by ecosystem."""
        return dict(self._select("SELECT ecosystem, token FROM token"))

    def record_match(self, matched: Mapping[int, MatchedEntry], tokens: Mapping[str, str]) -> None:
        """Replace the results of the entries that were matched, and the tokens, all or nothing."""
        with self._write() as connection:
            for entry, result in matched.items():
                connection.execute("DELETE FROM vulnerability WHERE entry = ?", (entry,))
                connection.executemany(
                    "INSERT OR REPLACE INTO vulnerability VALUES (?, ?, ?)",
                    ((entry, one.id, msgspec.msgpack.encode(one)) for one in result.vulnerabilities),
                )
                connection.execute(
                    "UPDATE entry SET is_matched = 1, reason = ?, is_incomplete = ? WHERE id = ?",
                    (result.reason, result.is_incomplete, entry),
                )
            connection.executemany("INSERT OR REPLACE INTO token VALUES (?, ?)", tokens.items())

    def _find_entries(self, ecosystem: str, names: Iterable[str] | None) -> set[int]:
        if names is None:
            rows = self._select("SELECT DISTINCT entry FROM lookup WHERE ecosystem = ?", ecosystem)
            return {entry for (entry,) in rows}
        entries: set[int] = set()
        for part in _split(sorted(names)):
            query = f"SELECT entry FROM lookup WHERE ecosystem = ? AND name IN ({_marks(part)})"  # noqa: S608 - marks only
            entries |= {entry for (entry,) in self._select(query, ecosystem, *part)}
        return entries

    def _select_in(self, query: str, values: Iterable[object]) -> Iterator[Any]:
        """Yield the rows of a query that ends with `IN`."""
        for part in _split(list(values)):
            yield from self._select(f"{query} ({_marks(part)})", *part)

    def _select(self, query: str, *parameters: object) -> list[Any]:
        with self._lock, convert_errors(self.path):
            return self._connection.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, convert_errors(self.path), write(self._connection) as connection:
            yield connection


def _add_image(connection: sqlite3.Connection, image: IndexedImage, names: NameLister) -> None:
    connection.execute(
        "INSERT INTO image (digest, version) VALUES (?, ?) ON CONFLICT (digest) DO UPDATE SET version = excluded.version",
        (image.digest, image.version),
    )
    image_id = _find_id(connection, "image", "digest", image.digest)
    connection.execute("DELETE FROM image_entry WHERE image = ?", (image_id,))
    content = msgspec.msgpack.encode(image.context)
    connection.execute("INSERT OR IGNORE INTO context (content) VALUES (?)", (content,))
    context = _find_id(connection, "context", "content", content)
    for package in image.packages:
        entry = _add_entry(connection, context, package, image.context.distribution, names)
        connection.execute("INSERT OR IGNORE INTO image_entry VALUES (?, ?)", (entry, image_id))


def _add_entry(
    connection: sqlite3.Connection, context: int, package: Package, distribution: Distribution, names: NameLister
) -> int:
    """Return the id of a package in a context, added with its names if it is new."""
    # Paths decide if a package belongs to the distribution; layers differ between images.
    paths = tuple(dict.fromkeys(PackageLocation(location.path) for location in package.locations))
    content = msgspec.msgpack.encode(msgspec.structs.replace(package, locations=paths))
    digest = hashlib.blake2b(content, digest_size=_DIGEST).digest()
    connection.execute("INSERT OR IGNORE INTO package (digest, content) VALUES (?, ?)", (digest, content))
    package_id = _find_id(connection, "package", "digest", digest)
    cursor = connection.execute("INSERT OR IGNORE INTO entry (context, package) VALUES (?, ?)", (context, package_id))
    row = connection.execute("SELECT id FROM entry WHERE context = ? AND package = ?", (context, package_id)).fetchone()
    entry = int(row[0])
    if cursor.rowcount:
        connection.executemany(
            "INSERT OR IGNORE INTO lookup VALUES (?, ?, ?)",
            ((ecosystem, name, entry) for ecosystem, name in names(package, distribution)),
        )
    return entry


def _find_id(connection: sqlite3.Connection, table: str, column: str, value: object) -> int:
    row = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()  # noqa: S608 - fixed names
    return int(row[0])


def _split(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _MOST_PARAMETERS):
        yield values[start : start + _MOST_PARAMETERS]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
