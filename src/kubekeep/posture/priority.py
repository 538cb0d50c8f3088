"""The priority of a finding: the severity of its control, adjusted by the context of its resource.

The formula is described in `docs/scores.md`. Knows no kinds and no graph.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.priority import NO_CONTEXT, Priority, ResourceContext
from kubekeep.model.severity import Severity
from kubekeep.model.verdict import Evidence, Status, rate_severity
from kubekeep.model.workload_container import raise_priority
from kubekeep.posture.node_agents import find_needed_access

_TAKEOVER: Final = 9.0
"""Minimum score of a failed control that gives control of a node or the cluster."""
_EXPOSED: Final = 1.0
"""Addition for a resource that can be reached from outside."""
_POWERFUL: Final = 1.0
"""Addition for a resource that can take over a node or the cluster."""
_NEEDED: Final = 3.0
"""Maximum score of access to the node that an agent needs."""
_MOST: Final[Mapping[str, float]] = {"security": 10.0, "availability": 5.0, "practice": 3.0}
"""Maximum score by effect of the control."""


def prioritise_results(results: Iterable[SubjectResult], controls: Iterable[Definition]) -> list[SubjectResult]:
    """Return the results with the priorities of failed controls in the context of their resources.

    Without a context, only failures with a severity of their own, and access that a node agent needs, get a priority of
    their own. Problems that a subject lists itself already have one, which the containers that run an image raise.
    """
    by_slug = {control.slug: control for control in controls}
    prioritised = []
    for result in results:
        priorities = _prioritise_result(result, by_slug)
        if priorities or result.priorities:
            result = msgspec.structs.replace(result, priorities=priorities)  # noqa: PLW2901 - the same result
        prioritised.append(result)
    return prioritised


def _prioritise_result(result: SubjectResult, controls: Mapping[str, Definition]) -> dict[str, Priority]:
    """Return the priorities of the failures of a result that differ from those without a context. controls: by slug."""
    context = result.context
    # Access that can be used from outside is urgent even if it is needed.
    needed = {} if context.exposure else find_needed_access(result, context.steps.keys())
    priorities: dict[str, Priority] = {}
    for slug, verdict in result.verdicts.items():
        if verdict.status is not Status.FAILED or slug not in controls:
            continue
        control = controls[slug]
        if slug in result.priorities:
            priority = raise_priority(result.priorities[slug], result.containers)
            if priority != control.urgency:
                priorities[slug] = priority
        elif slug in needed:
            score = min(rate_severity(control.severity, verdict.evidence), _NEEDED)
            priorities[slug] = Priority(Severity.from_score(score), score, reasons=(needed[slug],))
        elif context is not NO_CONTEXT or verdict.changes_severity:
            priorities[slug] = prioritise(control, context, verdict.evidence)
    return priorities


def attach_contexts(results: Iterable[SubjectResult], contexts: Mapping[int, ResourceContext]) -> list[SubjectResult]:
    """Return the results with the contexts of their subjects.

    contexts: by id() of the resource. A joined RBAC subject has the context of its binding and role.
    """
    attached = []
    for result in results:
        parts = (result.subject, *result.subject.related)
        matches = [context for part in parts if (context := contexts.get(id(part))) is not None]
        attached.append(msgspec.structs.replace(result, context=_merge(matches)) if matches else result)
    return attached


def _merge(contexts: Sequence[ResourceContext]) -> ResourceContext:
    if len(contexts) == 1:
        return contexts[0]
    steps = {slug: reason for context in reversed(contexts) for slug, reason in context.steps.items()}
    return msgspec.structs.replace(contexts[0], steps=steps)


def prioritise(
    control: Definition, context: ResourceContext = NO_CONTEXT, evidence: Sequence[Evidence] = ()
) -> Priority:
    """Return the priority of a failure of `control` on a resource with this context, with the severity of `evidence`."""
    if control.urgency is not None:
        return control.urgency
    severity = rate_severity(control.severity, evidence)
    return _rate(severity, control.effect, context.steps.get(control.slug, ""), context.power, context.exposure)


@functools.lru_cache(maxsize=4096)
def _rate(severity: float, effect: str, step: str, power: str, exposure: str) -> Priority:
    """Return the priority of a failure; equal ones are one object, because a large scan has hundreds of thousands."""
    score = min(severity, _MOST[effect])
    if effect != "security":
        return Priority(Severity.from_score(score), score)
    reasons: list[str] = []
    if step:
        score = max(score, _TAKEOVER)
    elif power:
        score += _POWERFUL
        reasons.append(power)
    if exposure:
        score += _EXPOSED
        reasons.append(exposure)
    # Only a control that gives access itself becomes critical: the others depend on it.
    most = _MOST[effect] if step or severity >= _TAKEOVER else _TAKEOVER - 0.1
    score = round(min(score, most), 1)
    return Priority(Severity.from_score(score), score, step, tuple(reasons))
