"""Priorities of resources by their paths through attack tracks: number and severity.

The formulas are Kubescape's. A path is complete only if a control fails at each of its steps; steps about image
vulnerabilities are skipped because no control detects them. Excepted findings do not count.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from kubekeep.attackpaths.tracks import Track, Tracks
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.attack import PrioritisedResource, PriorityVector, TrackStep
from kubekeep.model.control import Control
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Status
from kubekeep.model.workload import pod_path

MAX_VECTORS: Final = 1_000
"""The limit of listed and counted paths per resource."""
_IMPACT: Final = "security-impact"
"""A tag of controls; a path with no other tag is not relevant."""

FailedSteps = Mapping[tuple[str, str], Sequence[TrackStep]]
"""Failed controls at each step, by track and step name."""


def prioritise_resources(
    results: Iterable[SubjectResult], controls: Mapping[str, Control], tracks: Tracks
) -> tuple[PrioritisedResource, ...]:
    """Return the resources on some path, highest score first; `controls` are by slug."""
    rater = _Rater(controls, tracks)
    resources = [entry for result in results if (entry := rater.rate(result)) is not None]
    return tuple(sorted(resources, key=lambda entry: (-entry.score, entry.resource.id)))


class _CombinationRating(NamedTuple):
    """Rating of a combination of replicas and failed controls."""

    vectors: tuple[PriorityVector, ...]
    score: float
    severity: Severity
    unlisted_vector_count: int


class _Rater:
    """Rates resources, each combination of failed controls once, because many workloads share one."""

    def __init__(self, controls: Mapping[str, Control], tracks: Tracks) -> None:
        self._tracks = tracks
        members = ((control, tracks.find_membership(control)) for control in controls.values())
        self._members = {control.slug: (control, member) for control, member in members if member is not None}
        self._ratings: dict[tuple[int, tuple[str, ...]], _CombinationRating | None] = {}

    def rate(self, result: SubjectResult) -> PrioritisedResource | None:
        """Return the rating of a resource; None if it is on no path."""
        resource = result.subject
        if not isinstance(resource, Resource) or resource.related:
            return None
        if not (pod_path(resource) is not None or (resource.is_builtin and resource.kind == "Node")):
            return None
        failed = tuple(
            slug
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED and slug in self._members and verdict.open_evidence
        )
        key = _count_replicas(resource), failed
        if key not in self._ratings:
            self._ratings[key] = self._rate_combination(*key)
        rating = self._ratings[key]
        return None if rating is None else PrioritisedResource(resource, *rating)

    def _rate_combination(self, replicas: int, slugs: Sequence[str]) -> _CombinationRating | None:
        failed: dict[tuple[str, str], list[TrackStep]] = {}
        for control, member in map(self._members.__getitem__, slugs):
            for track, names in member.tracks.items():
                for name in names:
                    failed.setdefault((track, name), []).append(TrackStep(control, name, member.tags))
        paths = [(track.name, steps) for track in self._tracks.tracks for steps in _list_paths(track, failed)]
        combinations = itertools.islice(_combine(paths), MAX_VECTORS)
        vectors = tuple(_build_vector(name, steps, replicas) for name, steps in combinations)
        if not vectors:
            return None
        total = sum(math.prod(map(len, steps)) for _, steps in paths)
        return _CombinationRating(
            vectors,
            score=math.fsum(vector.score for vector in vectors),
            severity=max(vector.severity for vector in vectors),
            unlisted_vector_count=max(0, total - MAX_VECTORS),
        )


def _list_paths(track: Track, failed: FailedSteps) -> Iterator[list[Sequence[TrackStep]]]:
    """Yield the failed controls at each step of every complete path through a track."""
    for steps in track.root.list_paths():
        by_step = [(step, failed.get((track.name, step.name), ())) for step in steps]
        is_complete = all(controls or step.checks_vulnerabilities for step, controls in by_step)
        if is_complete and any(controls for _, controls in by_step):
            yield [controls for _, controls in by_step if controls]


def _combine(paths: Iterable[tuple[str, list[Sequence[TrackStep]]]]) -> Iterator[tuple[str, tuple[TrackStep, ...]]]:
    """Yield each combination of one failed control per step, if one has another tag than impact."""
    for name, steps in paths:
        for combination in itertools.product(*steps):
            if any(tag != _IMPACT for step in combination for tag in step.tags):
                yield name, combination


def _build_vector(track: str, steps: tuple[TrackStep, ...], replicas: int) -> PriorityVector:
    score = math.prod(step.control.severity for step in steps) * (1 + replicas / 10)
    return PriorityVector(track, steps, score, max(step.control.level for step in steps))


def _count_replicas(resource: Resource) -> int:
    replicas = resource.replicas
    return replicas if replicas is not None and replicas >= 0 else 1
