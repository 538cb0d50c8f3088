"""Matching of packages with advisories: vulnerabilities with evidence, and the packages without an answer.

The rules are in docs/decisions/0035-matching.md. Never reports a package as free of vulnerabilities if it was not
compared.
"""

from __future__ import annotations

import collections
import datetime as dt
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.ecosystems.shared.registry import index_advisories, is_distribution_type
from kubekeep.images.sbom.identity import identify
from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.package import Distribution, Package
from kubekeep.model.vulnerability import NotAssessed, VexStatement, Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.aliases import extract_cve, group
from kubekeep.vulnerabilities.matching.evaluate import Context, Evaluation, evaluate, is_withdrawn
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.merge import Group, build_vulnerability, list_cves
from kubekeep.vulnerabilities.names import normalise_name
from kubekeep.vulnerabilities.queries import NoQuery, PackageQuery, build_queries
from kubekeep.vulnerabilities.severity.rating import rate_flaw
from kubekeep.vulnerabilities.source import AdvisorySource, SourceState

AdvisoryKey = tuple[str, str]
"""Ecosystem without a release, and normalised name."""

_DEBIAN_FOLDERS: Final = re.compile(
    r"/?usr/(?:lib/python3(?:\.\d+)?/dist-packages|share/python3-wheels|share/nodejs|lib/nodejs|share/npm"
    r"|share/rubygems-integration|share/maven-repo|share/java|share/perl5)/"
)
"""Folders that only packages of Debian and Ubuntu write; `pip` and `gem` write below /usr/local and /var/lib."""
_RED_HAT_FOLDERS: Final = re.compile(
    r"/?usr/(?:lib(?:64)?/python\d+(?:\.\d+)?/site-packages|share/(?:gems|java|maven-repo))/"
)
"""The same of the family of Red Hat, where `pip` writes below /usr/local."""
_RED_HAT_IDS: Final = frozenset(("almalinux", "amzn", "centos", "fedora", "ol", "rhel", "rocky"))


class AssessmentGap(msgspec.Struct, frozen=True):
    """The reason why a package has no answer. is_incomplete: as in NotAssessed."""

    ecosystem: str
    reason: str
    is_incomplete: bool


def match_packages(
    packages: Sequence[Package],
    distribution: Distribution,
    source: AdvisorySource,
    *,
    today: dt.date,
    platform: str = "",
    fixed_by_changelog: Mapping[str, frozenset[str]] | None = None,
    used_symbols: UsedSymbols | None = None,
) -> VulnerabilityReport:
    """Return the vulnerabilities of packages and the packages that were not assessed.

    packages: any subset of the packages of an image or SBOM. platform: of the image, as "linux/amd64".
    fixed_by_changelog: CVEs that the changelog of an installed package names as fixed, by the package's reference.
    """
    context = Context(today, complete_platform(platform, distribution), used_symbols)
    states = source.get_states()
    gaps: dict[AssessmentGap, list[Package]] = {}
    queries: list[tuple[Package, tuple[PackageQuery, ...]]] = []
    for package in packages:
        result = plan(package, distribution, states)
        if isinstance(result, AssessmentGap):
            gaps.setdefault(result, []).append(package)
        else:
            queries.append((package, result))
    advisories = fetch(queries, source)
    origins = {name: state.origin for name, state in states.items()}
    vulnerabilities: list[Vulnerability] = []
    for package, package_queries in queries:
        if gap := _find_unknown(package_queries, advisories):
            gaps.setdefault(gap, []).append(package)
            continue
        evaluations = evaluate_package(package, package_queries, advisories, context)
        if not evaluations:
            continue
        vulnerabilities += _build_vulnerabilities(package, evaluations, origins, context)
        for gap in _list_incomparable(evaluations):
            gaps.setdefault(gap, []).append(package)
    vulnerabilities = _add_signals(_add_ratings(vulnerabilities, source), source)
    if fixed_by_changelog:
        vulnerabilities = [_apply_changelog(entry, fixed_by_changelog) for entry in vulnerabilities]
    return VulnerabilityReport(tuple(sorted(vulnerabilities, key=_order)), _list_not_assessed(gaps))


