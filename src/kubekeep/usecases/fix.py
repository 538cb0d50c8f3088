"""Fix findings of a scan: plan the smallest edits of the files and prove them by a second scan. Writes nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kubekeep.fixes.plan import Plan, Planner
from kubekeep.fixes.wanted_changes import wishes
from kubekeep.library.extra import gather
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.location import Path
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.posture.select import controls_named, frameworks_named
from kubekeep.usecases.scan import DEFAULT_FRAMEWORKS, ScanRequest, scan


class FixRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to scan, and which of its findings to mend.

    `values` are the user's own for findings without a fix, by the end of their path. `only` are the findings to
    look at, by file, object and number of the control; None for all.
    """

    scan: ScanRequest
    severity: Severity | None = None
    values: Mapping[Path, Any] = {}
    only: Callable[[Resource, Control], bool] | None = None


def plan(request: FixRequest, *, note: Callable[[int], None] = lambda _: None) -> Plan:
    """What would mend the findings of a scan. Raises what `scan` raises.

    Every control is looked at, so that none begins to fail; only what was asked for is mended.
    """
    asked = request.scan
    names = (*asked.frameworks, *DEFAULT_FRAMEWORKS) if asked.frameworks or asked.controls else ()
    everything = msgspec.structs.replace(asked, frameworks=tuple(dict.fromkeys(names)))
    assessment = scan(everything, note=note)
    rules = asked.rules or gather()
    named = frozenset(control.slug for control in controls_named(asked.controls, rules.library))
    wanted = _wanted(asked, assessment, named)

    def is_asked(control: Control, resource: Resource) -> bool:
        is_severe = request.severity is None or control.level >= request.severity
        is_wanted = wanted is None or control.slug in wanted
        return is_severe and is_wanted and (request.only is None or request.only(resource, control))

    look = functools.partial(wishes, named=named, values=request.values)

    def scan_again(paths: tuple[str, ...]) -> Assessment:
        return scan(msgspec.structs.replace(everything, paths=paths))

    return Planner(assessment, look, is_asked, asked.paths, scan_again).plan()


def _wanted(asked: ScanRequest, assessment: Assessment, named: frozenset[str]) -> frozenset[str] | None:
    """The slugs of the controls that were asked for; None for all."""
    if not (asked.frameworks or asked.controls):
        return None
    library = (asked.rules or gather()).library
    slugs = {framework.slug for framework in frameworks_named(asked.frameworks, library)}
    members = {slug for item in assessment.frameworks if item.framework.slug in slugs for slug in item.controls}
    return named | members
