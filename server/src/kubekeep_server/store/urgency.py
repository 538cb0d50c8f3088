"""Classes of definitions and of workloads, from which the order by priority follows. Values only.

The priority of a finding is not stored: it follows from the exposure of its workload and the urgency of its definition, which
change without it. Lists merge the few pairs of both, the most urgent first.
"""

from __future__ import annotations

import bisect
from typing import Final

from kubekeep.model.severity import Severity
from kubekeep.model.submission import ContainerEntry, DefinitionEntry, SubjectEntry

SEVERITY_NAMES: Final = tuple(severity.name.lower() for severity in Severity)
"""Names of severities by their number: unknown to critical."""
SEVERITIES: Final = len(SEVERITY_NAMES)
_SCORES: Final = (0.1, 2.0, 4.0, 5.5, 7.0, 8.0, 9.0)
"""The lowest score of each urgency but the first, which is unknown."""
URGENCIES: Final = len(_SCORES) + 1
EPSS_LIMITS: Final = (0.001, 0.01, 0.05, 0.1, 0.3, 0.5, 0.8)
"""The lowest probability of each bucket but the first."""
EPSS_BUCKETS: Final = len(EPSS_LIMITS) + 1
_POWERFUL, _PRIVILEGED = 2, 1
EXPOSED: Final = 4
"""Flag, and lowest exposure, of what can be reached from outside its cluster."""
EXPOSURES: Final = 8
_MOST: Final = 10.0
_ADDITIONS: Final = ((EXPOSED, 1.0, 0.5), (_POWERFUL, 0.8, 0.4), (_PRIVILEGED, 0.4, 0.2))
"""Additions to a score, as the priority of a scan has them: a maximum, and a part of the distance to the highest score."""


def classify_definition(entry: DefinitionEntry) -> int:
    """Return the urgency of a definition: 0 for an unknown one to 7 for the highest, by the score without a context."""
    return bisect.bisect_right(_SCORES, entry.priority.score) if entry.priority else 0


def classify_epss(probability: float | None) -> int:
    """Return the bucket of a probability: 0, also for an unknown one, to 7."""
    return bisect.bisect_right(EPSS_LIMITS, probability or 0.0)


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


def is_exposed(exposure: int) -> bool:
    """Return True for something that can be reached from outside its cluster."""
    return bool(exposure & EXPOSED)


def _rate(exposure: int, urgency: int) -> float:
    score = _SCORES[urgency - 1] if urgency else 0.0
    for flag, most, part in _ADDITIONS if urgency else ():
        if exposure & flag:
            score += min(most, part * (_MOST - score))
    return score


PAIRS: Final = tuple(
    sorted(
        ((exposure, urgency) for exposure in range(EXPOSURES) for urgency in range(URGENCIES)),
        key=lambda pair: (-_rate(*pair), -pair[1], -pair[0]),
    )
)
"""All pairs of exposure and urgency, the most urgent first."""
