"""How findings are put into words, on one line and as plain text; whoever shows them makes them harmless."""

from __future__ import annotations

import math

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import AppliedException
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource


def change(evidence: Evidence) -> str:
    """What to do about it: `set spec.hostPID to false (message)`."""
    path = evidence.path or "the whole resource"
    if evidence.fix is not None:
        text = f"set {path} to {evidence.fix}"
    else:
        text = f"delete {path}" if evidence.delete else f"review {path}"
    return f"{text} ({evidence.note})" if evidence.note else text


def command(evidence: Evidence, resource: Resource) -> str:
    """The same without its message, beside what else is told of it: `add spec.hostPID: false` where it is not set.

    Paths into related objects name their object.
    """
    path = _named(evidence.path, resource)
    if evidence.fix is not None:
        return f"set {path} to {evidence.fix}" if evidence.exists else f"add {path}: {evidence.fix}"
    return f"delete {path}" if evidence.delete else f"review {path}"


def _named(path: str, resource: Resource) -> str:
    """`rules[0] of Role reader` for a path into a related object, for nobody knows those by number."""
    head, mark, rest = path.partition("]")
    text = head.removeprefix("relatedObjects[")
    if not mark or text == head or not text.isdecimal() or int(text) >= len(resource.related):
        return path or "the whole resource"
    owner = resource.related[int(text)]
    name = f"{owner.kind} {owner.name}"
    return f"{rest.removeprefix('.')} of {name}" if rest else name


def place(resource: Resource, verdict: Verdict) -> Location | None:
    """The place to name first: that of the first evidence that has one, else of the resource, if it has any."""
    places = (evidence.location for evidence in verdict.evidence if evidence.location is not None)
    return next(places, None) or resource.locate(())


def accepted(exception: AppliedException) -> str:
    """Why it was accepted and until when: `waived by legacy-app: moves in June (until 2027-01-01)`."""
    reason = f": {exception.reason}" if exception.reason else ""
    until = f" (until {exception.expires.date().isoformat()})" if exception.expires else ""
    return f"waived by {exception.name}{reason}{until}"


def enforced(item: Enforcement) -> str:
    """What a policy of the cluster does: `enforced by policy no-root (Deny, Audit)`, or why that is not so."""
    if not item.bound:
        return f"policy {item.policy} is not bound, so that it enforces nothing"
    actions = f" ({', '.join(item.actions)})" if item.actions else ""
    extent = " in part" if item.partial else ""
    if item.denies:
        return f"enforced{extent} by policy {item.policy}{actions}"
    return f"told of{extent}, not refused, by policy {item.policy}{actions}"


def worst_first(assessment: Assessment) -> list[ControlSummary]:
    """The failed controls: those with new findings first, by severity score, then by how many resources fail."""
    failed = [summary for summary in assessment.controls if summary.status is Status.FAILED]
    new = {item.finding.control for item in (assessment.baseline.new if assessment.baseline else ())}
    return sorted(
        failed,
        key=lambda summary: (summary.control.id not in new, -summary.control.severity, -summary.counts.failed),
    )


def number(count: int, noun: str) -> str:
    """`1 control`, `2 controls`."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def percent(value: float | None) -> str:
    """`62 %`, rounded down, so that only what is whole shows as 100 %."""
    return "not known" if value is None else f"{math.floor(value)} %"


def scanned(assessment: Assessment) -> str:
    """`12 files, 35 resources`; of a cluster `Kubernetes v1.34.4-eks-1 (EKS), 88 resources`."""
    return f"{origin(assessment)}, {number(assessment.counts.total, 'resource')}"


def origin(assessment: Assessment) -> str:
    """What the resources are from: `12 files`, or the Kubernetes of a cluster, which has words of others in it."""
    cluster = assessment.target.cluster
    return number(assessment.files, "file") if cluster is None else cluster.kubernetes
