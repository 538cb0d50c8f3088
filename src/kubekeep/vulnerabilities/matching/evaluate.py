"""Comparison of a package with one advisory record, with the reason if the record does not apply. No I/O."""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec
from msgspec.structs import replace

from kubekeep.ecosystems.shared.ecosystem import QueryName
from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.images.package_url import parse_package_url
from kubekeep.model.package import Package
from kubekeep.model.vulnerability import MatchedRecord
from kubekeep.vulnerabilities.advisory import Advisory, AffectedVersions, VersionRange
from kubekeep.vulnerabilities.aliases import list_upstream
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols, explain_imports
from kubekeep.vulnerabilities.matching.modules import explain_flavour, explain_module
from kubekeep.vulnerabilities.names import is_same_name, normalise_name
from kubekeep.vulnerabilities.queries import PackageQuery
from kubekeep.vulnerabilities.ranges import IncomparableVersion, RangeMatch, match_range
from kubekeep.vulnerabilities.versions.registry import get_scheme


class Context(msgspec.Struct, frozen=True):
    """Facts about the image or SBOM that decide if a record applies. platform: as "linux/amd64"; parts may be empty."""

    today: dt.date
    platform: str = ""
    used_symbols: UsedSymbols | None = None


class Evaluation(msgspec.Struct, frozen=True):
    """A package and one entry of a record.

    version: the compared one. match: the range that contains the version; None if the record does not apply.
    reason: why it does not apply, or the text of a comparison that was not possible.
    is_incomparable: the version may be affected. is_outside: the version is not affected.
    is_excluded: the vulnerable code is not in the package although its version is affected.
    """

    record: Advisory
    affected: AffectedVersions
    query: PackageQuery
    name: QueryName
    version: str
    match: RangeMatch | None = None
    reason: str = ""
    is_incomparable: bool = False
    is_outside: bool = False
    is_excluded: bool = False

    @property
    def scheme_name(self) -> str:
        """The name of the order of versions."""
        scheme = get_scheme(self.query.ecosystem)
        return scheme.name if scheme else ""

    @property
    def upstream(self) -> tuple[str, ...]:
        """The flaws that the record is about, apart from its own names."""
        return list_upstream(self.record, is_distribution=self.query.release is not None)

    def describe(self, origin: str = "") -> MatchedRecord:
        """Return the values for people and reports."""
        return MatchedRecord(
            self.record.id,
            self.affected.package.ecosystem or self.query.ecosystem,
            self.affected.package.name or self.name.name,
            self.version,
            range=self.match.range if self.match else "",
            scheme=self.scheme_name,
            fixed_version=self.match.fixed_version if self.match else "",
            reason=self.reason,
            origin=origin,
            is_incomparable=self.is_incomparable,
        )


_REVISION: Final = re.compile(r"-[1-9]\d{0,5}$")
"""Number of the build of Bitnami's package after the version of the application."""
_ESM: Final = re.compile(r"[+~]esm\d*")
_FIPS: Final = re.compile(r"[+~.]fips", re.IGNORECASE)


def evaluate(package: Package, query: PackageQuery, record: Advisory, context: Context) -> tuple[Evaluation, ...]:
    """Return one evaluation for each entry of the record that names the package; none if none does."""
    entries = list(_list_entries(package, query, record))
    if not entries:
        return ()
    if is_withdrawn(record, context.today):
        return tuple(replace(entry, reason=f"withdrawn on {record.withdrawn[:10]}") for entry in entries)
    reasons = [_explain_other(package, entry) for entry in entries]
    applicable = [entry for entry, reason in zip(entries, reasons, strict=True) if not reason]
    chosen = _choose_entries(query, applicable)
    return tuple(
        replace(entry, reason=reason)
        if reason
        else _compare(package, entry, context)
        if entry in chosen
        else replace(entry, reason=_explain_choice(chosen))
        for entry, reason in zip(entries, reasons, strict=True)
    )


