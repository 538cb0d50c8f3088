"""Vulnerabilities of many images and SBOMs together: each version of a package, each image and each base image once.

Keeps no document, so that the images of a whole registry fit into memory. Formats no text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.json_values import as_list, as_mapping
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.reports.shared.affected_packages import AffectedPackageRow, get_level, list_packages
from kubekeep.reports.shared.vulnerabilities import VulnerableSubject

_FEW: Final = 5
"""Maximum number of images and SBOMs that are shown one by one."""


class FleetPackage(msgspec.Struct, frozen=True, kw_only=True):
    """A version of a package with open vulnerabilities, in all images and SBOMs that have it.

    fixed_version: the version to upgrade to; empty without one. ids: of the vulnerabilities, the most urgent first. level and
    score: the highest priority. subjects: the images and SBOMs. containers: those that run the images, the most urgent
    first. is_new: True if one of the vulnerabilities is not in the baseline.
    """

    package: str
    version: str
    fixed_version: str
    level: Severity
    score: float
    ids: tuple[str, ...]
    is_exploited: bool
    is_new: bool
    subjects: tuple[Subject, ...]
    containers: tuple[WorkloadContainer, ...]

    @property
    def order(self) -> tuple[Any, ...]:
        """Sort key: new vulnerabilities first, then the most urgent, then those that most images have."""
        return not self.is_new, -self.score, -len(self.subjects), -len(self.ids), self.package, self.version


class FleetImage(msgspec.Struct, frozen=True, kw_only=True):
    """An image or SBOM with the numbers of its open vulnerabilities.

    levels: numbers by priority. scores: the priorities, the highest first. fixable, exploited: numbers of those with a fix
    and with known exploitation. packages, unassessed: numbers of its packages, and of those that were not compared.
    ids_by_layer: the vulnerabilities of the packages of each layer. layers: digests of all layers, in their order.
    stated_base: the base image that it names itself.
    """

    subject: Subject
    reference: str
    distribution: str
    levels: Mapping[Severity, int]
    scores: tuple[float, ...]
    fixable: int
    exploited: int
    packages: int
    unassessed: int
    ids_by_layer: Mapping[str, frozenset[str]]
    layers: tuple[str, ...]
    stated_base: str
    containers: tuple[WorkloadContainer, ...]

    @property
    def order(self) -> tuple[list[float], str]:
        """Sort key: the most urgent vulnerabilities first, compared one by one, then the greater number."""
        # With the zero, an image with more vulnerabilities comes before one with fewer.
        return [*(-score for score in self.scores), 0.0], self.reference


class FleetBase(msgspec.Struct, frozen=True, kw_only=True):
    """A base image of several images.

    name: of an image of the scan that is the base, else the one that the images name, else empty. distribution: as in the images.
    layers: number of the layers that the images have in common. ids: vulnerabilities of packages in these layers.
    own_ids: other vulnerabilities of the images.
    """

    name: str
    distribution: str
    layers: int
    images: tuple[str, ...]
    ids: frozenset[str]
    own_ids: frozenset[str]


class Fleet(msgspec.Struct, frozen=True):
    """All packages with vulnerabilities, all images and SBOMs, and base images that several have, the most urgent first."""

    packages: tuple[FleetPackage, ...]
    images: tuple[FleetImage, ...]
    bases: tuple[FleetBase, ...]


def has_fleet(assessment: Assessment) -> bool:
    """Return True if packages are shown once for all images and SBOMs: for more than five, and beside other resources."""
    compared = others = 0
    slugs = {summary.definition.slug for summary in assessment.summaries if summary.definition.concerns_packages}
    if not slugs:
        return False
    for result in assessment.results:
        is_compared = not slugs.isdisjoint(result.verdicts)
        compared += is_compared
        others += not is_compared and not result.subject.has_problems
    return compared > _FEW or bool(compared and others)


def build_fleet(subjects: Iterable[VulnerableSubject]) -> Fleet:
    """Return the vulnerabilities of all images and SBOMs of a scan."""
    packages: dict[tuple[str, str, str], _PackageCollector] = {}
    images: list[FleetImage] = []
    for subject in subjects:
        rows = list_packages(subject)
        for row in rows:
            key = row.package, row.version, row.fixed_version
            packages.setdefault(key, _PackageCollector()).add(row, subject)
        images.append(_describe_image(subject, rows))
    collected = (collector.build(*key) for key, collector in packages.items())
    return Fleet(
        tuple(sorted(collected, key=lambda package: package.order)),
        tuple(sorted(images, key=lambda image: image.order)),
        tuple(_list_bases(images)),
    )


def group_packages(packages: Iterable[FleetPackage]) -> list[list[FleetPackage]]:
    """Return the packages of the same images that workloads run together, others alone, the most urgent first."""
    groups: dict[tuple[int, ...], list[FleetPackage]] = {}
    for number, package in enumerate(packages):
        key = tuple(map(id, package.subjects)) if package.containers else (-number,)
        groups.setdefault(key, []).append(package)
    return list(groups.values())


class _PackageCollector:
    """The images that have one version of a package, and its vulnerabilities."""

    def __init__(self) -> None:
        self._scores: dict[str, tuple[float, Severity]] = {}
        self._is_exploited = self._is_new = False
        self._subjects: dict[int, Subject] = {}
        self._containers: dict[WorkloadContainer, None] = {}

    def add(self, row: AffectedPackageRow, subject: VulnerableSubject) -> None:
        """Add the package of an image."""
        for entry in row.entries:
            score = entry.priority.score, get_level(entry)
            self._scores[entry.id] = max(score, self._scores.get(entry.id, score))
        self._is_exploited |= row.is_exploited
        self._is_new |= not row.urgency[0]
        self._subjects[id(subject.resource)] = subject.resource
        self._containers |= dict.fromkeys(subject.containers)

    def build(self, package: str, version: str, fixed_version: str) -> FleetPackage:
        """Return the package."""
        score, level = max(self._scores.values())
        return FleetPackage(
            package=package,
            version=version,
            fixed_version=fixed_version,
            level=level,
            score=score,
            ids=tuple(sorted(self._scores, key=lambda name: (-self._scores[name][0], name))),
            is_exploited=self._is_exploited,
            is_new=self._is_new,
            subjects=tuple(self._subjects.values()),
            containers=tuple(sorted(self._containers, key=_order_containers)),
        )


def _order_containers(container: WorkloadContainer) -> tuple[bool, bool, bool]:
    return not container.exposure, not container.power, not container.rights


def _describe_image(subject: VulnerableSubject, rows: Iterable[AffectedPackageRow]) -> FleetImage:
    scores: dict[str, tuple[float, Severity]] = {}
    ids_by_layer: dict[str, set[str]] = {}
    fixable, exploited = set(), set()
    for entry in (entry for row in rows for entry in row.entries):
        score = entry.priority.score, get_level(entry)
        scores[entry.id] = max(score, scores.get(entry.id, score))
        ids_by_layer.setdefault(entry.layer, set()).add(entry.id)
        if entry.is_fixable:
            fixable.add(entry.id)
        if entry.known_exploited:
            exploited.add(entry.id)
    document = subject.resource.object
    base = as_mapping(as_mapping(document.get("image")).get("base"))
    return FleetImage(
        subject=subject.resource,
        reference=subject.reference,
        distribution=subject.distribution,
        levels=Counter(level for _, level in scores.values()),
        scores=tuple(sorted((score for score, _ in scores.values()), reverse=True)),
        fixable=len(fixable),
        exploited=len(exploited),
        packages=len(as_list(document.get("packages"))),
        unassessed=sum(len(gap.packages) for gap in subject.unassessed),
        ids_by_layer={layer: frozenset(ids) for layer, ids in ids_by_layer.items()},
        layers=tuple(subject.layers),
        stated_base=str(base.get("name") or ""),
        containers=subject.containers,
    )


def _list_bases(images: Iterable[FleetImage]) -> Iterator[FleetBase]:
    """Yield the base images of at least two images, those with most vulnerabilities in most images first."""
    groups: dict[str, list[FleetImage]] = {}
    for image in images:
        if image.layers:
            groups.setdefault(image.layers[0], []).append(image)
    bases = [_describe_base(group) for group in groups.values() if len(group) > 1]
    yield from sorted(bases, key=lambda base: (-len(base.ids) * len(base.images), base.name, base.images))


def _describe_base(images: Sequence[FleetImage]) -> FleetBase:
    shortest = min(images, key=lambda image: len(image.layers))
    count = len(shortest.layers)
    while any(image.layers[:count] != shortest.layers[:count] for image in images):
        count -= 1
    layers = frozenset(shortest.layers[:count])
    stated = {image.stated_base for image in images} - {""}
    is_base = len(shortest.layers) == count
    base_ids, all_ids = set[str](), set[str]()
    for image in images:
        for layer, ids in image.ids_by_layer.items():
            all_ids |= ids
            if layer in layers:
                base_ids |= ids
    return FleetBase(
        name=shortest.reference if is_base else stated.pop() if len(stated) == 1 else "",
        distribution=shortest.distribution,
        layers=count,
        images=tuple(sorted(image.reference for image in images if not is_base or image is not shortest)),
        ids=frozenset(base_ids),
        own_ids=frozenset(all_ids - base_ids),
    )
