"""The priority of a finding: the severity of its control, adjusted by the context of its resource.

The formula is described in `docs/scores.md`. Knows no kinds and no graph.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from kubekeep.model.control import Control
from kubekeep.model.priority import NO_CONTEXT, Priority, ResourceContext
from kubekeep.model.severity import Severity

_TAKEOVER: Final = 9.0
"""Minimum score of a failed control that gives control of a node or the cluster."""
_EXPOSED: Final = 1.0
"""Addition for a resource that can be reached from outside."""
_POWERFUL: Final = 1.0
"""Addition for a resource that can take over a node or the cluster."""
_MOST: Final[Mapping[str, float]] = {"security": 10.0, "availability": 5.0, "practice": 3.0}
"""Maximum score by effect of the control."""


def prioritise(control: Control, context: ResourceContext = NO_CONTEXT) -> Priority:
    """Return the priority of a failure of `control` on a resource with this context."""
    score = min(control.severity, _MOST[control.effect])
    if control.effect != "security":
        return Priority(Severity.of(score), score)
    reasons: list[str] = []
    step = context.steps.get(control.slug, "")
    if step:
        score = max(score, _TAKEOVER)
        reasons.append(step)
    elif context.power:
        score += _POWERFUL
        reasons.append(context.power)
    if context.exposure:
        score += _EXPOSED
        reasons.append(context.exposure)
    # Only a control that gives access itself becomes critical: the others depend on it.
    most = _MOST[control.effect] if step or control.severity >= _TAKEOVER else _TAKEOVER - 0.1
    score = round(min(score, most), 1)
    return Priority(Severity.of(score), score, tuple(reasons))
