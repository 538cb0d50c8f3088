"""A database of Grype, schema 6, as a source of advisories: read in place, read-only.

Only packages are read; vulnerabilities that name a product by CPE are not.
"""

from __future__ import annotations

import datetime as dt
import functools
import itertools
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from kubekeep.ecosystems.shared.ecosystem import Advisories
from kubekeep.ecosystems.shared.registry import find_distribution_type, index_advisories
from kubekeep.ecosystems.shared.releases import GrypeRelease, GrypeReleaseNamer
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.aliases import list_equal_names
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.grype.blobs import ExploitedBlob, PackageBlob
from kubekeep.vulnerabilities.database.grype.constraints import UnreadableConstraintError
from kubekeep.vulnerabilities.database.grype.convert import (
    AffectedRow,
    VulnerabilityRow,
    build_advisory,
    is_unconditional,
)
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.severity.rating import rates_flaw
from kubekeep.vulnerabilities.source import SourceState

_Blob = TypeVar("_Blob", ExploitedBlob, PackageBlob)

_MODEL: Final = 6
_BATCH: Final = 200
_LONGEST_BLOB: Final = 32 << 20
_FLAW_PROVIDERS: Final = ("github", "nvd")
"""Providers whose words rate flaws apart from any distribution."""
_TABLES: Final = frozenset(
    (
        "affected_package_handles",
        "blobs",
        "db_metadata",
        "operating_systems",
        "packages",
        "vulnerability_handles",
    )
)


class _Handle(msgspec.Struct, frozen=True, array_like=True):
    """A package of a vulnerability; the order is that of the query."""

    name: str
    vulnerability_id: int
    is_unaffected: int
    kind: str
    package: str
    system_id: int | None
    blob_id: int


