"""Upgrade advice: the upgrades of packages that remove most vulnerabilities, and the comparison of base images. No I/O.

Vulnerabilities that a VEX statement suppresses need no upgrade and are left out. Never claims that a base image without a
complete assessment has fewer vulnerabilities.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

import msgspec

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.model.package import Package, qualify_name
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError, VersionScheme


class Weight(msgspec.Struct, frozen=True, order=True):
    """Numbers of different vulnerabilities by urgency; of two weights, the one with more urgent ones is greater."""

    known_exploited: int = 0
    critical: int = 0
    high: int = 0
    medium: int = 0
    others: int = 0

    @property
    def count(self) -> int:
        """Number of different vulnerabilities."""
        return self.critical + self.high + self.medium + self.others


class Upgrade(msgspec.Struct, frozen=True, kw_only=True):
    """An upgrade of the packages that are built from one source, or of one package.

    name: of the source package, or of the package with its namespace. version: the installed one of it. fixed_version: the
    smallest version that fixes all of `removed`. remaining: vulnerabilities of the packages that no version fixes.
    unordered: fixed versions that could not be compared with fixed_version; one of them may be needed instead.
    """

    name: str
    version: str
    fixed_version: str
    packages: tuple[Package, ...]
    removed: tuple[Vulnerability, ...]
    remaining: tuple[Vulnerability, ...] = ()
    unordered: tuple[str, ...] = ()

    @property
    def weight(self) -> Weight:
        """Weight of the removed vulnerabilities."""
        return weigh(self.removed)

    @property
    def severity(self) -> Severity:
        """Severity of the most severe removed vulnerability."""
        return max(vulnerability.rating.level for vulnerability in self.removed)


class BaseCandidate(msgspec.Struct, frozen=True, kw_only=True):
    """A possible base image, compared with the present one.

    removed: vulnerabilities of the present base that it does not have. remaining: those that it has too. added: others
    that it has. not_assessed: number of its packages without an answer; the comparison is then incomplete.
    """

    name: str
    removed: tuple[Vulnerability, ...]
    remaining: tuple[Vulnerability, ...]
    added: tuple[Vulnerability, ...]
    not_assessed: int = 0

    @property
    def weight(self) -> Weight:
        """Weight of the vulnerabilities with this base."""
        return weigh((*self.remaining, *self.added))

    @property
    def improves(self) -> bool:
        """True if the base surely has fewer or less urgent vulnerabilities than the present one."""
        return not self.not_assessed and self.weight < weigh((*self.removed, *self.remaining))


class BaseAdvice(msgspec.Struct, frozen=True, kw_only=True):
    """The vulnerabilities of an image by origin. candidates: other base images, the best first.

    base: of packages in layers of the base image only. own: of all others, which a newer base does not remove.
    """

    base: tuple[Vulnerability, ...]
    own: tuple[Vulnerability, ...]
    candidates: tuple[BaseCandidate, ...] = ()


def weigh(vulnerabilities: Iterable[Vulnerability]) -> Weight:
    """Count different vulnerabilities by urgency; one of several packages counts once, with its highest severity."""
    levels: dict[str, Severity] = {}
    exploited = set()
    for vulnerability in vulnerabilities:
        level = vulnerability.rating.level
        levels[vulnerability.id] = max(level, levels.get(vulnerability.id, level))
        if vulnerability.signal.known_exploited:
            exploited.add(vulnerability.id)
    values = list(levels.values())
    counts = [values.count(level) for level in (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM)]
    critical, high, medium = counts
    return Weight(len(exploited), critical, high, medium, len(values) - sum(counts))


def advise(report: VulnerabilityReport) -> tuple[Upgrade, ...]:
    """Return the upgrades that remove vulnerabilities, the one that removes the most urgent ones first."""
    present = list(_list_open(report))
    separate = {vulnerability.package for vulnerability in present if _has_own_fix(vulnerability)}
    groups: dict[tuple[str, ...], list[Vulnerability]] = {}
    for vulnerability in present:
        package = vulnerability.package
        # A version of the source cannot be compared with one of the package.
        is_separate = package in separate and not vulnerability.fixed_source
        source = None if is_separate or not is_distribution_type(package.type) else package.source
        name, version = (package.name, package.version) if source is None else (source.name, source.version)
        key = (package.type, package.namespace, name, version, "" if source is None else "source")
        groups.setdefault(key, []).append(vulnerability)
    upgrades = [
        _create_upgrade(group, of_source=bool(key[-1]))
        for key, group in groups.items()
        if any(each.fixed_version for each in group)
    ]
    upgrades.sort(key=lambda upgrade: (upgrade.name, upgrade.version))
    upgrades.sort(key=lambda upgrade: upgrade.weight, reverse=True)
    return tuple(upgrades)


def _list_open(report: VulnerabilityReport) -> Iterable[Vulnerability]:
    return (vulnerability for vulnerability in report.vulnerabilities if not vulnerability.is_suppressed)


def _has_own_fix(vulnerability: Vulnerability) -> bool:
    """Return True for a fixed version that only the package has, not the others that are built from its source."""
    package = vulnerability.package
    if package.source is None or not vulnerability.fixed_version or vulnerability.source_fix:
        return False
    return package.version != package.source.version


def _get_fix(vulnerability: Vulnerability, *, of_source: bool) -> str:
    return vulnerability.source_fix or vulnerability.fixed_version if of_source else vulnerability.fixed_version


def _create_upgrade(group: Sequence[Vulnerability], *, of_source: bool) -> Upgrade:
    fixable = [vulnerability for vulnerability in group if vulnerability.fixed_version]
    first = group[0].package
    fixed_version, unordered = _find_highest(fixable, of_source=of_source)
    source = first.source if of_source else None
    return Upgrade(
        name=qualify_name(first) if source is None else source.name,
        version=first.version if source is None else source.version,
        fixed_version=fixed_version,
        packages=tuple(dict.fromkeys(vulnerability.package for vulnerability in group)),
        removed=_sort(fixable),
        remaining=_sort(vulnerability for vulnerability in group if not vulnerability.fixed_version),
        unordered=unordered,
    )


def _find_highest(fixable: Sequence[Vulnerability], *, of_source: bool) -> tuple[str, tuple[str, ...]]:
    """Return the highest of the fixed versions, and those that the version scheme cannot compare with it."""
    versions = list(dict.fromkeys(_get_fix(vulnerability, of_source=of_source) for vulnerability in fixable))
    if len(versions) == 1:
        return versions[0], ()
    scheme = _find_scheme(fixable)
    ordered = [version for version in versions if scheme is not None and _is_valid(scheme, version)]
    if scheme is None or not ordered:
        return versions[0], tuple(versions[1:])
    highest = max(ordered, key=scheme.key)
    return highest, tuple(version for version in versions if version not in ordered)


def _find_scheme(fixable: Iterable[Vulnerability]) -> VersionScheme | None:
    ecosystems = (record.ecosystem for vulnerability in fixable for record in vulnerability.records)
    return next((scheme for ecosystem in ecosystems if (scheme := get_scheme(ecosystem)) is not None), None)


def _is_valid(scheme: VersionScheme, version: str) -> bool:
    try:
        scheme.key(version)
    except InvalidVersionError:
        return False
    return True


def _sort(vulnerabilities: Iterable[Vulnerability]) -> tuple[Vulnerability, ...]:
    """Return the vulnerabilities, known exploited and severe ones first."""
    return tuple(
        sorted(
            vulnerabilities,
            key=lambda vulnerability: (
                not vulnerability.signal.known_exploited,
                -vulnerability.rating.level,
                -(vulnerability.rating.score or 0.0),
                vulnerability.id,
                vulnerability.package.name,
            ),
        )
    )


def find_base_layers(layers: Sequence[str], base_layers: Sequence[str]) -> tuple[str, ...]:
    """Return the diff ids of the base image; () if the image does not begin with all of them, and has another base."""
    count = len(base_layers)
    return tuple(base_layers) if count and tuple(layers[:count]) == tuple(base_layers) else ()


def advise_base(
    report: VulnerabilityReport, base_layers: Collection[str], candidates: Mapping[str, VulnerabilityReport]
) -> BaseAdvice:
    """Split the vulnerabilities of an image by origin, and compare possible base images.

    base_layers: diff ids of the layers of the present base. candidates: reports of other base images by name.
    """
    layers = frozenset(base_layers)
    base: list[Vulnerability] = []
    own: list[Vulnerability] = []
    for vulnerability in _list_open(report):
        locations = vulnerability.package.locations
        is_base = bool(locations) and all(location.layer in layers for location in locations)
        (base if is_base else own).append(vulnerability)
    compared = [_compare(name, base, candidate) for name, candidate in sorted(candidates.items())]
    compared.sort(key=lambda candidate: (candidate.not_assessed > 0, candidate.weight))
    return BaseAdvice(base=_sort(base), own=_sort(own), candidates=tuple(compared))


def _compare(name: str, base: Sequence[Vulnerability], report: VulnerabilityReport) -> BaseCandidate:
    present = list(_list_open(report))
    # Names of the same vulnerability differ between distributions.
    names = {other for vulnerability in present for other in vulnerability.names}
    known = {other for vulnerability in base for other in vulnerability.names}
    return BaseCandidate(
        name=name,
        removed=_sort(vulnerability for vulnerability in base if names.isdisjoint(vulnerability.names)),
        remaining=_sort(vulnerability for vulnerability in base if not names.isdisjoint(vulnerability.names)),
        added=_sort(vulnerability for vulnerability in present if known.isdisjoint(vulnerability.names)),
        not_assessed=sum(len(gap.packages) for gap in report.not_assessed),
    )
