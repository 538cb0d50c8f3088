"""Packages, records and sources for tests of matching, in a short notation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from kubekeep.images.foreign_packages import normalise_package
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import NO_DISTRIBUTION, Distribution, Package, SourcePackage
from kubekeep.model.vulnerability import VulnerabilityReport
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database.records import store_record
from kubekeep.vulnerabilities.matching import match_packages
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.source import SourceState

TODAY = dt.date(2026, 6, 1)


class ListedSource(msgspec.Struct):
    """A source of records in memory. `extra`: ecosystems with release that it has without records."""

    records: Sequence[Advisory]
    signals: Mapping[str, ExploitSignal] = {}
    extra: Sequence[str] = ()

    def get_states(self) -> dict[str, SourceState]:
        """Return the ecosystems that the records name."""
        names = {entry.package.ecosystem for record in self.records for entry in record.affected} | set(self.extra)
        states: dict[str, set[str]] = {}
        for name in names:
            states.setdefault(name.partition(":")[0], set()).add(name)
        return {name: SourceState(name, frozenset(releases), origin="test") for name, releases in states.items()}

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield the records that name one of the packages."""
        requested = set(names)
        for record in self.records:
            keys = {
                normalise_name(ecosystem, entry.package.name)
                for entry in record.affected
                if entry.package.ecosystem.partition(":")[0] == ecosystem
            }
            for name in sorted(keys & requested):
                yield name, record

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield the records that rate the flaw with one of the names."""
        requested = set(names)
        for record in self.records:
            stored = store_record(record)
            yield from ((name, record) for name in sorted(stored.rated & requested))

    def get_signals(self, cves: Iterable[str]) -> dict[str, ExploitSignal]:
        """Return the signals of the CVEs."""
        return {cve: self.signals[cve] for cve in cves if cve in self.signals}


def build_package(text: str) -> Package:
    """Return the package of `PURL` or `PURL from SOURCE@VERSION`, as an SBOM of another tool would have it."""
    purl, _, source = text.partition(" from ")
    package = normalise_package(parse_package_url(purl))
    if source:
        name, _, version = source.partition("@")
        package = msgspec.structs.replace(package, source=SourcePackage(name, version))
    return package


def build_record(text: str, **fields: Any) -> Advisory:
    """Return the record of `ID: ECOSYSTEM NAME RANGE [& ECOSYSTEM NAME RANGE]`; spaces in an ecosystem are `~`.

    RANGE: `<2`, `>=1,<2`, `<=2`, `>=1`, `all`, `=1,2` (listed versions), or several separated by `|`.
    """
    identifier, _, rest = text.partition(": ")
    affected = [_build_affected(part.strip()) for part in rest.split("&")]
    document = {"id": identifier, "modified": "2026-01-01T00:00:00Z", "affected": affected, **fields}
    return msgspec.convert(document, Advisory)


def _build_affected(text: str) -> dict[str, Any]:
    ecosystem, name, *rest = text.split(" ")
    affected: dict[str, Any] = {"package": {"ecosystem": ecosystem.replace("~", " "), "name": name}}
    ranges = []
    for part in rest[0].split("|"):
        if part.startswith("="):
            affected["versions"] = part[1:].split(",")
        else:
            kind = "SEMVER" if ecosystem in ("Go", "npm", "crates.io", "Bitnami", "Hex") else "ECOSYSTEM"
            ranges.append({"type": kind, "events": list(_build_events(part))})
    return {**affected, "ranges": ranges}


def _build_events(text: str) -> Iterator[dict[str, str]]:
    parts = [] if text == "all" else text.split(",")
    if not any(part.startswith(">=") for part in parts):
        yield {"introduced": "0"}
    for part in parts:
        for sign, key in ((">=", "introduced"), ("<=", "last_affected"), ("<", "fixed")):
            if part.startswith(sign):
                yield {key: part.removeprefix(sign)}
                break


def scan(
    packages: str | Sequence[str],
    records: Sequence[Advisory] | Advisory,
    distribution: Distribution = NO_DISTRIBUTION,
    **arguments: Any,
) -> VulnerabilityReport:
    """Return the report of packages in the notation of `build_package`."""
    texts = [packages] if isinstance(packages, str) else packages
    listed = [records] if isinstance(records, Advisory) else records
    source = ListedSource(listed, arguments.pop("signals", {}), arguments.pop("extra", ()))
    return match_packages([build_package(text) for text in texts], distribution, source, today=TODAY, **arguments)


def summarise(report: VulnerabilityReport) -> str:
    """Return `ID FIX` of each vulnerability, or the reasons for packages without an answer, or `none`."""
    lines = [f"{entry.id} {entry.fixed_version}".strip() for entry in report.vulnerabilities]
    if not lines:
        lines = [f"? {entry.reason}" for entry in report.not_assessed]
    return "; ".join(lines) or "none"
