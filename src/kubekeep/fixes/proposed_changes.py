"""Changes that would fix the findings of an assessment: values to set or to remove, one per path.

Never edits files and never proves a change.
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

import msgspec

from kubekeep.fixes.risks import find_risk
from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.location import Path, format_path, has_path, parse_path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Status

_PLACEHOLDER: Final = re.compile(r"YOUR_|<[A-Za-z][\w -]*>")
"""Placeholder for a user's value in third-party rules."""
NO_FIX: Final = "no general fix is known"
NEEDS_VALUE: Final = "set a value: --value {}=VALUE"
MAY_BE_NEEDED: Final = "the workload may need it; to remove it, name the control: kubekeep fix control ID PATH"
DECIDED: Final = "another control requires a different value"
_INSIDE: Final = "it is inside a text value of the object"


FindingFilter = Callable[[Definition, Resource], bool]
"""Predicate: True if findings of the control on the resource are to be fixed."""


class UnfixedCause(enum.Enum):
    """Cause that leaves a finding unfixed."""

    UNKNOWN = "no fix is known"
    NEEDS_USER = "input required"
    RISKY = "can stop a program"
    REFUSED = "not fixed"


class UnfixedFinding(msgspec.Struct, frozen=True):
    """A finding that is not fixed, with cause and reason."""

    control: Definition
    resource: Resource
    evidence: Evidence
    cause: UnfixedCause
    reason: str


class ControlFinding(msgspec.Struct, frozen=True):
    """A piece of evidence with its control and resource."""

    control: Definition
    resource: Resource
    evidence: Evidence


class ProposedChange(msgspec.Struct, frozen=True):
    """A value to set in an object, or to remove if `value` is UNSET, and the findings it fixes.

    risk: how the change can stop a program, or empty.
    """

    resource: Resource
    path: Path
    value: Any
    findings: tuple[ControlFinding, ...]
    risk: str = ""

    @property
    def severity(self) -> float:
        """The severity of the most severe control concerned."""
        return max(finding.control.severity for finding in self.findings)


class ProposedChanges(msgspec.Struct, frozen=True):
    """Proposed changes, unfixed findings, and findings in conflict with a change at the same path, which may fix them."""

    changes: tuple[ProposedChange, ...]
    unfixed: tuple[UnfixedFinding, ...]
    conflicting: tuple[ControlFinding, ...]


def propose_changes(
    assessment: Assessment,
    is_selected: FindingFilter,
    *,
    requested_controls: frozenset[str] = frozenset(),
    includes_risky: bool = False,
    values: Mapping[Path, Any],
) -> ProposedChanges:
    """Propose changes that would fix the findings selected by `is_selected`.

    requested_controls: slugs of controls that may remove list items that are mappings, such as volumes, and that may
    make changes that can stop a program. includes_risky: all controls may make such changes. values: user values for
    findings without a fix, by the end of their path.
    """
    unfixed: list[UnfixedFinding] = []
    by_change: dict[tuple[str, Path, bytes], list[ProposedChange]] = {}
    for finding in _list_findings(assessment, is_selected):
        changes = _find_changes(finding, requested_controls, values)
        if isinstance(changes, UnfixedFinding):
            unfixed.append(changes)
            continue
        risks = [change.risk for change in changes if change.risk]
        if risks and not includes_risky and finding.control.slug not in requested_controls:
            unfixed.append(_build_unfixed(finding, UnfixedCause.RISKY, risks[0]))
            continue
        for change in changes:
            value = msgspec.json.encode(None if change.value is msgspec.UNSET else [change.value])
            by_change.setdefault((format_key(change.resource), change.path, value), []).append(change)
    by_object: dict[str, list[ProposedChange]] = {}
    for (object_key, *_), rows in by_change.items():
        change = msgspec.structs.replace(rows[0], findings=tuple(finding for row in rows for finding in row.findings))
        by_object.setdefault(object_key, []).append(change)
    selected: list[ProposedChange] = []
    conflicting: list[ControlFinding] = []
    for group in by_object.values():
        _select_changes(group, selected, conflicting)
    return ProposedChanges(tuple(selected), tuple(unfixed), tuple(conflicting))


def _list_findings(assessment: Assessment, is_selected: FindingFilter) -> Iterator[ControlFinding]:
    controls = {summary.definition.slug: summary.definition for summary in assessment.summaries}
    for result in assessment.results:
        resource = result.subject
        if not isinstance(resource, Resource):
            continue
        for slug, verdict in result.verdicts.items():
            if verdict.status is Status.FAILED and is_selected(controls[slug], resource):
                for evidence in verdict.unexcepted.evidence:
                    yield ControlFinding(controls[slug], resource, evidence)


