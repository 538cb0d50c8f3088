"""Submissions of the demo in the order of their times: clusters, repositories with pull requests, and a registry."""

from __future__ import annotations

import datetime as dt
import functools
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import Final, NamedTuple

from kubekeep.model.cluster import CoverageGap
from kubekeep.model.permissions import ClusterPermissions
from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry, SourceRepository
from kubekeep.model.submission import (
    VERSION,
    EvaluatedScope,
    GapEntry,
    HiddenObjects,
    ImageEntry,
    SubjectEntry,
    Submission,
    Versions,
    compute_manifest,
    digest_permissions,
)
from kubekeep.uplink.delta import compute_delta
from kubekeep_server.demo.catalog import load_catalog
from kubekeep_server.demo.chance import draw, draw_key
from kubekeep_server.demo.company import (
    CLUSTER_UIDS,
    GATED_REPOSITORY,
    OWNER,
    REGISTRY,
    REPOSITORIES,
    SERVICES,
    Cluster,
)
from kubekeep_server.demo.images import DigestedEntry, ServiceImage, describe_image, digest_entry, report_image
from kubekeep_server.demo.permissions import UNREAD_ROLES, describe_permissions
from kubekeep_server.demo.posture import Scene, list_applicable
from kubekeep_server.demo.timeline import SECRETS_HIDDEN_SINCE, START, get_release, list_scan_days, to_time

PULL_REQUESTS: Final = {412: -88, 431: -61, 447: -40, 463: -26, 478: -9, 483: -2}
"""Numbers of pull requests with the days on which they are opened."""
_FLAWS_OF_A_PULL_REQUEST: Final = 2
_REPOSITORY_SCANS: Final = 6
_SCAN_MINUTES: Final = 3
_REGISTRY_DAYS: Final = 91
_KEPT_RELEASES: Final = 3
_HOURS: Final = {Cluster.EUROPE: 1.5, Cluster.AMERICA: 0.7, Cluster.STAGING: 3.0}
"""Hours before the time of the day at which clusters are scanned."""
_VERSIONS: Final = Versions("0.1.0", "1.34")


class _Scan(NamedTuple):
    """A scan of a source on a day. is_repeated: True for one that sends what has changed since the one before."""

    day: float
    source: ScannedSource
    build: Callable[[float], _Content]
    is_repeated: bool = False


class _Content(NamedTuple):
    """The results of a scan."""

    subjects: tuple[DigestedEntry, ...]
    images: tuple[ImageEntry, ...] = ()
    gaps: tuple[GapEntry, ...] = ()
    permissions: ClusterPermissions | None = None
    has_controls: bool = True


