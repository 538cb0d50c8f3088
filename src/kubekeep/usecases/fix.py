"""Fix findings of a scan: plan the smallest edits of the files and prove them by a second scan. Writes nothing."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.fixes.edits.diff import Hunk, format_patch
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.plan import FileChange, Plan, Planner
from kubekeep.fixes.proposed_changes import propose_changes
from kubekeep.library.extra import load_rules
from kubekeep.library.load import Library
from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.errors import RequestError
from kubekeep.model.location import Path, parse_path
from kubekeep.model.resource import Resource
from kubekeep.model.secret_text import MASK
from kubekeep.model.severity import Severity
from kubekeep.posture.select import find_controls, find_frameworks
from kubekeep.sources.files import decode_text
from kubekeep.sources.tree import Problem
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


def parse_values(texts: Iterable[str]) -> dict[Path, Any]:
    """Return the values in texts PATH=VALUE, with VALUE in YAML. Raises ValueError for another text."""
    values: dict[Path, Any] = {}
    for text in texts:
        path, equals, yaml_text = text.partition("=")
        steps = parse_path(path)
        parsed = ParsedText(yaml_text).values
        if not (steps and equals) or len(parsed) != 1 or isinstance(parsed[0], Problem):
            raise RequestError(f"{text!r} is not PATH=VALUE")
        values[steps] = parsed[0]
    return values


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


def find_patch_folder(files: Sequence[FileChange]) -> str:
    """Return the folder for relative names in a patch: the working directory if it contains all files."""
    here = os.getcwd()  # noqa: PTH109 - text for the user
    paths = [os.path.abspath(change.name) for change in files]  # noqa: PTH100
    return here if not paths else os.path.commonpath([here, *paths])


def list_patch_lines(change: FileChange, folder: str, *, for_people: bool) -> Iterator[str]:
    """Yield the lines of a file's patch.

    for_people: mask secrets, and write the controls with their titles above each hunk, not in its header. Programs cannot
    apply such a patch.
    """
    name = os.path.relpath(change.name, folder).replace(os.sep, "/")
    hunks = _mask_hunks(change) if for_people else change.hunks
    notes = ["" if for_people else " ".join(control.id for control in change.controls(hunk)) for hunk in change.hunks]
    lines = format_patch(name, hunks, notes)
    yield from itertools.islice(lines, 2)
    for hunk in change.hunks:
        if for_people:
            yield from (f"# {control.id} {control.title}" for control in change.controls(hunk))
        yield from itertools.islice(lines, 1 + len(hunk.lines))


def _mask_hunks(change: FileChange) -> tuple[Hunk, ...]:
    """Return the hunks with the secrets of the file masked, before and after the change."""
    # Imported only to show a patch on a terminal.
    from kubekeep.privacy.excerpts import mask_secrets  # noqa: PLC0415

    before, after = (mask_secrets(decode_text(content) or "") for content in (change.before, change.after))
    return tuple(_mask_hunk(hunk, before, after) for hunk in change.hunks)


def _mask_hunk(hunk: Hunk, before: Sequence[str], after: Sequence[str]) -> Hunk:
    old, new, lines = hunk.old - 1, hunk.new - 1, []
    for line in hunk.lines:
        sign = line[:1]
        texts, number = (before, old) if sign == "-" else (after, new)
        if sign in {" ", "-", "+"}:
            # A line that readers count differently is hidden as a whole.
            lines.append(f"{sign}{texts[number] if number < len(texts) else MASK}")
        else:
            lines.append(line)
        old += sign in {" ", "-"}
        new += sign in {" ", "+"}
    return msgspec.structs.replace(hunk, lines=tuple(lines))