def _find_changes(
    finding: ControlFinding, requested_controls: frozenset[str], values: Mapping[Path, Any]
) -> tuple[ProposedChange, ...] | UnfixedFinding:
    """Return the changes that would fix a finding. A value that the user chose has no risk."""
    evidence = finding.evidence
    target, path = _find_object(finding.resource, parse_path(evidence.path))
    fix = None if evidence.fix is None else json.loads(evidence.fix)
    if evidence.delete:
        return _find_removal(finding, target, path, requested_controls)
    is_chosen = False
    if fix is None or (isinstance(fix, str) and _PLACEHOLDER.search(fix)):
        user_value = next((value for end, value in values.items() if path[-len(end) :] == end), msgspec.UNSET)
        if user_value is msgspec.UNSET:
            needs_value = fix is not None and bool(path)
            reason = NEEDS_VALUE.format(format_path(path[-2:])) if needs_value else NO_FIX
            return _build_unfixed(finding, UnfixedCause.NEEDS_USER if needs_value else UnfixedCause.UNKNOWN, reason)
        fix, is_chosen = user_value, True
    if not path or evidence.location != finding.resource.locate(parse_path(evidence.path)):
        return _build_unfixed(finding, UnfixedCause.REFUSED, _INSIDE)
    return tuple(
        ProposedChange(target, leaf, value, (finding,), "" if is_chosen else find_risk(target, leaf, value))
        for leaf, value in _split_by_key(target.object, path, fix)
    )


def _find_removal(
    finding: ControlFinding, target: Resource, path: Path, requested_controls: frozenset[str]
) -> tuple[ProposedChange, ...] | UnfixedFinding:
    """Return the removal of the value at `path` that would fix a finding."""
    if not (path and has_path(target.object, path)):
        return _build_unfixed(finding, UnfixedCause.REFUSED, _INSIDE)
    is_part = isinstance(path[-1], int) and isinstance(value_at(target.object, path), dict)
    if is_part and finding.control.slug not in requested_controls:
        return _build_unfixed(finding, UnfixedCause.NEEDS_USER, MAY_BE_NEEDED)
    return (ProposedChange(target, path, msgspec.UNSET, (finding,), find_risk(target, path, msgspec.UNSET)),)


def propose_changes_for(finding: ControlFinding) -> tuple[ProposedChange, ...]:
    """Propose the changes that fix a single finding; empty if there is no generally valid fix."""
    changes = _find_changes(finding, frozenset(), {})
    return () if isinstance(changes, UnfixedFinding) else changes


def _build_unfixed(finding: ControlFinding, cause: UnfixedCause, reason: str) -> UnfixedFinding:
    return UnfixedFinding(finding.control, finding.resource, finding.evidence, cause, reason)


def _find_object(resource: Resource, path: Path) -> tuple[Resource, Path]:
    """Return the object that `path` belongs to, and the path in it; in a joined resource this is a related object."""
    match path:
        case ("relatedObjects", int(number), *rest) if number < len(resource.related):
            return resource.related[number], tuple(rest)
        case _:
            return resource, path


def format_key(resource: Subject, name: Callable[[str], str] = str) -> str:
    """Format the key of an object in a scan: file, document, path and identity.

    name: maps a file name to one that is the same in another scan.
    """
    if resource.source is None:
        parts = " ".join(format_key(related, name) for related in resource.related)
        return f"{resource.identity} of {parts}"
    source = resource.source
    return f"{name(source.path)}:{source.document}:{format_path(source.root)} {resource.identity}"


def _split_by_key(document: Any, path: Path, value: Any) -> Iterator[tuple[Path, Any]]:
    """Yield path and value of a change; a mapping for an absent path key by key, to combine it with other changes."""
    if isinstance(value, dict) and value and not (has_path(document, path) and value_at(document, path)):
        for key, child in value.items():
            yield from _split_by_key(document, (*path, key), child)
    else:
        yield path, value


def _select_changes(
    group: Iterable[ProposedChange], selected: list[ProposedChange], conflicting: list[ControlFinding]
) -> None:
    """Select one change per path of an object: setting before removing, more severe first, none inside another."""
    selected_by_path: dict[Path, ProposedChange] = {}
    ranked = sorted(group, key=lambda change: (len(change.path), change.value is msgspec.UNSET, -change.severity))
    for change in ranked:
        path = change.path
        while path in selected_by_path and _appends(change, path):
            path = (*path[:-1], int(path[-1]) + 1)
        if any(path[:length] in selected_by_path for length in range(1, len(path) + 1)):
            conflicting += change.findings
        else:
            selected_by_path[path] = msgspec.structs.replace(change, path=path)
    selected += selected_by_path.values()


def _appends(change: ProposedChange, path: Path) -> bool:
    """Return True if the change appends to a list, which other changes may do too."""
    return (
        change.value is not msgspec.UNSET and isinstance(path[-1], int) and not has_path(change.resource.object, path)
    )