def _find_unknown(
    queries: Iterable[PackageQuery], advisories: Mapping[AdvisoryKey, Sequence[Advisory]]
) -> AssessmentGap | None:
    """Return the reason if borrowed advisories do not name a package: they may have none about it at all."""
    for query in queries:
        keys = [(query.ecosystem, normalise_name(query.ecosystem, name.name)) for name in query.names]
        if query.is_borrowed and not any(key in advisories for key in keys):
            reason = f"no advisory of {query.ecosystem} is about {query.names[0].name}"
            return AssessmentGap(query.ecosystem, reason, is_incomplete=False)
    return None


def plan(
    package: Package, distribution: Distribution, states: Mapping[str, SourceState]
) -> tuple[PackageQuery, ...] | AssessmentGap:
    """Return the questions about a package that the source can answer, or the reason why there is none."""
    result = build_queries(package, distribution)
    if isinstance(result, NoQuery):
        return AssessmentGap(result.ecosystem, result.reason, result.is_incomplete)
    if _is_installed_by_distribution(package, distribution):
        return AssessmentGap(
            result[0].ecosystem, "a package of the distribution contains it and is assessed instead", False
        )
    for query in result:
        if query.is_optional:
            continue
        state = states.get(query.ecosystem)
        if state is not None and state.problem:
            return AssessmentGap(query.ecosystem, state.problem, not query.is_borrowed)
        label = query.release.label if query.release else query.ecosystem
        if state is None or (query.release and not any(map(query.release.applies, state.releases))):
            reason = f"the database has no advisories for {label}: {_advise(query)}"
            return AssessmentGap(query.ecosystem, reason, not query.is_borrowed)
    return tuple(query for query in result if query.ecosystem in states)


def fetch(
    queries: Iterable[tuple[Package, tuple[PackageQuery, ...]]], source: AdvisorySource
) -> dict[AdvisoryKey, list[Advisory]]:
    """Return the records by ecosystem and normalised name, each id once: the newest version of it."""
    names: dict[str, set[str]] = collections.defaultdict(set)
    for _, package_queries in queries:
        for query in package_queries:
            names[query.ecosystem].update([normalise_name(query.ecosystem, entry.name) for entry in query.names])
    advisories: dict[AdvisoryKey, list[Advisory]] = {}
    for ecosystem in sorted(names):
        for name, advisory in source.find_advisories(ecosystem, sorted(names[ecosystem])):
            advisories.setdefault((ecosystem, name), []).append(advisory)
    return {key: _keep_newest(records) for key, records in advisories.items()}


def evaluate_package(
    package: Package,
    queries: Iterable[PackageQuery],
    advisories: Mapping[AdvisoryKey, Sequence[Advisory]],
    context: Context,
) -> list[Evaluation]:
    """Return the evaluations of all records that name a package."""
    evaluations: list[Evaluation] = []
    for query in queries:
        records: dict[str, Advisory] = {}
        for name in query.names:
            for record in advisories.get((query.ecosystem, normalise_name(query.ecosystem, name.name)), ()):
                records.setdefault(f"{record.id} {record.modified} {id(record)}", record)
        for record in _keep_newest(list(records.values())):
            evaluations += evaluate(package, query, record, context)
    return evaluations


def _keep_newest(records: Sequence[Advisory]) -> list[Advisory]:
    """Return the newest version of each record; several of the same time are all kept unless they are equal."""
    if len(records) == 1:
        return list(records)
    newest: dict[str, str] = {}
    for record in records:
        newest[record.id] = max(newest.get(record.id, ""), record.modified)
    kept: list[Advisory] = []
    # Records of the same id and time need an order that does not depend on the source.
    is_ambiguous = len(newest) < len(records)
    for record in sorted(records, key=lambda entry: (entry.id, msgspec.json.encode(entry) if is_ambiguous else b"")):
        if record.modified == newest[record.id] and record not in kept[-5:]:
            kept.append(record)
    withdrawn = {record.id for record in kept if record.withdrawn}
    return [record for record in kept if record.withdrawn or record.id not in withdrawn]


