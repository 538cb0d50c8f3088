"""Containers of workloads that run an image, and the priority of its vulnerabilities there. No I/O.

The formula is in docs/scores.md.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.subject import format_name

_EXPOSED: Final = (1.0, 0.5)
"""Addition for exposure: a maximum, and the maximum part of the distance to the highest score."""
_POWERFUL: Final = (0.8, 0.4)
_PRIVILEGED: Final = (0.4, 0.2)
"""Addition for rights that give neither a node nor the cluster."""
_CRITICAL: Final = 9.0
_HIGHEST: Final = 10.0
_MAX_HIGH: Final = 8.9
"""Highest score that one fact about the workload alone can cause for a vulnerability that is not critical."""


class WorkloadContainer(msgspec.Struct, frozen=True, omit_defaults=True):
    """A container of a workload that runs an image, with the facts about the workload as clauses for people.

    container: empty for the image of a volume. location: that of the reference to the image; None if the workload comes
    from no file. exposure, power and rights: as in `ResourceContext`; empty if there are none.
    """

    kind: str
    namespace: str
    name: str
    container: str
    location: Location | None = None
    exposure: str = ""
    power: str = ""
    rights: str = ""

    @property
    def workload(self) -> str:
        """Display name of the workload, `Deployment shop/web`."""
        return format_name(self.kind, self.namespace, self.name)

    @property
    def label(self) -> str:
        """Display name, `container web of Deployment shop/web`."""
        return f"container {self.container} of {self.workload}" if self.container else f"a volume of {self.workload}"

    @property
    def facts(self) -> tuple[str, ...]:
        """The facts that make a vulnerability more urgent, the most important first."""
        return tuple(filter(None, (self.exposure, self.power, self.rights)))


def find_manifest_line(containers: Iterable[WorkloadContainer]) -> Location | None:
    """Return the line of a manifest with the reference to the image; None if no file of the scan has one.

    That of an exposed container first: an alert there shows a vulnerability where it matters.
    """
    ordered = sorted(containers, key=lambda container: not container.exposure)
    return next((container.location for container in ordered if container.location is not None), None)


def raise_priority(priority: Priority, containers: Iterable[WorkloadContainer]) -> Priority:
    """Return the priority of a vulnerability of an image in the container where it is most urgent.

    An unknown priority stays unknown: the facts about a workload do not rate a vulnerability.
    """
    if priority.level is Severity.UNKNOWN:
        return priority
    score, container = max(
        ((_rate(priority.score, container), container) for container in containers if container.facts),
        key=lambda pair: pair[0],
        default=(0.0, None),
    )
    if container is None:
        return priority
    facts = ", and ".join(container.facts)
    return Priority(
        # The lowest scores of vulnerabilities are below the lowest one of `Severity.from_score`.
        max(priority.level, Severity.from_score(score)),
        score,
        priority.step,
        (
            f"{container.workload} is {facts}" if container.exposure else f"{container.workload} {facts}",
            *priority.reasons,
        ),
    )


def raise_score(score: float, *, is_exposed: bool, is_powerful: bool, is_privileged: bool) -> float:
    """Return a score in a workload: each fact adds a part of the distance to the highest score, so that none ties.

    is_exposed: reachable from outside the cluster. is_powerful: with access to a node or the cluster. is_privileged: with access to Secrets.
    """
    highest = _HIGHEST if score >= _CRITICAL or (is_exposed and is_powerful) else max(_MAX_HIGH, score)
    for applies, (most, part) in ((is_exposed, _EXPOSED), (is_powerful, _POWERFUL), (is_privileged, _PRIVILEGED)):
        if applies:
            score += min(most, part * (highest - score))
    return round(score, 3)


def _rate(score: float, container: WorkloadContainer) -> float:
    return raise_score(
        score,
        is_exposed=bool(container.exposure),
        is_powerful=bool(container.power),
        is_privileged=bool(container.rights),
    )
