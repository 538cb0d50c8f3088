"""Matching of stored packages with the server's advisories. No I/O except reading advisories.

A package without an answer is listed as such, and never as free of vulnerabilities.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple

import msgspec

from kubekeep.images.package_url import format_package_url
from kubekeep.model.definition_entry import describe_definition
from kubekeep.model.listed_vulnerabilities import define_vulnerability
from kubekeep.model.package import ImagePackages, Package
from kubekeep.model.submission import DefinitionEntry
from kubekeep.model.text import visible
from kubekeep.model.vulnerability import Vulnerability
from kubekeep.vulnerabilities.changelog import find_fixed
from kubekeep.vulnerabilities.entries import describe_vulnerability
from kubekeep.vulnerabilities.matching import match_packages
from kubekeep.vulnerabilities.queries import list_keys
from kubekeep.vulnerabilities.readable_advisories import ReadableAdvisories
from kubekeep.vulnerabilities.source import AdvisorySource
from kubekeep.vulnerabilities.used_symbols import ImageSymbols
from kubekeep_server.store.compression import decompress
from kubekeep_server.store.image_matches import MatchedProblem, PackageResults
from kubekeep_server.store.matching import ImageResults, MatchedBatch
from kubekeep_server.store.pending_matches import AdvisoryName, PendingImage


class _MatchedList(NamedTuple):
    """A list of packages of an image. names: of all packages in advisories, by package URL."""

    names: Mapping[str, tuple[AdvisoryName, ...]]
    compared: frozenset[str]
    unassessed: frozenset[str]
    vulnerabilities: tuple[Vulnerability, ...]


class ImageMatcher:
    """Matches images with one state of the advisories. version: its number in the store."""

    def __init__(self, source: AdvisorySource, version: int) -> None:
        self._source = source
        self._version = version

    def match(self, images: Iterable[PendingImage], today: dt.date) -> MatchedBatch:
        """Return the results for images."""
        results: list[ImageResults] = []
        vulnerabilities: dict[str, list[Vulnerability]] = {}
        for image in images:
            lists = [self._match_list(content, image, today) for content in _decode(image)]
            results.append(_describe(image, lists))
            for vulnerability in _list_vulnerabilities(lists):
                vulnerabilities.setdefault(vulnerability.id, []).append(vulnerability)
        definitions = [_define(group) for group in vulnerabilities.values()]
        return MatchedBatch(self._version, results, {entry.key: entry for entry in definitions})

    def _match_list(self, content: ImagePackages, image: PendingImage, today: dt.date) -> _MatchedList:
        names: dict[str, tuple[AdvisoryName, ...]] = {}
        selected: dict[str, list[Package]] = {}
        for package in content.packages:
            purl, own = format_package_url(package), tuple(list_keys(package, content.distribution))
            names[purl] = tuple(dict.fromkeys((*names.get(purl, ()), *own)))
            if image.names is None or not image.names.isdisjoint(own):
                selected.setdefault(purl, []).append(package)
        packages = [package for group in selected.values() for package in group]
        source = ReadableAdvisories(self._source)
        report = match_packages(
            packages,
            content.distribution,
            source,
            today=today,
            platform=image.platform,
            fixed_by_changelog=find_fixed(packages, content.fixes),
            used_symbols=ImageSymbols(content.go_symbols),
        )
        unassessed = {format_package_url(package) for gap in report.not_assessed for package in gap.packages}
        unassessed |= {purl for purl in selected if any(name in source.problems for name, _ in names[purl])}
        return _MatchedList(names, frozenset(selected), frozenset(unassessed), report.vulnerabilities)


def _decode(image: PendingImage) -> Iterator[ImagePackages]:
    """Yield the lists of packages of an image that a source has."""
    for content in image.contents.values() if image.is_used else ():
        yield msgspec.json.decode(decompress(content), type=ImagePackages)


def _describe(image: PendingImage, lists: Sequence[_MatchedList]) -> ImageResults:
    """Return the results of all lists of packages of an image."""
    contents = frozenset(image.contents)
    if not image.is_used:
        return ImageResults(image.number, image.rows, contents)
    names: dict[str, tuple[AdvisoryName, ...]] = {}
    for part in lists:
        for purl, own in part.names.items():
            names[purl] = tuple(dict.fromkeys((*names.get(purl, ()), *own)))
    packages = PackageResults(
        listed=frozenset(names),
        compared=frozenset[str]().union(*(part.compared for part in lists)),
        unassessed=frozenset[str]().union(*(part.unassessed for part in lists)),
        problems=_list_problems(lists),
    )
    return ImageResults(image.number, image.rows, contents, packages, names if image.names is None else {})


def _list_problems(lists: Iterable[_MatchedList]) -> tuple[MatchedProblem, ...]:
    """Return the problems of packages, each once."""
    problems: dict[tuple[str, str], MatchedProblem] = {}
    for vulnerability in _list_vulnerabilities(lists):
        problem = _describe_problem(vulnerability)
        other = problems.get(problem.key, problem)
        problems[problem.key] = msgspec.structs.replace(
            problem,
            fixed_version=max(problem.fixed_version, other.fixed_version),
            is_suppressed=problem.is_suppressed and other.is_suppressed,
        )
    return tuple(problems.values())


def _list_vulnerabilities(lists: Iterable[_MatchedList]) -> Iterator[Vulnerability]:
    for part in lists:
        yield from part.vulnerabilities


def _describe_problem(vulnerability: Vulnerability) -> MatchedProblem:
    rating = vulnerability.rating
    parts = (
        rating.level.label,
        "" if rating.score is None else str(rating.score),
        vulnerability.signal.known_exploited,
    )
    return MatchedProblem(
        definition=vulnerability.id,
        purl=format_package_url(vulnerability.package),
        names=vulnerability.aliases,
        fixed_version=visible(vulnerability.fixed_version),
        rating=" ".join(parts),
        is_suppressed=vulnerability.is_suppressed,
    )


def _define(vulnerabilities: Iterable[Vulnerability]) -> DefinitionEntry:
    """Return the definition of a vulnerability in some packages."""
    definition = define_vulnerability([describe_vulnerability(entry, 0) for entry in vulnerabilities])
    return describe_definition(definition, definition.urgency)