def complete_platform(platform: str, distribution: Distribution) -> str:
    """Return the platform; the distributions with packages are all Linux."""
    return platform or ("linux/" if distribution.id else "")


def _advise(query: PackageQuery) -> str:
    """Return the next step for an ecosystem without data."""
    if not index_advisories()[query.ecosystem].is_in_osv:
        return "OSV has none; a database of Grype has them"
    name = f"'{query.ecosystem}'" if " " in query.ecosystem else query.ecosystem
    return f"run `kubekeep db update {name}`"


def _build_vulnerabilities(
    package: Package, evaluations: Sequence[Evaluation], origins: Mapping[str, str], context: Context
) -> Iterator[Vulnerability]:
    matches = [entry for entry in evaluations if entry.match]
    if not matches:
        return
    current = [entry.record for entry in evaluations if not is_withdrawn(entry.record, context.today)]
    # All current records, not only matches: one that does not apply may be the only link between two that do.
    indexes = group([entry.record for entry in matches], current)
    groups = [Group([matches[index] for index in part], [], []) for part in indexes]
    for part in groups:
        names = part.names
        part.others = [
            entry
            for entry in evaluations
            if (entry.is_outside or entry.is_excluded)
            and not names.isdisjoint((entry.record.id, *entry.record.aliases))
        ]
    for part in _drop_covered(groups):
        yield build_vulnerability(package, part, origins)


def _drop_covered(groups: Sequence[Group]) -> list[Group]:
    """Drop notices about several flaws that other records report one by one; they stay as evidence of each."""
    single = {name: part for part in groups if not part.upstream for name in part.names}
    kept = []
    for part in groups:
        covering = [single.get(name) for name in part.upstream]
        if not covering or None in covering or any(extract_cve(name) for name in part.names):
            kept.append(part)
            continue
        for other in covering:
            if other is not None:
                other.support += part.matches
    return kept


def _list_incomparable(evaluations: Iterable[Evaluation]) -> Iterator[AssessmentGap]:
    """Yield the reasons for comparisons that were not possible, once for each record that no other entry answers."""
    matched = {entry.record.id for entry in evaluations if entry.match}
    for entry in evaluations:
        if entry.is_incomparable and entry.record.id not in matched:
            yield AssessmentGap(
                entry.query.ecosystem, f"cannot be compared with {entry.record.id}: {entry.reason}", False
            )


def _add_ratings(vulnerabilities: Sequence[Vulnerability], source: AdvisorySource) -> list[Vulnerability]:
    """Rate vulnerabilities that their own records do not rate by other records about the same flaws."""
    names = {name for entry in vulnerabilities if not entry.rating.level for name in _list_flaws(entry)}
    records: dict[str, list[Advisory]] = {}
    for name, record in source.find_rated(sorted(names)) if names else ():
        records.setdefault(name, []).append(record)
    if not records:
        return list(vulnerabilities)
    return [entry if entry.rating.level else _add_rating(entry, records) for entry in vulnerabilities]


def _list_flaws(vulnerability: Vulnerability) -> tuple[str, ...]:
    return (vulnerability.id, *vulnerability.aliases, *vulnerability.upstream)


def _add_rating(vulnerability: Vulnerability, records: Mapping[str, Sequence[Advisory]]) -> Vulnerability:
    """Return the vulnerability with the rating of its flaw; of several upstream flaws, with the highest if all have one."""
    own = [record for name in (vulnerability.id, *vulnerability.aliases) for record in records.get(name, ())]
    ratings = [rate_flaw(own)]
    if not ratings[0].level and vulnerability.upstream:
        ratings = [rate_flaw(records.get(name, ())) for name in vulnerability.upstream]
    if not all(rating.level for rating in ratings):
        return vulnerability
    rating = max(ratings, key=lambda rating: (rating.level, rating.score or 0.0))
    return msgspec.structs.replace(vulnerability, rating=rating)


