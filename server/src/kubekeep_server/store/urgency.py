"""Classes of definitions and of workloads, from which the priorities of the problems of images follow. Values only.

The priority of a problem of an image is not stored: it follows from the exposure of the image and the urgency of its definition,
which change without it. Lists merge the few pairs of both, the most urgent first.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable, Mapping
from typing import Final

from kubekeep.model.severity import Severity
from kubekeep.model.submission import ContainerEntry, DefinitionEntry, SubjectEntry
from kubekeep.model.workload_container import raise_score

SEVERITIES: Final[Mapping[str, int]] = {severity.name.lower(): int(severity) for severity in Severity}
"""Numbers of severities, and of levels of priorities, by their name."""
SEVERITY_NAMES: Final = tuple(SEVERITIES)
"""Names of severities by their number: unknown to critical."""
_SCORES: Final = (
    *(0.1, 1.8, 2.2, 2.6, 2.8, 3.0, 3.2, 3.6),
    *(4.0, 4.8, 5.2, 5.6, 5.8, 6.0, 6.2, 6.6, 6.95),
    *(7.0, 7.333, 8.0),
    9.0,
)
"""The lowest score of each urgency but the first, which is unknown: each score at which the level changes under one of the exposures,
and 8.0, which divides the high ones.
"""
URGENCIES: Final = len(_SCORES) + 1
_FLOORS: Final = (0.0, 0.1, 4.0, 7.0, 9.0)
"""The lowest score of each level."""
EPSS_LIMITS: Final = (0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8)
"""The lowest probability of each bucket but the first."""
EXPOSED: Final = 4
"""Flag, and lowest exposure, of what can be reached from outside its cluster."""
_POWERFUL, _PRIVILEGED = 2, 1
EXPOSURES: Final = 8


def classify_definition(entry: DefinitionEntry) -> int:
    """Return the urgency of a definition: 0 for an unknown one to the highest, by its priority without a context.

    Without a priority, it follows from the severity. A score outside of its level counts as the nearest one in it.
    """
    priority = entry.priority
    if priority is not None and (level := SEVERITIES[priority.level]):
        urgency = classify_score(max(priority.score, _FLOORS[level]))
        return min(urgency, classify_score(_FLOORS[level + 1]) - 1) if level + 1 < len(_FLOORS) else urgency
    return classify_score(_FLOORS[SEVERITIES.get(entry.severity.lower(), 0)])


def classify_score(score: float) -> int:
    """Return the urgency of the score of a priority."""
    return bisect.bisect_right(_SCORES, score)


def classify_subject(entry: SubjectEntry) -> int:
    """Return the exposure of a subject: 4 if it can be reached, 2 with power over a node or the cluster, 1 with rights."""
    return (
        EXPOSED * bool(entry.exposure)
        + _POWERFUL * bool(entry.power)
        + _PRIVILEGED * (bool(entry.rights) and not entry.power)
    )


def classify_container(exposure: int, container: ContainerEntry) -> int:
    """Return the exposure of a container of a workload with an exposure."""
    if not container.name:
        # The files of a volume run nothing.
        return 0
    return exposure & ~EXPOSED if container.ends else exposure


def count_levels(exposure: int, counts: Iterable[int]) -> tuple[int, ...]:
    """Return numbers of problems by level of their priority.

    exposure: of their image. counts: of vulnerabilities by urgency, then of other problems by level.
    """
    numbers = [0] * len(SEVERITIES)
    for level, count in zip((*LEVELS[exposure], *SEVERITIES.values()), counts, strict=True):
        numbers[level] += count
    return tuple(numbers)


def is_exposed(exposure: int) -> bool:
    """Return True for something that can be reached from outside its cluster."""
    return bool(exposure & EXPOSED)


def describe_exposure(exposure: int) -> list[str]:
    """Return the reasons why a subject with an exposure matters, in words."""
    reasons = {
        EXPOSED: "reachable from outside",
        _POWERFUL: "power over a node or the cluster",
        _PRIVILEGED: "may read Secrets",
    }
    return [text for flag, text in reasons.items() if exposure & flag]


def _rate(exposure: int, urgency: int) -> float:
    """Return the lowest score of an urgency with an exposure, by the formula of scans."""
    if not urgency:
        return 0.0
    return raise_score(
        _SCORES[urgency - 1],
        is_exposed=is_exposed(exposure),
        is_powerful=bool(exposure & _POWERFUL),
        is_privileged=bool(exposure & _PRIVILEGED),
    )


PAIRS: Final = tuple(
    sorted(
        ((exposure, urgency) for exposure in range(EXPOSURES) for urgency in range(URGENCIES)),
        key=lambda pair: (-_rate(*pair), -pair[1], -pair[0]),
    )
)
"""All pairs of exposure and urgency, the most urgent first."""
LEVELS: Final = tuple(
    tuple(
        # No score below 1 is a level of `Severity.from_score`.
        int(max(Severity.from_score(_rate(exposure, urgency)), Severity(min(urgency, 1))))
        for urgency in range(URGENCIES)
    )
    for exposure in range(EXPOSURES)
)
"""Levels of the priorities of vulnerabilities by exposure and urgency, as a scan has them. Without exposure, those of all definitions."""