class Demo:
    """The submissions of the demo that ends at a time."""

    def __init__(self, now: dt.datetime) -> None:
        self._now = now
        self._last: dict[str, Submission] = {}

    def list_submissions(self) -> Iterator[Submission]:
        """Yield the submissions, the oldest first: whole ones, and for clusters and the registry deltas after the first."""
        scans = [*self._list_cluster_scans(), *self._list_repository_scans(), *self._list_registry_scans()]
        for scan in sorted(scans, key=operator.attrgetter("day")):
            submission = self._build(scan)
            before = self._last.get(scan.source.key)
            if scan.is_repeated:
                self._last[scan.source.key] = submission
            yield compute_delta(before, submission) if scan.is_repeated and before else submission

    def _list_cluster_scans(self) -> Iterator[_Scan]:
        for cluster in Cluster:
            source = SourceCluster(CLUSTER_UIDS[cluster], cluster.value)
            for day in list_scan_days(cluster):
                build = functools.partial(self._scan_cluster, cluster)
                yield _Scan(day - _HOURS[cluster] / 24, source, build, is_repeated=True)

    def _list_registry_scans(self) -> Iterator[_Scan]:
        for day in range(START, 1, _REGISTRY_DAYS):
            yield _Scan(day - 0.2, SourceRegistry(REGISTRY), _scan_registry, is_repeated=True)

    def _list_repository_scans(self) -> Iterator[_Scan]:
        for name in REPOSITORIES:
            days = [START + 5 + 340 * draw(name, number, "commit") for number in range(_REPOSITORY_SCANS)]
            for day in [*sorted(days), -9 * draw(name, "last commit") - 0.1]:
                source = _describe_repository(name, "main", day)
                yield _Scan(day, source, functools.partial(self._scan_repository, name))
        for number, opened in PULL_REQUESTS.items():
            for day, flaws in ((opened - 0.4, _FLAWS_OF_A_PULL_REQUEST), (opened + 0.3, 0)):
                source = _describe_repository(GATED_REPOSITORY, f"pull/{number}", day)
                yield _Scan(day, source, functools.partial(self._scan_repository, GATED_REPOSITORY, flaws=flaws))

    def _scan_cluster(self, cluster: Cluster, day: float) -> _Content:
        scene = Scene(cluster, day, self._now)
        images = [ServiceImage(service, get_release(service, cluster, day)) for service in SERVICES]
        posture = [*map(scene.describe_workload, SERVICES), *scene.list_others()]
        subjects = (*map(digest_entry, posture), *(report_image(image, day) for image in images))
        gaps = (*load_catalog().gaps, *_list_gaps(scene))
        return _Content(subjects, tuple(map(describe_image, images)), gaps, describe_permissions(cluster, day))

    def _scan_repository(self, name: str, day: float, *, flaws: int = 0) -> _Content:
        """Return the results of a repository. Its manifests are two days ahead of prod-eu."""
        scene = Scene(Cluster.EUROPE, day + 2, self._now)
        subjects = []
        for service in SERVICES:
            if service.repository_name == name:
                correct = [flaw for flaw in list_applicable(service) if not scene.has_weakness(service, flaw)]
                entry = scene.describe_workload(service, file=f"deploy/{service.name}.yaml", added=correct[:flaws])
                subjects.append(digest_entry(entry))
        return _Content(tuple(subjects), gaps=load_catalog().gaps)

    def _build(self, scan: _Scan) -> Submission:
        content, catalog = scan.build(scan.day), load_catalog()
        finished = to_time(self._now, scan.day)
        used = {finding.definition for subject in content.subjects for finding in subject.entry.findings}
        evaluated: set[str] = set()
        if content.has_controls:
            evaluated = catalog.controls.keys() - {gap.definition for gap in content.gaps}
        definitions = catalog.controls | catalog.vulnerabilities
        return Submission(
            schema=VERSION,
            id=draw_key(scan.source.key, scan.source.branch_name, finished) + draw_key(finished, scan.source.key),
            source=scan.source,
            started=finished - dt.timedelta(minutes=_SCAN_MINUTES),
            finished=finished,
            versions=_VERSIONS,
            manifest=compute_manifest(subject.digest for subject in content.subjects),
            scope=EvaluatedScope(tuple(sorted(evaluated))),
            gaps=content.gaps,
            definitions=tuple(definitions[key] for key in sorted(used | evaluated)),
            images=_sort_images(content.images),
            subjects=_sort_subjects(content.subjects),
            permissions=content.permissions,
            permissions_digest="" if content.permissions is None else digest_permissions(content.permissions),
        )


def _scan_registry(day: float) -> _Content:
    """Return the results of a registry, which keeps the last releases of each service of the company."""
    images = []
    for service in SERVICES:
        if not service.image:
            newest = get_release(service, Cluster.STAGING, day)
            images += [
                ServiceImage(service, number) for number in range(max(newest + 1 - _KEPT_RELEASES, 0), newest + 1)
            ]
    reports = tuple(report_image(image, day) for image in images)
    return _Content(reports, tuple(map(describe_image, images)), has_controls=False)


def _describe_repository(name: str, branch: str, day: float) -> SourceRepository:
    commit = draw_key(name, branch, round(day, 3), "commit") * 3
    return SourceRepository(f"{OWNER}/{name}", branch=branch, commit=commit[:40])


def _list_gaps(scene: Scene) -> Iterator[GapEntry]:
    """Yield the missing permissions of the scanner."""
    hidden = [UNREAD_ROLES] if scene.cluster is Cluster.STAGING else []
    if scene.cluster is Cluster.AMERICA and scene.day >= SECRETS_HIDDEN_SINCE:
        for kind, resource in (("Secret", "secrets"), ("ConfigMap", "configmaps")):
            hidden.append(CoverageGap(group="", kind=kind, resource=resource, reason="the API server denied access"))
    for gap in hidden:
        yield GapEntry(gap.text, next_step=gap.permission, hides=HiddenObjects(gap.group, gap.kind))


def _sort_images(images: Iterable[ImageEntry]) -> tuple[ImageEntry, ...]:
    return tuple(sorted(images, key=operator.attrgetter("digest")))


def _sort_subjects(subjects: Iterable[DigestedEntry]) -> tuple[SubjectEntry, ...]:
    return tuple(sorted((subject.entry for subject in subjects), key=operator.attrgetter("key")))