def _add_signals(vulnerabilities: Sequence[Vulnerability], source: AdvisorySource) -> list[Vulnerability]:
    cves = {cve for entry in vulnerabilities for cve in list_cves(entry)}
    signals = source.get_signals(sorted(cves)) if cves else {}
    if not signals:
        return list(vulnerabilities)
    return [_add_signal(entry, signals) for entry in vulnerabilities]


def _add_signal(vulnerability: Vulnerability, signals: Mapping[str, ExploitSignal]) -> Vulnerability:
    """Return the vulnerability with the strongest facts of its CVEs."""
    own = [signals[cve] for cve in list_cves(vulnerability) if cve in signals]
    if not own:
        return vulnerability
    likely = max(own, key=lambda signal: signal.epss if signal.epss is not None else -1.0)
    signal = ExploitSignal(
        min((entry.known_exploited for entry in own if entry.known_exploited), default=""),
        any(entry.ransomware for entry in own),
        likely.epss,
        likely.percentile,
    )
    return msgspec.structs.replace(vulnerability, signal=signal)


def _apply_changelog(vulnerability: Vulnerability, fixed: Mapping[str, frozenset[str]]) -> Vulnerability:
    """Mark a vulnerability as fixed if the changelog of the installed package names all its CVEs."""
    named = fixed.get(identify(vulnerability.package), frozenset())
    cves = set(list_cves(vulnerability))
    if cves.isdisjoint(named):
        return vulnerability
    version = vulnerability.package.source.version if vulnerability.package.source else vulnerability.package.version
    note = f"the changelog of the installed version {version} names {', '.join(sorted(cves & named))} as fixed"
    notes = (*vulnerability.notes, note)
    if not cves <= named or vulnerability.vex is not None:
        return msgspec.structs.replace(vulnerability, notes=notes)
    statement = VexStatement("fixed", text=note, origin="Debian changelog")
    return msgspec.structs.replace(vulnerability, notes=notes, vex=statement)


def _order(vulnerability: Vulnerability) -> tuple[int, bool, float, str, str, str]:
    """Return the key of the order: the most severe first, then by package and id."""
    rating = vulnerability.rating
    return (
        -rating.level,
        not vulnerability.signal.known_exploited,
        -(rating.score or 0.0),
        vulnerability.package.name,
        identify(vulnerability.package),
        vulnerability.id,
    )


def _list_not_assessed(gaps: Mapping[AssessmentGap, Sequence[Package]]) -> tuple[NotAssessed, ...]:
    return tuple(
        NotAssessed(gap.ecosystem, gap.reason, tuple(sorted(packages, key=identify)), gap.is_incomplete)
        for gap, packages in sorted(
            gaps.items(), key=lambda pair: (not pair[0].is_incomplete, pair[0].ecosystem, pair[0].reason)
        )
    )


def _is_installed_by_distribution(package: Package, distribution: Distribution) -> bool:
    """Return True if all files that prove a package of a language are in folders of the package manager.

    SBOMs of other tools list such packages twice: as a package of the distribution with backported fixes, and as a
    package of the language, whose version does not show them.
    """
    # Packages with evidence were read from an image by ourselves, with the list of owned files.
    if package.evidence or is_distribution_type(package.type) or not package.locations or not distribution.id:
        return False
    if distribution.id in ("debian", "ubuntu") or "debian" in distribution.id_like:
        folders = _DEBIAN_FOLDERS
    elif distribution.id in _RED_HAT_IDS:
        folders = _RED_HAT_FOLDERS
    else:
        return False
    return all(folders.match(location.path) for location in package.locations)
