"""Fix findings of a scan: plan the smallest edits of the files and prove them by a second scan. Writes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.fixes.plan import Plan, Planner
from kubekeep.fixes.proposed_changes import propose_changes
from kubekeep.library.extra import load_rules
from kubekeep.library.load import Library
from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.posture.select import find_controls, find_frameworks
from kubekeep.usecases.request import RuleOptions, ScanRequest
from kubekeep.usecases.rule_selection import DEFAULT_FRAMEWORKS
from kubekeep.usecases.scan import scan

_PROOF: Final = ("allcontrols",)
"""Frameworks of the second scan: a fix must not make any of their controls fail."""


class FixRequest(msgspec.Struct, frozen=True, kw_only=True):
    """The scan with the findings to fix.

    `values` are the user's values for findings without a fix, by the end of their path. `only` returns True for the
    findings to fix, for example those of a report; None for all. Named controls, unless they are from a report, and
    with `includes_risky` all controls may make changes that can stop a program.
    """

    scan: ScanRequest
    severity: Severity | None = None
    values: Mapping[Path, Any] = {}
    includes_risky: bool = False
    only: Callable[[Resource, Definition], bool] | None = None


def plan(request: FixRequest, *, on_progress: Callable[[int], None] = lambda _: None) -> Plan:
    """Return the plan that fixes the findings of a scan. Raises the errors of `scan`.

    Every control is evaluated, so that no fix makes another control fail; only requested findings are fixed.
    """
    rules = request.scan.rules
    if not (rules.frameworks or rules.controls or rules.extra):
        rules = msgspec.structs.replace(rules, frameworks=DEFAULT_FRAMEWORKS)
    names = (*rules.frameworks, *_PROOF) if rules.frameworks or rules.controls else ()
    all_rules = msgspec.structs.replace(rules, frameworks=tuple(dict.fromkeys(names)))
    full_request = msgspec.structs.replace(request.scan, rules=all_rules)
    assessment = scan(full_request, on_progress=on_progress)
    library = (rules.extra or load_rules()).library
    listed = frozenset(control.slug for control in find_controls(rules.controls, library))
    requested = _requested_controls(rules, library, assessment, listed)

    def is_requested(control: Definition, resource: Resource) -> bool:
        is_severe = request.severity is None or control.level >= request.severity
        is_selected = requested is None or control.slug in requested
        return is_severe and is_selected and (request.only is None or request.only(resource, control))

    find_changes = functools.partial(
        propose_changes,
        requested_controls=listed if request.only is None else frozenset(),
        includes_risky=request.includes_risky,
        values=request.values,
    )

    def scan_again(paths: tuple[str, ...]) -> Assessment:
        copied_input = msgspec.structs.replace(full_request.input, paths=paths)
        return scan(msgspec.structs.replace(full_request, input=copied_input))

    return Planner(
        assessment, find_changes, is_requested, request.scan.input.paths, scan_again, request.scan.input.read.unsaved
    ).plan()


def _requested_controls(
    rules: RuleOptions, library: Library, assessment: Assessment, listed: frozenset[str]
) -> frozenset[str] | None:
    """Return the slugs of the requested controls; None for all."""
    if not (rules.frameworks or rules.controls):
        return None
    slugs = {framework.slug for framework in find_frameworks(rules.frameworks, library)}
    return listed.union(*(summary.controls for summary in assessment.frameworks if summary.framework.slug in slugs))