def is_withdrawn(record: Advisory, today: dt.date) -> bool:
    """Return True if the record was withdrawn; a time in the future has no effect yet."""
    return bool(record.withdrawn) and record.withdrawn[:10] <= today.isoformat()


def _list_entries(package: Package, query: PackageQuery, record: Advisory) -> Iterator[Evaluation]:
    names = {normalise_name(query.ecosystem, name.name): name for name in reversed(query.names)}
    for affected in record.affected:
        ecosystem, name = affected.package.ecosystem, affected.package.name
        if not name and affected.package.purl:
            ecosystem, name = _read_purl(package, query, affected.package.purl)
        if ecosystem.partition(":")[0] != query.ecosystem:
            continue
        candidate = names.get(normalise_name(query.ecosystem, name))
        if candidate is not None and is_same_name(query.ecosystem, name, candidate.name):
            yield Evaluation(record, affected, query, candidate, candidate.version)


def _read_purl(package: Package, query: PackageQuery, text: str) -> tuple[str, str]:
    """Return ecosystem and name of a record that has only a package URL; empty if it is of another package."""
    named = _parse_purl(text)
    if named is None or (named.type, named.namespace) != (package.type, package.namespace):
        return "", ""
    if is_distribution_type(package.type):
        return query.ecosystem, named.name
    return (query.ecosystem, query.names[0].name) if named.name == package.name else ("", "")


@functools.lru_cache(maxsize=4096)
def _parse_purl(text: str) -> Package | None:
    try:
        return parse_package_url(text)
    except ValueError:
        # Records are input; one with a damaged package URL still has ecosystem and name.
        return None


def _explain_other(package: Package, entry: Evaluation) -> str:
    """Return the reason why an entry is about another release, module, architecture or package."""
    release = entry.query.release
    if release is None:
        return ""
    ecosystem = entry.affected.package.ecosystem or entry.query.ecosystem
    if not release.applies(ecosystem):
        return f"the record is about {ecosystem}, and the package is of {release.label}"
    reason = _explain_purl(package, entry.affected, entry.name) or _explain_architecture(package, entry.affected)
    if not reason and package.type == "rpm":
        reason = explain_module(package, entry.version, entry.record, entry.affected)
        if not reason and entry.query.ecosystem == "Oracle Linux":
            reason = explain_flavour(entry.version, entry.affected)
    return reason


def _explain_purl(package: Package, affected: AffectedVersions, name: QueryName) -> str:
    """Return the reason why the package URL of an entry names another package of a distribution."""
    named = _parse_purl(affected.package.purl) if affected.package.purl else None
    if named is None:
        return ""
    if named.type != package.type:
        return f"the record is about a package of the type {named.type}"
    architecture = dict(named.qualifiers).get("arch", "")
    if architecture in ("source", "src"):
        is_source = name.is_source or package.source is None or package.source.name == package.name
        return "" if is_source else f"the record is about the source package {named.name}"
    return _compare_architectures(package, [architecture])


def _explain_architecture(package: Package, affected: AffectedVersions) -> str:
    stated = (affected.ecosystem_specific or {}).get("architecture")
    names = [stated] if isinstance(stated, str) else stated if isinstance(stated, list) else []
    return _compare_architectures(package, [name for name in names if isinstance(name, str)])


def _compare_architectures(package: Package, names: Sequence[str]) -> str:
    actual = dict(package.qualifiers).get("arch", "")
    # Packages without code of a machine are built once for all architectures.
    independent = ("", "all", "any", "noarch")
    if not names or actual in independent or any(name in independent or name == actual for name in names):
        return ""
    return f"the record is about the architecture {' or '.join(names)}, and the package is of {actual}"


def _choose_entries(query: PackageQuery, entries: Sequence[Evaluation]) -> Sequence[Evaluation]:
    """Return the entries that count: those with the first name, and of Ubuntu those of the right service."""
    if not entries or query.release is None:
        return entries
    first = next(name for name in query.names if any(entry.name == name for entry in entries))
    named = [entry for entry in entries if entry.name == first]
    return _choose_services(named, first) if query.ecosystem == "Ubuntu" else named


