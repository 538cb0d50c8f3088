"""One vulnerability from the records about the same flaw in a package: id, rating, fix, texts. No I/O.

Contradictions never hide a vulnerability: one record that applies is enough, and notes name the records that disagree.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.model.package import Package, convert_source_version
from kubekeep.model.vulnerability import FixState, VexStatement, Vulnerability
from kubekeep.vulnerabilities.aliases import choose_id, is_cve, list_equal_names
from kubekeep.vulnerabilities.matching.evaluate import Evaluation, read_service
from kubekeep.vulnerabilities.matching.go_imports import list_symbols
from kubekeep.vulnerabilities.ranges import match_range
from kubekeep.vulnerabilities.severity.rating import choose_rating, list_invalid_vectors, read_urgency
from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError

MAX_REFERENCES: Final = 100
_CURATED: Final = ("GHSA-", "GO-", "PYSEC-", "RUSTSEC-")
"""Databases whose texts and ratings come first for packages of languages."""
_STATES: Final = {
    "fixed": FixState.FIXED,
    "not-fixed": FixState.NOT_FIXED,
    "wont-fix": FixState.WILL_NOT_FIX,
    "will-not-fix": FixState.WILL_NOT_FIX,
    "unknown": FixState.UNKNOWN,
}
_NOT_PLANNED: Final = {
    "unimportant": "Debian rates it as unimportant",
    "end-of-life": "the package is no longer supported in this release",
}


class Group(msgspec.Struct):
    """The evaluations of the records about one flaw.

    matches: of records that apply. others: of records that do not, although their version range is about the package.
    support: of records about several flaws, all of which other records report, too.
    """

    matches: list[Evaluation]
    others: list[Evaluation] = []
    support: list[Evaluation] = []

    @property
    def names(self) -> set[str]:
        """All identifiers of the flaw."""
        return set().union(*(list_equal_names(entry.record) for entry in self.matches))

    @property
    def upstream(self) -> tuple[str, ...]:
        """The flaws that the records are about, apart from their own names."""
        names = dict.fromkeys(name for entry in self.matches for name in entry.upstream)
        own = self.names
        return tuple(sorted(name for name in names if name not in own))


def build_vulnerability(package: Package, group: Group, origins: Mapping[str, str]) -> Vulnerability:
    """Return the vulnerability of a group without signals and changelogs. origins: by ecosystem."""
    matches = sorted(group.matches, key=functools.partial(_rank, package))
    records = list(dict.fromkeys(entry.record.id for entry in matches))
    rated = [(entry.record, entry.affected) for entry in matches]
    names = group.names
    identifier = choose_id(names, records)
    fix, fix_notes = _choose_fix(package, matches, group.support)
    return Vulnerability(
        id=identifier,
        package=package,
        rating=choose_rating(rated),
        aliases=tuple(sorted(names - {identifier})),
        upstream=group.upstream,
        summary=_choose_first(entry.record.summary for entry in matches),
        details=_choose_first(entry.record.details for entry in matches),
        fixed_version=fix.version,
        fixed_source=fix.source,
        source_fix=fix.source_version,
        fix_state=_choose_state(matches, fix.version),
        references=_list_references(matches),
        weaknesses=_list_weaknesses(matches),
        published=min((entry.record.published for entry in matches if _is_time(entry.record.published)), default=""),
        modified=max((entry.record.modified for entry in matches if _is_time(entry.record.modified)), default=""),
        symbols=tuple(dict.fromkeys(symbol for entry in matches for symbol in list_symbols(entry.affected))),
        notes=tuple(dict.fromkeys((*fix_notes, *_list_notes(package, matches, group), *list_invalid_vectors(rated)))),
        records=tuple(
            dict.fromkeys(
                entry.describe(origins.get(entry.query.ecosystem, "")) for entry in (*matches, *group.support)
            )
        ),
        vex=_find_exclusion(group),
    )


def _rank(package: Package, entry: Evaluation) -> tuple[int, str, str]:
    """Return the preference of a record: curated databases of languages, else by id."""
    if is_distribution_type(package.type):
        # A record about one flaw has its rating and text; a notice about several has those of the worst.
        return len(entry.upstream), entry.record.id, entry.affected.package.ecosystem
    rank = next((index for index, prefix in enumerate(_CURATED) if entry.record.id.startswith(prefix)), len(_CURATED))
    return rank, entry.record.id, entry.affected.package.ecosystem


def _choose_first(texts: Iterable[str]) -> str:
    return next((text for text in texts if text), "")


def _is_time(text: str) -> bool:
    """Return True for a time that is not the zero value of Go, which vulndb writes for unknown times."""
    return bool(text) and not text.startswith("0001-")


def _list_references(matches: Sequence[Evaluation]) -> tuple[str, ...]:
    urls = dict.fromkeys(reference.url for entry in matches for reference in entry.record.references if reference.url)
    return tuple(urls)[:MAX_REFERENCES]


def _list_weaknesses(matches: Sequence[Evaluation]) -> tuple[str, ...]:
    weaknesses: dict[str, None] = {}
    for entry in matches:
        for values in (entry.record.database_specific, entry.affected.database_specific):
            for key in ("cwe_ids", "cwes", "cwe"):
                weaknesses.update(dict.fromkeys(_read_weaknesses((values or {}).get(key))))
    return tuple(sorted(weaknesses))


def _read_weaknesses(value: Any) -> list[str]:
    if not isinstance(value, list):
        return []
    texts = [entry.get("cweId") if isinstance(entry, dict) else entry for entry in value]
    return [text for text in texts if isinstance(text, str) and text.startswith("CWE-")]


class _FixedVersion(NamedTuple):
    """A fixed version: of the package, or of the source package `source`. source_version: if records name the source."""

    version: str = ""
    source: str = ""
    source_version: str = ""


def _choose_fix(
    package: Package, matches: Sequence[Evaluation], support: Sequence[Evaluation]
) -> tuple[_FixedVersion, tuple[str, ...]]:
    """Return the smallest version above the installed one that fixes all records, and notes about those without a fix."""
    fixable = [entry for entry in matches if entry.match and entry.match.fixed_version]
    notes: list[str] = []
    if not fixable:
        fixable = [entry for entry in support if entry.match and entry.match.fixed_version]
        if not fixable:
            return _FixedVersion(), _describe_last(matches)
    else:
        notes += [
            f"{entry.record.id} names no fixed version"
            for entry in matches
            if entry.match and not entry.match.fixed_version and not entry.match.last_affected
        ]
    first = fixable[0]
    comparable = [entry for entry in fixable if entry.name.is_source == first.name.is_source]
    version = _find_common_fix(comparable, matches)
    installed = _get_installed_version(package)
    if not first.name.is_source or first.name.version == installed:
        return _FixedVersion(_spell(package, version)), tuple(notes)
    own = convert_source_version(installed, first.name.version, version)
    if own and _is_newer(own, installed, first.query.ecosystem):
        return _FixedVersion(own, source_version=version), tuple(notes)
    return _FixedVersion(version, first.name.name, version), tuple(notes)


def _get_installed_version(package: Package) -> str:
    """Return the version with the epoch, which the package URL of an rpm has apart from it."""
    epoch = dict(package.qualifiers).get("epoch", "") if package.type == "rpm" else ""
    return f"{epoch}:{package.version}" if epoch else package.version


def _is_newer(version: str, installed: str, ecosystem: str) -> bool:
    """Return True unless the version is at or below the installed one by the scheme of the ecosystem."""
    scheme = get_scheme(ecosystem)
    try:
        return scheme is None or scheme.key(version) > scheme.key(installed)
    except InvalidVersionError:
        return False


def _find_common_fix(fixable: Sequence[Evaluation], matches: Sequence[Evaluation]) -> str:
    """Return the smallest of the fixed versions that no record with a fix or an end lists as affected."""
    nearest = list(dict.fromkeys(entry.match.fixed_version for entry in fixable if entry.match))
    scheme = get_scheme(fixable[0].query.ecosystem)
    if len(nearest) == 1 or scheme is None:
        return nearest[0]
    lowest = _sort(nearest, scheme)[:1]
    candidates = _sort(dict.fromkeys((*nearest, *_list_fixes(fixable))), scheme)
    if lowest:
        # Fixes below the nearest one are of branches that are below the installed version.
        candidates = candidates[candidates.index(lowest[0]) :]
    bounded = [entry for entry in matches if entry.match and (entry.match.fixed_version or entry.match.last_affected)]
    for candidate in candidates:
        if all(match_range(entry.affected, candidate, scheme) is None for entry in bounded):
            return candidate
    known = [version for version in candidates if version in nearest]
    return known[-1] if known else nearest[0]


def _list_fixes(entries: Sequence[Evaluation]) -> Iterator[str]:
    for entry in entries:
        for versions in entry.affected.ranges:
            if versions.type != "GIT":
                yield from (event.fixed for event in versions.events if event.fixed)


def _sort(versions: Iterable[str], scheme: Any) -> list[str]:
    """Return the versions in order, without those that the scheme cannot order."""
    keyed = []
    for version in versions:
        try:
            keyed.append((scheme.key(version), version))
        except InvalidVersionError:
            continue
    return [version for _, version in sorted(keyed, key=lambda pair: pair[0])]


def _describe_last(matches: Sequence[Evaluation]) -> tuple[str, ...]:
    last = dict.fromkeys(entry.match.last_affected for entry in matches if entry.match and entry.match.last_affected)
    return tuple(f"the last affected version is {version}; no record names a fixed one" for version in last)


def _spell(package: Package, version: str) -> str:
    """Return a version as packages of the type have it: modules of Go begin with `v`."""
    if package.type == "golang":
        for prefix in ("go", "v"):
            if package.version.startswith(prefix) and not version.startswith(prefix):
                return prefix + version
    return version


def _choose_state(matches: Sequence[Evaluation], fixed_version: str) -> FixState:
    if fixed_version:
        return FixState.FIXED
    for entry in matches:
        for values in (entry.affected.ecosystem_specific, entry.affected.database_specific):
            stated = (values or {}).get("fix_state")
            state = _STATES.get(stated) if isinstance(stated, str) else None
            if state is not None:
                return state
        if read_urgency(entry.affected) in _NOT_PLANNED:
            return FixState.WILL_NOT_FIX
    if any(entry.match and entry.match.last_affected for entry in matches):
        return FixState.UNKNOWN
    if all(entry.match and entry.match.range.startswith("listed version") for entry in matches):
        return FixState.UNKNOWN
    return FixState.NOT_FIXED


def _list_notes(package: Package, matches: Sequence[Evaluation], group: Group) -> list[str]:
    notes = []
    for entry in matches:
        planned = _NOT_PLANNED.get(read_urgency(entry.affected))
        if planned:
            notes.append(f"{entry.record.id}: {planned}")
        informational = (entry.affected.database_specific or {}).get("informational")
        if isinstance(informational, str) and informational:
            notes.append(f"{entry.record.id} is informational: {informational}")
        if entry.query.ecosystem == "Ubuntu" and read_service(entry.affected.package.ecosystem):
            notes.append("the fix needs a subscription to Ubuntu Pro")
    if package.name in ("linux-libc-dev", "linux-headers", "kernel-headers", "linux-glibc-devel"):
        notes.append("the package has only header files of the kernel")
    notes += [
        f"{entry.record.id} disagrees: {entry.reason}" for entry in group.others if not _is_same_record(entry, matches)
    ]
    return notes


def _is_same_record(entry: Evaluation, matches: Sequence[Evaluation]) -> bool:
    return any(match.record.id == entry.record.id for match in matches)


def _find_exclusion(group: Group) -> VexStatement | None:
    """Return a statement if the curated record of Go says that the vulnerable code is not in the executable."""
    for entry in group.others:
        if entry.is_excluded and not _is_same_record(entry, group.matches):
            return VexStatement(
                "not_affected",
                "vulnerable_code_not_present",
                text=entry.reason,
                origin=f"import paths of {entry.record.id}",
            )
    return None


def list_cves(vulnerability: Vulnerability) -> tuple[str, ...]:
    """Return all CVEs of a vulnerability."""
    return tuple(name for name in (vulnerability.id, *vulnerability.aliases, *vulnerability.upstream) if is_cve(name))
