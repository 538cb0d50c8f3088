"""Wording of findings as one-line plain text, and text of CommonMark. Does not escape for any other format."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from typing import Final

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.exception import AppliedException
from kubekeep.model.location import Location, has_path, parse_path, value_at
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.model.verdict import Cause, Evidence, Reason

NOTHING_EVALUATED: Final = "nothing was evaluated: the input has no resource that a control applies to"
_NOTES: Final = 2
"""Maximum number of notes beside the overview."""
_LONGEST_NOTE: Final = 200
_TICKS: Final = re.compile("`+")
_MARKDOWN: Final = re.compile(r"[\\`*_{}\[\]()<>#+!|~&@:$-]")
_GAP_CAUSES: Final[dict[Cause | None, str]] = {
    Cause.NEEDS_HOST_DATA: "data of the nodes is missing: run kubekeep host collect",
    Cause.NEEDS_CLOUD_DATA: "data of the cloud is missing: add documents such as ClusterDescribe",
    Cause.NEEDS_IMAGE_DATA: "reports on the images are missing: add ImageVulnerabilities documents",
    Cause.NEEDS_ACCESS: "resources could not be listed: see below",
    Cause.NEEDS_CLUSTER: "a cluster is required; use --snapshot if the files hold all resources of one",
    Cause.MANUAL: "manual review is required: see kubekeep explain",
    Cause.CONFIGURATION: "a parameter is missing in --controls-config",
    Cause.MISSING_DATA: "required data is missing from the input",
}
_CLUSTER_GAP_CAUSES: Final[dict[Cause | None, str]] = {
    Cause.NEEDS_CLUSTER: "data of the control plane is missing: run kubekeep host collect on its nodes",
}


def describe_change(evidence: Evidence) -> str:
    """Return the change to make with its message: `set spec.hostPID to false (message)`.

    The message of a vulnerability is complete: `openssl 3.0.1: fixed in 3.0.2`.
    """
    if evidence.note and evidence.package is not None:
        return evidence.note
    path = evidence.path or "the whole resource"
    if evidence.fix is not None:
        text = f"set {path} to {evidence.fix}"
    else:
        text = f"delete {path}" if evidence.delete else f"review {path}"
    return f"{text} ({evidence.note})" if evidence.note else text


def describe_fix(evidence: Evidence, resource: Subject) -> str:
    """Return the change to make without its message: `set spec.hostPID to false`, or `add ...` if the field is unset.

    A path into a related resource names that resource instead of its index. A package with a vulnerability is upgraded.
    """
    if evidence.package is not None:
        return "review the package" if evidence.fix is None else f"upgrade to {json.loads(evidence.fix)}"
    path = _display_path(evidence.path, resource)
    if resource.kind == "Dockerfile" and (evidence.delete or evidence.fix is not None):
        # A word of a Dockerfile says more than its path; a report without names has no words.
        steps = parse_path(evidence.path)
        word = value_at(resource.object, steps) if has_path(resource.object, steps) else path
        return f"delete {word}" if evidence.fix is None else f"replace {word} by {json.loads(evidence.fix)}"
    if evidence.fix is not None:
        return f"set {path} to {evidence.fix}" if evidence.exists else f"add {path}: {evidence.fix}"
    return f"delete {path}" if evidence.delete else f"review {path}"


def _display_path(path: str, resource: Subject) -> str:
    """Return `rules[0] of Role reader` for a path into a related resource (`relatedObjects[1].rules[0]`)."""
    head, mark, rest = path.partition("]")
    text = head.removeprefix("relatedObjects[")
    if not mark or text == head or not text.isdecimal() or int(text) >= len(resource.related):
        return path or "the whole resource"
    owner = resource.related[int(text)]
    name = f"{owner.kind} {owner.name}"
    return f"{rest.removeprefix('.')} of {name}" if rest else name


def relative_location(location: Location | None, head: Location | None) -> str:
    """Return the text of a location beside a heading with the location `head`.

    Empty if both are equal or there is none; `line 12` in the same file.
    """
    if location is None or str(location) == str(head):
        return ""
    if head is not None and location.file == head.file and location.region is not None:
        return f"line {location.region.start.line}"
    return str(location)


def describe_exception(exception: AppliedException) -> str:
    """Return the exception with reason and end: `covered by exception legacy-app: moves in June (until 2027-01-01)`."""
    reason = f": {exception.reason}" if exception.reason else ""
    until = f" (until {exception.expires.date().isoformat()})" if exception.expires else ""
    return f"covered by exception {exception.name}{reason}{until}"


def describe_enforcement(enforcement: Enforcement) -> str:
    """Return the effect of a cluster policy: `enforced by policy no-root (Deny, Audit)`, or the reason for none."""
    if not enforcement.is_bound:
        return f"policy {enforcement.policy} is not bound and has no effect"
    actions = f" ({', '.join(enforcement.actions)})" if enforcement.actions else ""
    extent = " in part" if enforcement.is_partial else ""
    if enforcement.denies:
        return f"enforced{extent} by policy {enforcement.policy}{actions}"
    return f"reported{extent}, not denied, by policy {enforcement.policy}{actions}"


def reason_text(reason: Reason | None) -> str:
    """Return the sentence of a reason."""
    return reason.text if reason and reason.text else "the reason is unknown"


def describe_gap(cause: Cause | None, assessment: Assessment) -> str:
    """Return the kind of data that controls with this cause require."""
    texts = _GAP_CAUSES | (_CLUSTER_GAP_CAUSES if assessment.target.cluster else {})
    return texts.get(cause, "could not be evaluated")


def group_by_reason(controls: Iterable[DefinitionSummary]) -> dict[str, list[DefinitionSummary]]:
    """Group the unevaluated controls by the sentence of their reason, in input order."""
    groups: dict[str, list[DefinitionSummary]] = {}
    for summary in controls:
        if summary.is_gap:
            groups.setdefault(reason_text(summary.reason), []).append(summary)
    return groups


def count_noun(count: int, noun: str) -> str:
    """Return a count with its noun: `1 control`, `2 controls`, `2 vulnerabilities`."""
    if count == 1:
        return f"1 {noun}"
    return f"{count:,} {noun.removesuffix('y')}ies" if noun.endswith("ability") else f"{count:,} {noun}s"


def shorten(text: str, longest: int) -> str:
    """Return the first `longest` characters of text, escaped by `visible`, with an ellipsis if it is longer."""
    visible_text = visible(text[: longest + 1])
    return visible_text if len(visible_text) <= longest else f"{visible_text[:longest]}…"


def shorten_start(text: str, longest: int) -> str:
    """Return the last `longest` characters of a name, escaped by `visible`, with an ellipsis if it is longer.

    For names whose end tells them apart, such as images and files.
    """
    visible_text = visible(text)
    return visible_text if len(visible_text) <= longest else f"…{visible_text[-longest:]}"


def limit_notes(notes: Sequence[str]) -> list[str]:
    """Return the first notes beside the overview of a terminal, which is one screen, and the number of the others."""
    shown = [shorten(note, _LONGEST_NOTE) for note in notes[: _NOTES if len(notes) > _NOTES + 1 else len(notes)]]
    rest = len(notes) - len(shown)
    return [*shown, f"… and {count_noun(rest, 'more note')} (--view all)"] if rest else shown


def percent(value: float | None) -> str:
    """Return `62 %`, rounded down so that only a full value shows as 100 %."""
    return "not known" if value is None else f"{math.floor(value)} %"


def describe_input(assessment: Assessment) -> str:
    """Return the size of the input: `12 files, 35 resources`, or `Kubernetes v1.34.4-eks-1 (EKS), 88 resources`."""
    resources = count_noun(assessment.counts.total, "resource")
    return f"{describe_origin(assessment)}, {resources}" if assessment.files or assessment.target.cluster else resources


def describe_origin(assessment: Assessment) -> str:
    """Return the origin of the resources: `12 files`, or the Kubernetes version of a cluster (untrusted text)."""
    cluster = assessment.target.cluster
    return count_noun(assessment.files, "file") if cluster is None else cluster.kubernetes


def code(text: str) -> str:
    """Return text as a one-line code span (CommonMark 0.31, 6.1) with a fence longer than its longest run of backticks."""
    visible_text = visible(text)
    if not visible_text.strip():
        return "(empty)"
    fence = "`" * (max((len(run) for run in _TICKS.findall(visible_text)), default=0) + 1)
    pad = " " if visible_text[0] in "` " or visible_text[-1] in "` " else ""
    return f"{fence}{pad}{visible_text}{pad}{fence}"


def escape_markdown(text: str, longest: int) -> str:
    """Return text shortened for a cell of Markdown: each special character becomes a numeric character reference."""
    return _MARKDOWN.sub(lambda match: f"&#{ord(match.group())};", shorten(text, longest))
