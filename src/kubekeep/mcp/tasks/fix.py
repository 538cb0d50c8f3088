"""Task of the tool `propose_fix`: plan fixes, show them as a diff with masked secrets, and write them on request.

Every change is confirmed by a second scan before it is shown. A file outside of the allowed folders is never written.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

import msgspec

from kubekeep.fixes.plan import FileChange, Plan, count_findings, write_files
from kubekeep.fixes.proposed_changes import UnfixedFinding
from kubekeep.mcp.answers import DiffEntry, FixAnswer, FixTotals, UnfixedGroup, UntrustedText
from kubekeep.mcp.tasks.task_input import TaskError, TaskInput, check_confined, is_allowed, open_input
from kubekeep.mcp.text import clean, clean_lines, cut
from kubekeep.model.location import parse_path
from kubekeep.model.severity import Severity
from kubekeep.privacy.excerpts import mask_secrets
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import RuleOptions, ScanRequest

_MAX_GROUPS: Final = 12
_TEXT: Final = 300
_MAX_DIFF: Final = 6_000
"""Maximum characters of an entry; a longer hunk is cut."""
_MAX_LISTED: Final = 10


class FixTask(msgspec.Struct, frozen=True, kw_only=True):
    """The findings to fix; `apply` writes the changes. `values` are values for findings without a fix, by path end."""

    frameworks: tuple[str, ...] = ()
    controls: tuple[str, ...] = ()
    min_severity: str = "low"
    apply: bool = False
    values: Mapping[str, str | int | float | bool] = {}


def run_fix(task_input: TaskInput, task: FixTask) -> FixAnswer:
    """Return the changes, and write them if the task says so."""
    with open_input(task_input) as source:
        rules = RuleOptions(frameworks=task.frameworks, controls=task.controls)
        request = FixRequest(
            scan=ScanRequest(source, rules),
            severity=Severity.parse(task.min_severity),
            values={parse_path(path): value for path, value in task.values.items() if path},
        )
        fix_plan = plan(request)
        check_confined(fix_plan.assessment, task_input)
        outside = [change.name for change in fix_plan.files if not is_allowed(change.name, task_input)]
        if outside:
            raise TaskError(f"{clean(outside[0], _TEXT)}: not changed: the file is outside of the roots")
        diffs = [_FileDiff(change) for change in fix_plan.files]
        failures = write_files(fix_plan) if task.apply else []
    entries = [entry for diff in diffs for entry in diff.entries()]
    return FixAnswer(
        total_entries=len(entries),
        applied=task.apply and len(failures) < len(fix_plan.files),
        totals=_count(fix_plan),
        masked=any(diff.is_masked for diff in diffs),
        risks=[clean(risk, _TEXT) for risk in fix_plan.risks],
        unfixed=list(_group_unfixed(fix_plan.unfixed)),
        untrusted_not_written=[
            UntrustedText(text=clean(failure.reason, _TEXT), file=clean(failure.name, _TEXT))
            for failure in failures[:_MAX_LISTED]
        ],
        entries=entries,
    )


class _FileDiff:
    """Unified diff of one file, with secrets masked."""

    def __init__(self, change: FileChange) -> None:
        self._change = change
        before, after = (data.decode("utf-8", "replace") for data in (change.before, change.after))
        masked_before, masked_after = _mask_lines(before), _mask_lines(after)
        self._name = clean(change.name, _TEXT)
        diff = list(
            difflib.unified_diff(masked_before, masked_after, f"a/{self._name}", f"b/{self._name}", lineterm="")
        )
        plain = difflib.unified_diff(before.splitlines(), after.splitlines(), "", "", lineterm="")
        self.is_masked = diff[2:] != list(plain)[2:]
        self._head, self._hunks = diff[:2], _split_hunks(diff[2:])

    def entries(self) -> Iterator[DiffEntry]:
        """Yield the hunks, as many as fit together; each entry is a diff of its own."""
        controls = {control.id: None for hunk in self._change.hunks for control in self._change.controls(hunk)}
        group: list[str] = []
        for hunk in self._hunks:
            if group and sum(map(len, group)) + len(hunk) > _MAX_DIFF:
                yield self._make_entry(controls, group)
                group = []
            group.append(cut(hunk, _MAX_DIFF))
        if group:
            yield self._make_entry(controls, group)

    def _make_entry(self, controls: Iterable[str], hunks: list[str]) -> DiffEntry:
        text = "\n".join((*self._head, *hunks)) + "\n"
        return DiffEntry(
            controls=list(controls)[: _MAX_LISTED * 2], untrusted=UntrustedText(text=text, file=self._name)
        )


def _mask_lines(text: str) -> list[str]:
    """Return the lines of a file, without the end of the last one, with secrets masked."""
    return "\n".join(mask_secrets(text)).splitlines()


def _split_hunks(lines: Iterable[str]) -> list[str]:
    hunks: list[list[str]] = []
    for line in lines:
        if line.startswith("@@"):
            hunks.append([])
        hunks[-1].append(line)
    return [clean_lines("\n".join(hunk), _MAX_DIFF) for hunk in hunks]


def _count(fix_plan: Plan) -> FixTotals:
    return FixTotals(
        fixable=fix_plan.fixable_findings,
        fixed=fix_plan.fixed_findings,
        partly_fixed=fix_plan.partly_fixed_findings,
        changes=fix_plan.changes,
        files=len(fix_plan.files),
        unread=len(fix_plan.assessment.unread),
    )


def _group_unfixed(unfixed: Iterable[UnfixedFinding]) -> Iterator[UnfixedGroup]:
    groups: dict[tuple[str, str, str], list[UnfixedFinding]] = {}
    for finding in unfixed:
        groups.setdefault((finding.control.id, finding.cause.value, finding.reason), []).append(finding)
    for (control, cause, reason), findings in list(groups.items())[:_MAX_GROUPS]:
        yield UnfixedGroup(
            control=control,
            cause=cause,
            findings=count_findings(findings),
            untrusted=UntrustedText(text=clean(reason, _TEXT)),
        )
