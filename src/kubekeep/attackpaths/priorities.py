"""Which resources to mend first: those with the most and the worst ways through attack tracks.

The formulas are Kubescape's. A way is complete only if a control fails at every step of it; a step about
vulnerabilities of images is passed over, as controls do not see those. Waived findings do not count.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from kubekeep.attackpaths.tracks import Track, Tracks
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.attack import PrioritisedResource, PriorityVector, TrackStep
from kubekeep.model.control import Control
from kubekeep.model.finding import Status
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.workload import pod_path

MOST_VECTORS: Final = 1_000
"""The most ways of one resource that are listed and counted."""
_IMPACT: Final = "security-impact"
"""The tag of controls that by themselves do not make a way worth while."""

Failed = Mapping[tuple[str, str], Sequence[TrackStep]]
"""The failed controls at each step, by track and name of the step."""


def prioritised(
    results: Iterable[ResourceResult], controls: Mapping[str, Control], known: Tracks
) -> tuple[PrioritisedResource, ...]:
    """The resources that some way leads through, the highest score first; `controls` are by slug."""
    rating = _Rating(controls, known)
    found = [entry for result in results if (entry := rating.of(result)) is not None]
    return tuple(sorted(found, key=lambda entry: (-entry.score, entry.resource.id)))


class _Rated(NamedTuple):
    """What is worth while about resources with the same replicas at which the same controls fail."""

    vectors: tuple[PriorityVector, ...]
    score: float
    severity: Severity
    left_out: int


class _Rating:
    """Rates resources, each combination of failed controls once: many workloads are made alike."""

    def __init__(self, controls: Mapping[str, Control], known: Tracks) -> None:
        self._known = known
        members = ((control, known.member(control)) for control in controls.values())
        self._members = {control.slug: (control, member) for control, member in members if member is not None}
        self._rated: dict[tuple[int, tuple[str, ...]], _Rated | None] = {}

    def of(self, result: ResourceResult) -> PrioritisedResource | None:
        """The rating of a resource; None if no way leads through it."""
        resource = result.resource
        if resource.related or not (
            pod_path(resource) is not None or (resource.is_builtin and resource.kind == "Node")
        ):
            return None
        failed = tuple(
            slug
            for slug, verdict in result.verdicts.items()
            if verdict.status is Status.FAILED and slug in self._members and verdict.unexcepted.evidence
        )
        key = _replicas(resource), failed
        if key not in self._rated:
            self._rated[key] = self._rate(*key)
        rated = self._rated[key]
        return None if rated is None else PrioritisedResource(resource, *rated)

    def _rate(self, replicas: int, slugs: Sequence[str]) -> _Rated | None:
        failed: dict[tuple[str, str], list[TrackStep]] = {}
        for control, member in map(self._members.__getitem__, slugs):
            for track, names in member.tracks.items():
                for name in names:
                    failed.setdefault((track, name), []).append(TrackStep(control, name, member.tags))
        ways = [(track.name, steps) for track in self._known.tracks for steps in _ways(track, failed)]
        vectors = tuple(_vector(name, steps, replicas) for name, steps in itertools.islice(_chosen(ways), MOST_VECTORS))
        if not vectors:
            return None
        total = sum(math.prod(map(len, steps)) for _, steps in ways)
        return _Rated(
            vectors,
            score=math.fsum(vector.score for vector in vectors),
            severity=max(vector.severity for vector in vectors),
            left_out=max(0, total - MOST_VECTORS),
        )


def _ways(track: Track, failed: Failed) -> Iterator[list[Sequence[TrackStep]]]:
    """For each way through a track, the failed controls at each of its steps; ways that are not complete are not."""
    for steps in track.root.ways():
        at = [(step, failed.get((track.name, step.name), ())) for step in steps]
        if all(found or step.checks_vulnerabilities for step, found in at) and any(found for _, found in at):
            yield [found for _, found in at if found]


def _chosen(ways: Iterable[tuple[str, list[Sequence[TrackStep]]]]) -> Iterator[tuple[str, tuple[TrackStep, ...]]]:
    """Each choice of one failed control a step, where one of them is more than a control with impact."""
    for name, steps in ways:
        for choice in itertools.product(*steps):
            if any(tag != _IMPACT for step in choice for tag in step.tags):
                yield name, choice


def _vector(track: str, steps: tuple[TrackStep, ...], replicas: int) -> PriorityVector:
    score = math.prod(step.control.severity for step in steps) * (1 + replicas / 10)
    return PriorityVector(track, steps, score, max(step.control.level for step in steps))


def _replicas(resource: Resource) -> int:
    said = resource.replicas
    return said if said is not None and said >= 0 else 1