def _choose_services(entries: Sequence[Evaluation], name: QueryName) -> Sequence[Evaluation]:
    """Return the entries of the service of Ubuntu that the version comes from.

    A package without a mark of Ubuntu Pro is compared with the record of Pro only if the record has no other: it is
    affected, and the fix needs a subscription.
    """
    services: dict[str, list[Evaluation]] = {}
    for entry in entries:
        services.setdefault(read_service(entry.affected.package.ecosystem), []).append(entry)
    if _FIPS.search(name.version):
        order: tuple[str, ...] = ("fips-updates", "fips", "fips-preview", "pro", "")
    elif "realtime" in name.name:
        order = ("realtime", "pro", "")
    elif _ESM.search(name.version):
        order = ("pro", "")
    else:
        order = ("", "pro")
    return next((services[service] for service in order if service in services), [])


def read_service(ecosystem: str) -> str:
    """Return "", "pro", "realtime" or the name of a FIPS service for an ecosystem of Ubuntu."""
    parts = ecosystem.lower().split(":")
    if "pro" not in parts:
        return ""
    if "realtime" in parts:
        return "realtime"
    return next((part for part in parts if part.startswith("fips")), "pro")


def _explain_choice(chosen: Sequence[Evaluation]) -> str:
    if not chosen:
        return "the record is about a service of Ubuntu Pro that the package is not of"
    package = chosen[0].affected.package
    return f"another entry of the record counts: {package.name} of {package.ecosystem}"


def _compare(package: Package, entry: Evaluation, context: Context) -> Evaluation:
    affected, query = entry.affected, entry.query
    version = entry.version if entry.name.has_epoch else _add_epoch(entry.version, affected)
    if query.ecosystem == "Bitnami" and not _names_revisions(affected):
        version = _REVISION.sub("", version)
    entry = replace(entry, version=version)
    result = _match(affected, version, query)
    if isinstance(result, IncomparableVersion):
        return replace(entry, reason=result.reason, is_incomparable=True)
    if result is None:
        reason = f"{version} is not in the affected range: {describe_ranges(affected)}"
        return replace(entry, reason=reason, is_outside=True)
    if query.ecosystem == "Go":
        excluded = explain_imports(affected, package, context.platform, context.used_symbols)
        if excluded:
            return replace(entry, reason=excluded, is_excluded=True)
    return replace(entry, match=result)


def _match(affected: AffectedVersions, version: str, query: PackageQuery) -> RangeMatch | IncomparableVersion | None:
    scheme = get_scheme(affected.package.ecosystem or query.ecosystem)
    if scheme is None:
        return IncomparableVersion(f"no order of versions is known for {query.ecosystem}")
    return match_range(affected, version, scheme)


def _names_revisions(affected: AffectedVersions) -> bool:
    """Return True if an entry names builds of Bitnami's package, not only versions of the application."""
    texts = [text for entry in affected.ranges for event in entry.events for text in (event.fixed, event.last_affected)]
    return any(map(_REVISION.search, (*texts, *affected.versions)))


def _add_epoch(version: str, affected: AffectedVersions) -> str:
    """Return the version with the epoch of the record: the file name of a source package does not contain it."""
    for entry in affected.ranges:
        for event in entry.events:
            epoch, colon, _ = (event.fixed or event.last_affected).partition(":")
            if colon and epoch.isdigit():
                return f"{epoch}:{version}"
    return version


def describe_ranges(affected: AffectedVersions) -> str:
    """Return the ranges of an entry as the record has them."""
    parts = [_describe_range(entry) for entry in affected.ranges if entry.type != "GIT"]
    if affected.versions:
        count = len(affected.versions)
        parts.append(f"{count} listed version{'s' if count > 1 else ''}")
    return "; ".join(part for part in parts if part) or "none"


def _describe_range(entry: VersionRange) -> str:
    texts = []
    for event in entry.events:
        for key in ("introduced", "fixed", "last_affected", "limit"):
            value = getattr(event, key)
            if value:
                texts.append(f"{key} {value}")
    return ", ".join(texts)