class GrypeDatabase:
    """The file `vulnerability.db` of Grype. Methods raise DatabaseError for a damaged file."""

    unread = 0
    problems: Sequence[object] = ()

    def __init__(self, path: Path) -> None:
        """Open the file. Raises DatabaseError for another schema."""
        self._name = visible(str(path))
        uri = path.absolute().as_uri() + "?mode=ro&immutable=1"
        try:
            self._connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
            self._connection.execute("PRAGMA trusted_schema = OFF")
            self._connection.execute("PRAGMA query_only = ON")
            self._connection.execute("PRAGMA cell_size_check = ON")
            rows = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
            self._tables = frozenset(name for (name,) in rows)
            metadata = (
                self._connection.execute("SELECT build_timestamp, model FROM db_metadata LIMIT 1").fetchone()
                if self._tables >= _TABLES
                else None
            )
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DatabaseError(f"{self._name} cannot be read: {error}") from error
        if metadata is None or metadata[1] != _MODEL:
            self.close()
            raise DatabaseError(f"{self._name} is not a database of Grype with schema {_MODEL}")
        self._built = _parse_time(metadata[0])

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem; records are not counted."""
        states = {}
        query = "SELECT 1 FROM packages p JOIN affected_package_handles a ON a.package_id = p.id WHERE p.ecosystem = ? LIMIT 1"
        for ecosystem, advisories in index_advisories().items():
            if advisories.name_grype_release is not None:
                releases = set(self._list_releases(advisories, advisories.name_grype_release).values())
            else:
                releases = {ecosystem} if any(self._query(query, (kind,)) for kind in advisories.grype) else set()
            if releases:
                states[ecosystem] = self._create_state(ecosystem, releases)
        return states

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names, sorted by name."""
        advisories = index_advisories().get(ecosystem)
        if advisories is None:
            return
        kinds = advisories.grype
        releases: Mapping[int | None, str] = {None: ecosystem}
        if advisories.name_grype_release is not None:
            kinds = (find_distribution_type(advisories.distributions[0].id),)
            releases = self._list_releases(advisories, advisories.name_grype_release)
        if not kinds or not releases:
            return
        ordered = sorted(set(names))
        for start in range(0, len(ordered), _BATCH):
            for name, packages in self._find_packages(kinds, ecosystem, ordered[start : start + _BATCH]):
                yield from ((name, advisory) for advisory in self._read_advisories(packages, releases))

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that rate the flaw with one of the names, those of the NVD too."""
        ordered = sorted(set(names))
        for start in range(0, len(ordered), _BATCH):
            batch = ordered[start : start + _BATCH]
            for vulnerability in self._list_vulnerabilities(self._find_flaws(batch)):
                try:
                    advisory = build_advisory(vulnerability, (), ())
                except msgspec.DecodeError as error:
                    raise DatabaseError(
                        f"{self._name} has a blob that cannot be read: {visible(str(error))}"
                    ) from error
                if vulnerability.provider not in _FLAW_PROVIDERS:
                    # A distribution rates the flaw in its own packages.
                    advisory = msgspec.structs.replace(advisory, database_specific=None)
                if rates_flaw(advisory):
                    yield from ((name, advisory) for name in batch if name in list_equal_names(advisory))

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what the database has about the exploitation of CVEs."""
        batch = json.dumps(sorted(set(cves)))
        exploited: dict[str, ExploitedBlob] = {}
        if "known_exploited_vulnerability_handles" in self._tables:
            rows = self._query(
                "SELECT k.cve, b.value FROM json_each(?) j JOIN known_exploited_vulnerability_handles k"
                " ON k.cve = j.value COLLATE NOCASE JOIN blobs b ON b.id = k.blob_id",
                (batch,),
            )
            exploited = {cve.upper(): self._decode(blob, ExploitedBlob) for cve, blob in rows}
        scores: dict[str, tuple[float, float]] = {}
        if "epss_handles" in self._tables:
            query = (
                "SELECT e.cve, e.epss, e.percentile FROM json_each(?) j JOIN epss_handles e"
                " ON e.cve = j.value COLLATE NOCASE"
            )
            scores = {cve.upper(): (score, percentile) for cve, score, percentile in self._query(query, (batch,))}
        return {
            cve: ExploitSignal(
                (exploited[cve].date_added or "")[:10] if cve in exploited else "",
                cve in exploited and exploited[cve].known_ransomware_campaign_use.lower() == "known",
                *scores.get(cve, (None, None)),
            )
            for cve in sorted(exploited.keys() | scores.keys())
        }

    @property
    def built(self) -> dt.datetime | None:
        """The time of its build."""
        return self._built

    def list_records(self, report: Callable[[str], None]) -> Iterator[tuple[str, Advisory]]:
        """Yield (ecosystem, advisory) for all packages, each id once for an ecosystem.

        report: called with the reason for each vulnerability that cannot be read.
        """
        targets = self._list_targets()
        for _, rows in itertools.groupby(self._iterate_handles(), key=lambda row: row.name.lower()):
            records: dict[str, Advisory] = {}
            for vulnerability_id, handles in itertools.groupby(rows, key=lambda row: row.vulnerability_id):
                for ecosystem, advisory in self._convert(vulnerability_id, list(handles), targets, report):
                    other = records.get(ecosystem)
                    records[ecosystem] = advisory if other is None else _join(other, advisory)
            yield from records.items()

    def list_signals(self) -> Iterator[tuple[str, str, ExploitSignal]]:
        """Yield "kev" or "epss", the CVE and its signal."""
        if "known_exploited_vulnerability_handles" in self._tables:
            query = (
                "SELECT k.cve, b.value FROM known_exploited_vulnerability_handles k JOIN blobs b ON b.id = k.blob_id"
            )
            for cve, blob in self._query(query, ()):
                entry = self._decode(blob, ExploitedBlob)
                ransomware = entry.known_ransomware_campaign_use.lower() == "known"
                yield "kev", cve.upper(), ExploitSignal((entry.date_added or "")[:10], ransomware)
        if "epss_handles" in self._tables:
            for cve, score, percentile in self._query("SELECT cve, epss, percentile FROM epss_handles", ()):
                yield "epss", cve.upper(), ExploitSignal(epss=score, percentile=percentile)

    def _convert(
        self,
        vulnerability_id: int,
        handles: Sequence[_Handle],
        targets: Mapping[tuple[str, int | None], Sequence[tuple[str, str]]],
        report: Callable[[str], None],
    ) -> Iterator[tuple[str, Advisory]]:
        """Yield the advisory of a vulnerability for each ecosystem of its packages."""
        blobs = dict(
            self._query(
                "SELECT b.id, b.value FROM json_each(?) j JOIN blobs b ON b.id = j.value",
                (json.dumps([handle.blob_id for handle in handles]),),
            )
        )
        packages = [(handle, self._decode(blobs.get(handle.blob_id), PackageBlob)) for handle in handles]
        unaffected = {
            (handle.kind, handle.package.lower(), handle.system_id)
            for handle, blob in packages
            if handle.is_unaffected and is_unconditional(blob)
        }
        affected: dict[str, list[AffectedRow]] = {}
        for handle, blob in packages:
            if handle.is_unaffected or (handle.kind, handle.package.lower(), handle.system_id) in unaffected:
                continue
            for ecosystem, release in targets.get((handle.kind, handle.system_id), ()):
                affected.setdefault(ecosystem, []).append(AffectedRow(release, handle.package, blob))
        for vulnerability in self._list_vulnerabilities([vulnerability_id] if affected else []):
            for ecosystem, rows in affected.items():
                try:
                    yield ecosystem, build_advisory(vulnerability, rows, self._list_weaknesses(vulnerability.name))
                except (msgspec.DecodeError, UnreadableConstraintError, TypeError) as error:
                    report(f"{visible(vulnerability.name)} of {ecosystem}: {visible(str(error))}")

    def _list_targets(self) -> dict[tuple[str, int | None], list[tuple[str, str]]]:
        """Return ecosystems and releases by the type of the packages and the row of the operating system."""
        targets: dict[tuple[str, int | None], list[tuple[str, str]]] = {}
        for ecosystem, advisories in index_advisories().items():
            if advisories.name_grype_release is None:
                for kind in advisories.grype:
                    targets.setdefault((kind, None), []).append((ecosystem, ecosystem))
                continue
            kind = find_distribution_type(advisories.distributions[0].id)
            for system_id, release in self._list_releases(advisories, advisories.name_grype_release).items():
                targets.setdefault((kind, system_id), []).append((ecosystem, release))
        return targets

    def _iterate_handles(self) -> Iterator[_Handle]:
        """Yield the packages of all vulnerabilities by the name of the vulnerability. Archives have no indexes yet."""
        parts = (
            f"SELECT v.name, v.id, {number}, lower(p.ecosystem), p.name, a.operating_system_id, a.blob_id FROM {table} a"  # noqa: S608
            " JOIN vulnerability_handles v ON v.id = a.vulnerability_id JOIN packages p ON p.id = a.package_id"
            for number, table in enumerate(("affected_package_handles", "unaffected_package_handles"))
            if table in self._tables
        )
        try:
            for row in self._connection.execute(f"{' UNION ALL '.join(parts)} ORDER BY 1, 2, 3, 4, 5, 6, 7"):
                yield msgspec.convert(row, _Handle)
        except (sqlite3.Error, UnicodeDecodeError, msgspec.ValidationError) as error:
            raise DatabaseError(f"{self._name} is damaged: {visible(str(error))}") from error

    def _create_state(self, ecosystem: str, releases: Iterable[str]) -> SourceState:
        return SourceState(
            ecosystem,
            frozenset(releases),
            self._built,
            origin=self._name,
            renewal=f"use a newer file than {self._name}",
        )

    @functools.cached_property
    def _operating_systems(self) -> dict[str, list[GrypeRelease]]:
        columns = {row[1] for row in self._query("PRAGMA table_info(operating_systems)", ())}
        channel = "coalesce(channel, '')" if "channel" in columns else "''"
        release_id = "lower(coalesce(release_id, ''))" if "release_id" in columns else "''"
        query = (
            "SELECT id, lower(name), coalesce(major_version, ''), coalesce(minor_version, ''),"  # noqa: S608 - constants
            f" coalesce(label_version, ''), coalesce(codename, ''), {channel}, {release_id} FROM operating_systems"
        )
        rows = self._query(query, ())
        systems: dict[str, list[GrypeRelease]] = {}
        for *values, identifier in rows:
            system = GrypeRelease(*values)
            # Red Hat is "redhat" with the id "rhel"; other tables use one of the two.
            for name in dict.fromkeys((system.name, identifier)):
                systems.setdefault(name, []).append(system)
        return systems

    @functools.cached_property
    def _replacements(self) -> dict[str, str]:
        """Names of systems whose advisories the database uses for another one, as RHEL for CentOS."""
        if "operating_system_specifier_overrides" not in self._tables:
            return {}
        query = (
            "SELECT lower(alias), lower(replacement) FROM operating_system_specifier_overrides WHERE replacement != ''"
            " AND coalesce(version, '') = '' AND coalesce(version_pattern, '') = '' AND coalesce(codename, '') = ''"
        )
        return dict(self._query(query, ()))

    def _list_releases(self, advisories: Advisories, name_release: GrypeReleaseNamer) -> dict[int | None, str]:
        """Return the releases of a distribution, as OSV names them, by the row of the operating system."""
        names = (row for name in advisories.grype for row in self._operating_systems.get(name, ()))
        rows = list({row.id: row for row in names}.values())
        replacement = next((self._replacements[name] for name in advisories.grype if name in self._replacements), "")
        # Some derivatives have rows of their own that only state what is fixed in them.
        if replacement and not any(map(self._has_affected, rows)):
            rows = self._operating_systems.get(replacement, [])
        releases = {row.id: name_release(advisories.name, row) for row in rows}
        return {row_id: release for row_id, release in releases.items() if release}

    def _has_affected(self, release: GrypeRelease) -> bool:
        query = "SELECT 1 FROM affected_package_handles WHERE operating_system_id = ? LIMIT 1"
        return bool(self._query(query, (release.id,)))

    def _find_packages(
        self, kinds: Sequence[str], ecosystem: str, names: Sequence[str]
    ) -> Iterator[tuple[str, dict[int, str]]]:
        """Yield each name with the ids and spellings of its packages."""
        rows = self._query(
            "SELECT p.id, p.name FROM json_each(?) e CROSS JOIN json_each(?) n JOIN packages p"
            " ON p.ecosystem = e.value COLLATE NOCASE AND p.name = n.value COLLATE NOCASE",
            (json.dumps(kinds), json.dumps(names)),
        )
        packages: dict[str, dict[int, str]] = {}
        for package_id, name in rows:
            packages.setdefault(normalise_name(ecosystem, name), {})[package_id] = name
        return iter(sorted(packages.items()))

    def _read_advisories(self, packages: Mapping[int, str], releases: Mapping[int | None, str]) -> Iterator[Advisory]:
        unaffected = self._list_unaffected(packages)
        affected: dict[int, list[AffectedRow]] = {}
        for package_id, vulnerability_id, system_id, blob in self._list_handles("affected_package_handles", packages):
            if system_id in releases and (vulnerability_id, system_id) not in unaffected:
                row = AffectedRow(releases[system_id], packages[package_id], self._decode(blob, PackageBlob))
                affected.setdefault(vulnerability_id, []).append(row)
        for vulnerability in self._list_vulnerabilities(affected):
            name = vulnerability.name
            try:
                yield build_advisory(vulnerability, affected[vulnerability.id], self._list_weaknesses(name))
            except (msgspec.DecodeError, UnreadableConstraintError, TypeError) as error:
                raise DatabaseError(f"{self._name}: {visible(name)} cannot be read: {visible(str(error))}") from error

    def _list_handles(self, table: str, packages: Iterable[int]) -> list[Any]:
        query = (
            "SELECT a.package_id, a.vulnerability_id, a.operating_system_id, b.value FROM json_each(?) j"  # noqa: S608 - constants
            f" JOIN {table} a ON a.package_id = j.value JOIN blobs b ON b.id = a.blob_id"
        )
        return self._query(query, (json.dumps(list(packages)),))

    def _list_unaffected(self, packages: Iterable[int]) -> set[tuple[int, int | None]]:
        """Return vulnerabilities and systems in which no version of the packages is affected.

        Statements about some versions are not used: a vulnerability is rather reported than hidden.
        """
        if "unaffected_package_handles" not in self._tables:
            return set()
        return {
            (vulnerability_id, system_id)
            for _, vulnerability_id, system_id, blob in self._list_handles("unaffected_package_handles", packages)
            if is_unconditional(self._decode(blob, PackageBlob))
        }

    def _find_flaws(self, names: Sequence[str]) -> list[int]:
        """Return the ids of the vulnerabilities with one of the names, or with one of them as an alias."""
        values = json.dumps(names)
        query = "SELECT v.id FROM json_each(?) j JOIN vulnerability_handles v ON v.name = j.value COLLATE NOCASE"
        if "vulnerability_aliases" not in self._tables:
            return [number for (number,) in self._query(query, (values,))]
        aliases = (
            "SELECT v.id FROM json_each(?) j JOIN vulnerability_aliases a ON a.alias = j.value COLLATE NOCASE"
            " JOIN vulnerability_handles v ON v.name = a.name COLLATE NOCASE"
        )
        return [number for (number,) in self._query(f"{query} UNION {aliases}", (values, values))]

    def _list_vulnerabilities(self, ids: Iterable[int]) -> Iterator[VulnerabilityRow]:
        rows = self._query(
            "SELECT v.id, v.name, v.status, v.published_date, v.modified_date, v.withdrawn_date, v.provider_id, b.value"
            " FROM json_each(?) j JOIN vulnerability_handles v ON v.id = j.value JOIN blobs b ON b.id = v.blob_id"
            " ORDER BY v.name, v.id",
            (json.dumps(list(ids)),),
        )
        try:
            return iter(msgspec.convert(rows, list[VulnerabilityRow]))
        except msgspec.ValidationError as error:
            raise DatabaseError(f"{self._name} is damaged: {visible(str(error))}") from error

    def _list_weaknesses(self, cve: str) -> list[str]:
        if "cwe_handles" not in self._tables:
            return []
        return [
            name for (name,) in self._query("SELECT DISTINCT cwe FROM cwe_handles WHERE cve = ? COLLATE NOCASE", (cve,))
        ]

    def _decode(self, blob: object, kind: type[_Blob]) -> _Blob:
        if not isinstance(blob, str) or len(blob) > _LONGEST_BLOB:
            raise DatabaseError(f"{self._name} is damaged: a blob is no text, or too large")
        try:
            return msgspec.json.decode(blob, type=kind)
        except (msgspec.DecodeError, RecursionError) as error:
            raise DatabaseError(f"{self._name} has a blob that cannot be read: {visible(str(error))}") from error

    def _query(self, statement: str, values: tuple[object, ...]) -> list[Any]:
        try:
            return self._connection.execute(statement, values).fetchall()
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise DatabaseError(f"{self._name} is damaged: {error}") from error


def _join(first: Advisory, second: Advisory) -> Advisory:
    """Return one advisory from those of two providers with the same id."""
    return msgspec.structs.replace(
        first,
        modified=max(first.modified, second.modified),
        withdrawn=first.withdrawn if second.withdrawn else "",
        aliases=tuple(dict.fromkeys((*first.aliases, *second.aliases))),
        upstream=tuple(dict.fromkeys((*first.upstream, *second.upstream))),
        details=first.details or second.details,
        severity=first.severity or second.severity,
        affected=(*first.affected, *second.affected),
        references=first.references or second.references,
    )


def _parse_time(text: object) -> dt.datetime | None:
    try:
        moment = dt.datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)
