"""An inventory of packages in one SQLite file, which several programs may use at the same time.

Never reads an image and never matches a package itself.
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import msgspec

from kubekeep.images.registries.state_file import convert_errors, open_database, open_folder, write
from kubekeep.model.package import Distribution, GoSymbols, Package
from kubekeep.vulnerabilities.inventory import (
    AffectedEntries,
    IndexedImage,
    InventoryEntry,
    MatchedEntry,
    NameLister,
    PackageContext,
    StoredVulnerability,
    Suppressions,
    digest_package,
    encode_package,
)
from kubekeep.vulnerabilities.package_facts import NO_FACTS, PackageFacts, StoredSymbols

FILE: Final = "packages.sqlite"
_APPLICATION: Final = 0x6B6B7069
_VERSION: Final = 3
_MOST_PARAMETERS: Final = 500
_GROUP: Final = 100
"""Images per transaction: each of them waits for the disk."""
_SCHEMA: Final = """
CREATE TABLE context (id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE package (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE facts (id INTEGER PRIMARY KEY, content BLOB NOT NULL UNIQUE);
CREATE TABLE executable (id INTEGER PRIMARY KEY, digest BLOB NOT NULL UNIQUE, content BLOB NOT NULL);
CREATE TABLE facts_executable (facts INTEGER NOT NULL, executable INTEGER NOT NULL, PRIMARY KEY (facts, executable))
    WITHOUT ROWID;
CREATE TABLE entry (
    id INTEGER PRIMARY KEY, context INTEGER NOT NULL, package INTEGER NOT NULL, facts INTEGER NOT NULL,
    is_matched INTEGER NOT NULL DEFAULT 0, reason TEXT NOT NULL DEFAULT '', is_incomplete INTEGER NOT NULL DEFAULT 0,
    UNIQUE (context, package, facts)
);
CREATE INDEX entry_by_package ON entry (package);
CREATE INDEX entry_by_facts ON entry (facts) WHERE facts != 0;
CREATE INDEX entry_unmatched ON entry (id) WHERE is_matched = 0;
CREATE INDEX entry_not_assessed ON entry (id, reason, is_incomplete) WHERE reason != '';
CREATE TABLE image (
    id INTEGER PRIMARY KEY, digest TEXT NOT NULL UNIQUE, version TEXT NOT NULL, problems INTEGER NOT NULL,
    is_reported INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE image_entry (entry INTEGER NOT NULL, image INTEGER NOT NULL, PRIMARY KEY (entry, image)) WITHOUT ROWID;
CREATE INDEX image_entry_by_image ON image_entry (image);
CREATE TABLE replaced (image INTEGER PRIMARY KEY, content BLOB NOT NULL);
CREATE TABLE lookup (
    ecosystem TEXT NOT NULL, name TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (ecosystem, name, entry)
) WITHOUT ROWID;
CREATE INDEX lookup_by_entry ON lookup (entry);
CREATE TABLE vulnerability (
    entry INTEGER NOT NULL, name TEXT NOT NULL, is_exploited INTEGER NOT NULL, content BLOB NOT NULL,
    has_own_rating INTEGER NOT NULL DEFAULT 1, PRIMARY KEY (entry, name)
) WITHOUT ROWID;
CREATE INDEX vulnerability_without_rating ON vulnerability (entry) WHERE has_own_rating = 0;
CREATE INDEX vulnerability_exploited ON vulnerability (entry) WHERE is_exploited = 1;
CREATE TABLE cve (cve TEXT NOT NULL, entry INTEGER NOT NULL, PRIMARY KEY (cve, entry)) WITHOUT ROWID;
CREATE INDEX cve_by_entry ON cve (entry);
CREATE TABLE suppression (
    digest TEXT NOT NULL, name TEXT NOT NULL, purl TEXT NOT NULL, text TEXT NOT NULL, PRIMARY KEY (digest, name, purl)
) WITHOUT ROWID;
CREATE TABLE token (ecosystem TEXT PRIMARY KEY, token TEXT NOT NULL) WITHOUT ROWID;
"""
_ADD_RATING: Final = """
ALTER TABLE vulnerability ADD COLUMN has_own_rating INTEGER NOT NULL DEFAULT 1;
CREATE INDEX vulnerability_without_rating ON vulnerability (entry) WHERE has_own_rating = 0;
"""
"""Changes of a file of version 2. The next match is of another program, and matches all packages."""
_OLDER: Final = (
    "an earlier version of Kubekeep wrote it, without changelogs and functions of Go executables: delete this file; "
    "the next run matches all images again and lists all their vulnerabilities as new"
)


class SqliteInventory:
    """The inventory in a folder, which is created. Threads may share it. Implements PackageInventory. Raises StateError."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE
        self._lock = threading.RLock()
        with convert_errors(self.path):
            open_folder(folder)
            self._connection = open_database(self.path, _APPLICATION, _VERSION, _SCHEMA, {2: _ADD_RATING}, _OLDER)

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

    def count_problems(self) -> dict[str, int]:
        """Return the numbers of parts that could not be read, by digest of the image; complete images are absent."""
        return dict(self._select("SELECT digest, problems FROM image WHERE problems > 0"))

    def add_images(self, images: Iterable[IndexedImage], names: NameLister) -> None:
        """Add images, or replace their packages. Images are written in groups; each group completely or not at all."""
        rest = iter(images)
        while group := list(itertools.islice(rest, _GROUP)):
            with self._write() as connection:
                for image in group:
                    _add_image(connection, image, names)

    def remove_images(self, digests: Iterable[str]) -> None:
        """Remove images, and the packages and facts that no image has."""
        with self._write() as connection:
            for digest in digests:
                query = "(SELECT id FROM image WHERE digest = ?)"
                connection.execute(f"DELETE FROM image_entry WHERE image = {query}", (digest,))  # noqa: S608 - fixed
                connection.execute(f"DELETE FROM replaced WHERE image = {query}", (digest,))  # noqa: S608 - fixed
                connection.execute("DELETE FROM suppression WHERE digest = ?", (digest,))
                connection.execute("DELETE FROM image WHERE digest = ?", (digest,))
            connection.execute("DELETE FROM entry WHERE id NOT IN (SELECT entry FROM image_entry)")
            for table in ("lookup", "vulnerability", "cve"):
                connection.execute(f"DELETE FROM {table} WHERE entry NOT IN (SELECT id FROM entry)")  # noqa: S608 - fixed
            connection.execute("DELETE FROM package WHERE id NOT IN (SELECT package FROM entry)")
            connection.execute("DELETE FROM facts WHERE id NOT IN (SELECT facts FROM entry)")
            connection.execute("DELETE FROM facts_executable WHERE facts NOT IN (SELECT id FROM facts)")
            connection.execute("DELETE FROM executable WHERE id NOT IN (SELECT executable FROM facts_executable)")

    def reset_matches(self, names: NameLister) -> None:
        """List the names of all packages again, and mark all as not matched; known vulnerabilities stay."""
        query = (
            "SELECT entry.id, context.content, package.content FROM entry JOIN context ON context.id = entry.context"
        )
        rows = self._select(f"{query} JOIN package ON package.id = entry.package")
        with self._write() as connection:
            connection.execute("DELETE FROM lookup")
            connection.execute("UPDATE entry SET is_matched = 0")
            for entry, context, content in rows:
                package = msgspec.msgpack.decode(content, type=Package)
                distribution = msgspec.msgpack.decode(context, type=PackageContext).distribution
                _add_names(connection, entry, names(package, distribution))

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

    def count_packages(self, ecosystem: str) -> int:
        """Return the number of packages that advisories of an ecosystem may list, equal ones once."""
        ((count,),) = self._select("SELECT count(DISTINCT entry) FROM lookup WHERE ecosystem = ?", ecosystem)
        return int(count)

    def find_entries(
        self, changes: Mapping[str, frozenset[str] | None], exploited: Mapping[str, str], *, has_new_ratings: bool
    ) -> set[int]:
        """Return the packages to match.

        These are packages of changed names, those that were never matched, those of a changed ecosystem that could not be
        assessed, those with a vulnerability whose exploitation is not what `exploited` says, and with `has_new_ratings`
        those with a vulnerability without a rating of its own. changes: normalised names by ecosystem; None for all names
        of it. exploited: dates by CVE, of all CVEs that are known to be exploited.
        """
        entries = {entry for (entry,) in self._select("SELECT id FROM entry WHERE is_matched = 0")}
        for ecosystem, names in changes.items():
            entries |= self._find_entries(ecosystem, names)
            query = "SELECT id FROM entry JOIN lookup ON entry = id WHERE reason != '' AND ecosystem = ?"
            entries |= {entry for (entry,) in self._select(query, ecosystem)}
        if has_new_ratings:
            entries |= {entry for (entry,) in self._select("SELECT entry FROM vulnerability WHERE has_own_rating = 0")}
        return entries | self._find_exploited(exploited)

    def _find_exploited(self, exploited: Mapping[str, str]) -> set[int]:
        """Return the packages with a vulnerability whose exploitation is not what `exploited` says."""
        entries: set[int] = set()
        candidates = {entry for (entry,) in self._select("SELECT entry FROM vulnerability WHERE is_exploited = 1")}
        candidates |= {entry for (entry,) in self._select_in("SELECT entry FROM cve WHERE cve IN", list(exploited))}
        for entry, vulnerabilities in self.list_vulnerabilities(candidates).items():
            for one in vulnerabilities:
                dates = [exploited[cve] for cve in one.cves if cve in exploited]
                if one.known_exploited != min(dates, default=""):
                    entries.add(entry)
        return entries

    def iterate_entries(self, entries: Iterable[int]) -> Iterator[AffectedEntries]:
        """Yield packages by context and facts."""
        groups: dict[tuple[int, int], list[InventoryEntry]] = collections.defaultdict(list)
        query = "SELECT entry.context, entry.facts, entry.id, package.content FROM entry JOIN package"
        for context, facts, entry, content in self._select_in(
            f"{query} ON package.id = entry.package WHERE entry.id IN", sorted(entries)
        ):
            groups[context, facts].append(InventoryEntry(entry, msgspec.msgpack.decode(content, type=Package)))
        for (context, facts), own in groups.items():
            ((content,),) = self._select("SELECT content FROM context WHERE id = ?", context)
            rows = self._select("SELECT content FROM facts WHERE id = ?", facts)
            yield AffectedEntries(
                msgspec.msgpack.decode(content, type=PackageContext),
                msgspec.msgpack.decode(rows[0][0], type=PackageFacts) if rows else NO_FACTS,
                tuple(own),
            )

    def load_symbols(self, facts: PackageFacts) -> StoredSymbols | None:
        """Return the linked functions of the executables with a package; None if they are unknown."""
        if not facts.executables:
            return None
        rows = self._select_in("SELECT content FROM executable WHERE digest IN", facts.executables)
        return StoredSymbols([msgspec.msgpack.decode(content, type=GoSymbols) for (content,) in rows])

    def list_vulnerabilities(self, entries: Iterable[int]) -> dict[int, tuple[StoredVulnerability, ...]]:
        """Return the vulnerabilities of the last match by entry, sorted by id; entries without any are absent."""
        known: dict[int, list[StoredVulnerability]] = collections.defaultdict(list)
        query = "SELECT entry, content FROM vulnerability WHERE entry IN"
        for entry, content in self._select_in(query, list(entries)):
            known[entry].append(msgspec.msgpack.decode(content, type=StoredVulnerability))
        return {entry: tuple(sorted(own, key=lambda one: one.id)) for entry, own in known.items()}

    def list_vulnerable(self, digests: Iterable[str]) -> dict[str, set[int]]:
        """Return the entries with vulnerabilities of the last match, by digest of the image."""
        entries: dict[str, set[int]] = collections.defaultdict(set)
        query = (
            "SELECT DISTINCT image.digest, vulnerability.entry FROM image JOIN image_entry ON image_entry.image = image.id"
            " JOIN vulnerability ON vulnerability.entry = image_entry.entry WHERE image.digest IN"
        )
        for digest, entry in self._select_in(query, list(digests)):
            entries[digest].add(entry)
        return entries

    def list_results(self) -> set[int]:
        """Return the entries of the last match with vulnerabilities or without an answer."""
        query = "SELECT entry FROM vulnerability UNION SELECT id FROM entry WHERE reason != ''"
        return {entry for (entry,) in self._select(query)}

    def list_digests(self, entries: Iterable[int]) -> dict[str, frozenset[bytes]]:
        """Return the digests of the packages of entries, by digest of the image."""
        digests: dict[str, set[bytes]] = collections.defaultdict(set)
        query = (
            "SELECT image.digest, package.digest FROM image_entry JOIN image ON image.id = image_entry.image"
            " JOIN entry ON entry.id = image_entry.entry JOIN package ON package.id = entry.package WHERE entry.id IN"
        )
        for image, package in self._select_in(query, list(entries)):
            digests[image].add(package)
        return {image: frozenset(own) for image, own in digests.items()}

    def list_cves(self) -> list[str]:
        """Return the CVEs of all vulnerabilities of the last match."""
        return [cve for (cve,) in self._select("SELECT DISTINCT cve FROM cve ORDER BY cve")]

    def list_unassessed(self) -> dict[int, tuple[str, bool]]:
        """Return the reason of the last match why an entry was not assessed, and True if it is incomplete."""
        query = "SELECT id, reason, is_incomplete FROM entry WHERE reason != ''"
        return {entry: (reason, bool(is_incomplete)) for entry, reason, is_incomplete in self._select(query)}

    def list_images_of(self, entries: Iterable[int]) -> dict[int, list[str]]:
        """Return the digests of the images that have each entry, sorted."""
        images: dict[int, list[str]] = collections.defaultdict(list)
        query = "SELECT entry, digest FROM image_entry JOIN image ON image.id = image_entry.image WHERE entry IN"
        for entry, digest in self._select_in(query, list(entries)):
            images[entry].append(digest)
        return {entry: sorted(own) for entry, own in images.items()}

    def list_unreported(self) -> dict[str, tuple[StoredVulnerability, ...]]:
        """Return the images that were added or replaced since the last match, with their vulnerabilities in it."""
        query = "SELECT digest, content FROM image LEFT JOIN replaced ON replaced.image = image.id"
        rows = self._select(f"{query} WHERE is_reported = 0 OR content IS NOT NULL")
        kind = tuple[StoredVulnerability, ...]
        return {digest: msgspec.msgpack.decode(content, type=kind) if content else () for digest, content in rows}

    def get_suppressions(self) -> dict[tuple[str, str, str], str]:
        """Return the suppressions of images that differ from those of their packages."""
        query = "SELECT digest, name, purl, text FROM suppression"
        return {(digest, name, purl): text for digest, name, purl, text in self._select(query)}

    def get_tokens(self) -> dict[str, str]:
        """Return the tokens of the advisories that the last match used, by ecosystem."""
        return dict(self._select("SELECT ecosystem, token FROM token"))

    def record_match(
        self, matched: Mapping[int, MatchedEntry], tokens: Mapping[str, str], suppressions: Suppressions | None = None
    ) -> None:
        """Replace the results of the entries that were matched, the tokens and all suppressions, all or nothing."""
        with self._write() as connection:
            for entry, result in matched.items():
                _record_entry(connection, entry, result)
            connection.executemany("INSERT OR REPLACE INTO token VALUES (?, ?)", tokens.items())
            connection.execute("DELETE FROM suppression")
            connection.executemany(
                "INSERT INTO suppression VALUES (?, ?, ?, ?)",
                ((*key, text) for key, text in (suppressions or {}).items()),
            )
            connection.execute("DELETE FROM replaced")
            connection.execute("UPDATE image SET is_reported = 1 WHERE is_reported = 0")

    def _find_entries(self, ecosystem: str, names: Iterable[str] | None) -> set[int]:
        if names is None:
            rows = self._select("SELECT DISTINCT entry FROM lookup WHERE ecosystem = ?", ecosystem)
            return {entry for (entry,) in rows}
        entries: set[int] = set()
        for part in _split(sorted(names)):
            query = f"SELECT entry FROM lookup WHERE ecosystem = ? AND name IN ({_marks(part)})"  # noqa: S608 - marks only
            entries |= {entry for (entry,) in self._select(query, ecosystem, *part)}
        return entries

    def _select_in(self, query: str, values: Sequence[object]) -> Iterator[Any]:
        """Yield the rows of a query that ends with `IN`."""
        for part in _split(values):
            yield from self._select(f"{query} ({_marks(part)})", *part)

    def _select(self, query: str, *parameters: object) -> list[Any]:
        with self._lock, convert_errors(self.path):
            return self._connection.execute(query, parameters).fetchall()

    @contextlib.contextmanager
    def _write(self) -> Iterator[sqlite3.Connection]:
        with self._lock, convert_errors(self.path), write(self._connection) as connection:
            yield connection


def _record_entry(connection: sqlite3.Connection, entry: int, result: MatchedEntry) -> None:
    connection.execute("DELETE FROM vulnerability WHERE entry = ?", (entry,))
    connection.execute("DELETE FROM cve WHERE entry = ?", (entry,))
    connection.executemany(
        "INSERT OR REPLACE INTO vulnerability VALUES (?, ?, ?, ?, ?)",
        (
            (entry, one.id, bool(one.known_exploited), msgspec.msgpack.encode(one), one.has_own_rating)
            for one in result.vulnerabilities
        ),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO cve VALUES (?, ?)", ((cve, entry) for one in result.vulnerabilities for cve in one.cves)
    )
    connection.execute(
        "UPDATE entry SET is_matched = 1, reason = ?, is_incomplete = ? WHERE id = ?",
        (result.reason, result.is_incomplete, entry),
    )


def _add_image(connection: sqlite3.Connection, image: IndexedImage, names: NameLister) -> None:
    connection.execute(
        "INSERT INTO image (digest, version, problems) VALUES (?, ?, ?) ON CONFLICT (digest)"
        " DO UPDATE SET version = excluded.version, problems = excluded.problems",
        (image.digest, image.version, image.problems),
    )
    image_id = _find_id(connection, "image", "digest", image.digest)
    _keep_vulnerabilities(connection, image_id)
    connection.execute("DELETE FROM image_entry WHERE image = ?", (image_id,))
    content = msgspec.msgpack.encode(image.context)
    connection.execute("INSERT OR IGNORE INTO context (content) VALUES (?)", (content,))
    context = _find_id(connection, "context", "content", content)
    executables = _add_executables(connection, image.facts.executables)
    facts_ids = {NO_FACTS: 0}
    for package in image.packages:
        facts = image.facts.packages.get(package, NO_FACTS)
        if facts not in facts_ids:
            facts_ids[facts] = _add_facts(connection, facts, executables)
        entry = _add_entry(connection, (context, facts_ids[facts]), package, image.context.distribution, names)
        connection.execute("INSERT OR IGNORE INTO image_entry VALUES (?, ?)", (entry, image_id))


def _keep_vulnerabilities(connection: sqlite3.Connection, image: int) -> None:
    """Keep the vulnerabilities of an image whose packages are replaced, for the comparison with the next match."""
    if not connection.execute("SELECT is_reported FROM image WHERE id = ?", (image,)).fetchone()[0]:
        return
    query = "SELECT content FROM image_entry JOIN vulnerability USING (entry) WHERE image = ?"
    contents = [msgspec.Raw(content) for (content,) in connection.execute(query, (image,))]
    connection.execute("INSERT OR IGNORE INTO replaced VALUES (?, ?)", (image, msgspec.msgpack.encode(contents)))


def _add_executables(connection: sqlite3.Connection, executables: Mapping[bytes, GoSymbols]) -> dict[bytes, int]:
    """Add the linked functions of executables; return the ids by digest."""
    for digest, symbols in executables.items():
        connection.execute(
            "INSERT OR IGNORE INTO executable (digest, content) VALUES (?, ?)",
            (digest, msgspec.msgpack.encode(symbols)),
        )
    return {digest: _find_id(connection, "executable", "digest", digest) for digest in executables}


def _add_facts(connection: sqlite3.Connection, facts: PackageFacts, executables: Mapping[bytes, int]) -> int:
    content = msgspec.msgpack.encode(facts)
    connection.execute("INSERT OR IGNORE INTO facts (content) VALUES (?)", (content,))
    facts_id = _find_id(connection, "facts", "content", content)
    connection.executemany(
        "INSERT OR IGNORE INTO facts_executable VALUES (?, ?)",
        ((facts_id, executables[digest]) for digest in facts.executables),
    )
    return facts_id


def _add_entry(
    connection: sqlite3.Connection,
    context: tuple[int, int],
    package: Package,
    distribution: Distribution,
    names: NameLister,
) -> int:
    """Return the id of a package in a context with facts, added with its names if it is new."""
    digest = digest_package(package)
    connection.execute(
        "INSERT OR IGNORE INTO package (digest, content) VALUES (?, ?)", (digest, encode_package(package))
    )
    package_id = _find_id(connection, "package", "digest", digest)
    cursor = connection.execute(
        "INSERT OR IGNORE INTO entry (context, facts, package) VALUES (?, ?, ?)", (*context, package_id)
    )
    query = "SELECT id FROM entry WHERE context = ? AND facts = ? AND package = ?"
    row = connection.execute(query, (*context, package_id)).fetchone()
    entry = int(row[0])
    if cursor.rowcount:
        _add_names(connection, entry, names(package, distribution))
    return entry


def _add_names(connection: sqlite3.Connection, entry: int, names: Iterable[tuple[str, str]]) -> None:
    connection.executemany(
        "INSERT OR IGNORE INTO lookup VALUES (?, ?, ?)", ((ecosystem, name, entry) for ecosystem, name in names)
    )


def _find_id(connection: sqlite3.Connection, table: str, column: str, value: object) -> int:
    row = connection.execute(f"SELECT id FROM {table} WHERE {column} = ?", (value,)).fetchone()  # noqa: S608 - fixed names
    return int(row[0])


def _split(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(values), _MOST_PARAMETERS):
        yield values[start : start + _MOST_PARAMETERS]


def _marks(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
