"""Plans of fixes: the smallest edits of the scanned files, proven by a scan of a changed copy, written on request.

Planning writes only to the copy. A finding that cannot be fixed, or whose fix is not proven, has a reason.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH110, PTH116

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path as FilePath
from typing import Final

import msgspec

from kubekeep.fixes.edits.change import Change, EditRefusedError
from kubekeep.fixes.edits.diff import Hunk, make_hunks
from kubekeep.fixes.edits.target import EditTarget, find_target
from kubekeep.fixes.edits.text import EditResult, edit
from kubekeep.fixes.files import FileCache, TextFile
from kubekeep.fixes.proof import Proof
from kubekeep.fixes.proposed_changes import (
    DECIDED,
    ControlFinding,
    FindingFilter,
    ProposedChange,
    ProposedChanges,
    UnfixedCause,
    UnfixedFinding,
    format_key,
)
from kubekeep.fixes.risks import NEEDS_UNPRIVILEGED
from kubekeep.fixes.scratch_copy import ScratchCopy
from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.location import Path, has_path
from kubekeep.model.resource import Resource
from kubekeep.sinks.file import atomic

_MAX_SCANS: Final = 8
"""Maximum number of scans of changed copies; after each scan the rejected changes are dropped."""
_MAX_PROPOSALS: Final = 5
"""Number of scans after which no further changes are proposed and files with a rejected change are left unchanged."""
_UNPROVEN: Final = "a scan of the changed files does not confirm the fix"
_NOT_FIXED: Final = "the change of the field does not resolve the finding"


class FileChange(msgspec.Struct, frozen=True):
    """A file before and after its changes, the hunks between, and the findings each change fixes."""

    name: str
    before: bytes
    after: bytes
    hunks: tuple[Hunk, ...]
    findings: tuple[tuple[ControlFinding, ...], ...]
    changes: int

    def controls(self, hunk: Hunk) -> list[Definition]:
        """Return the controls that a hunk fixes, the most severe first."""
        controls = {
            finding.control.slug: finding.control for number in hunk.changes for finding in self.findings[number]
        }
        return sorted(controls.values(), key=lambda control: (-control.severity, control.id))


class Plan(msgspec.Struct, frozen=True):
    """The planned file changes, the findings they fix, and the findings that remain."""

    files: tuple[FileChange, ...]
    fixed: tuple[ControlFinding, ...]
    unfixed: tuple[UnfixedFinding, ...]
    risks: Mapping[str, Sequence[ControlFinding]]
    """A finding for each planned change that can stop a program, by the text of the risk."""
    assessment: Assessment

    @property
    def changes(self) -> int:
        """The number of values that are set or removed."""
        return sum(file.changes for file in self.files)

    @property
    def fixed_findings(self) -> int:
        """The number of findings as reports count them, a control on a resource, with evidence that is fixed."""
        return len(_identify_findings(self.fixed))

    @property
    def partly_fixed_findings(self) -> int:
        """The number of findings with evidence that is fixed and evidence that remains."""
        return len(_identify_findings(self.fixed) & _identify_findings(self.unfixed))

    @property
    def fixable_findings(self) -> int:
        """The number of findings with a known fix, whether the plan contains it or not."""
        known = (finding for finding in self.unfixed if finding.cause is not UnfixedCause.UNKNOWN)
        return len(_identify_findings(self.fixed) | _identify_findings(known))


class WriteFailure(msgspec.Struct, frozen=True):
    """A file that could not be written, and the reason."""

    name: str
    reason: str


class Planner:
    """Planner that turns proposed changes into proven edits."""

    def __init__(
        self,
        assessment: Assessment,
        find_changes: Callable[[Assessment, FindingFilter], ProposedChanges],
        is_selected: FindingFilter,
        paths: Sequence[str],
        scan: Callable[[tuple[str, ...]], Assessment],
        unsaved: Mapping[str, bytes],
    ) -> None:
        """Plan fixes for an assessment of paths.

        scan: repeats the scan for other paths. unsaved: contents by real path that replace those of files.
        """
        changes = find_changes(assessment, is_selected)
        self._paths = paths
        self._scan = scan
        self._assessment = assessment
        self._find_changes = find_changes
        self._is_selected = is_selected
        self._changes = list(changes.changes)
        self._conflicting_findings = changes.conflicting
        self._unfixed = list(changes.unfixed)
        self._unsaved = unsaved
        self._files = FileCache(unsaved)
        self._targets: dict[int, EditTarget] = {}
        self._known_changes = {_identify(change) for change in changes.changes}

    def plan(self) -> Plan:
        """Plan the edits that a scan of the changed files confirms; a second run on the result changes nothing."""
        active = [number for number, change in enumerate(self._changes) if self._find_target(number, change)]
        for count in range(_MAX_SCANS):
            active, edited, texts = self._edit_files(active)
            if not active:
                break
            proof = self._prove(active, texts)
            rejected = self._drop_rejected(proof, drops_files=count >= _MAX_PROPOSALS)
            remaining = [number for number in active if number not in rejected]
            extended = self._add_necessary(remaining, proof) if count < _MAX_PROPOSALS else remaining
            if not rejected and extended == active:
                return self._finish(active, edited, proof)
            active = extended
        for number in active:
            self._drop(number, _UNPROVEN)
        return self._finish([], {}, None)

    def _drop_rejected(self, proof: Proof, *, drops_files: bool) -> set[int]:
        """Drop the rejected changes; drops_files: drop all changes of the files concerned too."""
        rejected = dict(proof.rejected)
        files = {self._targets[number].file for number in rejected}
        if drops_files:
            rejected |= {n: _UNPROVEN for n in proof.numbers if self._targets[n].file in files and n not in rejected}
        for number, reason in rejected.items():
            self._drop(number, reason)
        return set(rejected)

    def _add_necessary(self, active: list[int], proof: Proof) -> list[int]:
        """Add the changes that become necessary through the planned ones, so that a second run changes nothing."""

        def was_selected(control: Definition, resource: Resource) -> bool:
            original = proof.find_original(resource)
            return original is not None and self._is_selected(control, original)

        numbers = list(active)
        for change in self._find_changes(proof.after, was_selected).changes:
            resource = proof.find_original(change.resource)
            if resource is None:
                continue
            path = self._original_path(resource, change.path, active)
            findings = tuple(
                ControlFinding(finding.control, resource, msgspec.structs.replace(finding.evidence, location=None))
                for finding in change.findings
            )
            duplicates = [n for n in numbers if self._changes[n].resource is resource and self._changes[n].path == path]
            findings += tuple(finding for number in duplicates for finding in self._changes[number].findings)
            proposal = ProposedChange(resource, path, change.value, findings, change.risk)
            if _identify(proposal) in self._known_changes:
                continue
            self._known_changes.add(_identify(proposal))
            self._changes.append(proposal)
            if self._find_target(len(self._changes) - 1, proposal):
                numbers = [number for number in numbers if number not in duplicates] + [len(self._changes) - 1]
        return numbers

    def _original_path(self, resource: Resource, path: Path, active: Sequence[int]) -> Path:
        """Convert a path after the changes to the path before them, counting removed items."""
        changes = [self._changes[number] for number in active if self._changes[number].resource is resource]
        removed = [change.path for change in changes if change.value is msgspec.UNSET]
        prefix: Path = ()
        for step in path:
            if isinstance(step, int):
                removed_indexes = sorted(
                    int(removed_path[-1]) for removed_path in removed if removed_path[:-1] == prefix
                )
                for index in removed_indexes:
                    step += index <= step  # noqa: PLW2901 - the step itself moves
            prefix = (*prefix, step)
        return prefix

    def _find_target(self, number: int, change: ProposedChange) -> bool:
        """Find the edit target of a change; return False and drop the change if there is none."""
        try:
            self._targets[number] = find_target(change.resource, change.path, self._files.parse)
        except EditRefusedError as error:
            self._drop(number, str(error))
        return number in self._targets

    def _drop(self, number: int, reason: str) -> None:
        for finding in self._changes[number].findings:
            self._record_unfixed(finding, reason)

    def _edit_files(
        self, active: Sequence[int]
    ) -> tuple[list[int], dict[str, tuple[EditResult, list[list[int]]]], dict[str, bytes]]:
        """Return the edits of each file with the changes behind each edit; changes that cannot be made are dropped."""
        by_file: dict[str, dict[tuple[int, Path, bytes], list[int]]] = {}
        for number in active:
            target = self._targets[number]
            *_, text = _identify(self._changes[number])
            by_file.setdefault(target.file, {}).setdefault((target.document, target.path, text), []).append(number)
        remaining: list[int] = []
        edited: dict[str, tuple[EditResult, list[list[int]]]] = {}
        texts: dict[str, bytes] = {}
        for file, rows in by_file.items():
            changes = [
                Change(document, path, self._changes[numbers[0]].value) for (document, path, _), numbers in rows.items()
            ]
            result = edit(self._files.parse(file), changes)
            numbers_by_change = list(rows.values())
            for change, reason in result.refused.items():
                for number in numbers_by_change[change]:
                    self._drop(number, reason)
            made_numbers = [
                number
                for change, numbers in enumerate(numbers_by_change)
                if change not in result.refused
                for number in numbers
            ]
            if made_numbers:
                remaining += made_numbers
                edited[file] = result, numbers_by_change
                texts[file] = self._files.read(file).encode(result.text)
        return sorted(remaining), edited, texts

    def _prove(self, active: Sequence[int], texts: Mapping[str, bytes]) -> Proof:
        """Scan a copy of the files with the edits applied."""
        sources = [result.subject.source for result in self._assessment.results if result.subject.source]
        is_generated = any(source.origin is not None or source.lazy_source_map is not None for source in sources)
        extra_files = {*texts, *(source.path for source in sources if is_generated)}
        existing = [path for path in extra_files if os.path.exists(path)]
        with ScratchCopy(self._paths, existing, copies_all=is_generated) as copy:
            for file, content in {**self._unsaved, **texts}.items():
                with contextlib.suppress(OSError):  # the scan then reads the unchanged file, which proves nothing
                    copy.write(file, content)
            after = self._scan(copy.paths)
            changes = {number: self._changes[number] for number in active}
            return Proof(self._assessment, after, changes, copy.get_relative_name)

    def _finish(
        self, active: Sequence[int], edited: Mapping[str, tuple[EditResult, list[list[int]]]], proof: Proof | None
    ) -> Plan:
        fixed: dict[tuple[str, str, str], ControlFinding] = {}
        planned = ((finding, _NOT_FIXED) for number in active for finding in self._changes[number].findings)
        for finding, reason in (*planned, *((finding, DECIDED) for finding in self._conflicting_findings)):
            if proof is not None and proof.resolves(finding):
                fixed.setdefault((format_key(finding.resource), finding.control.slug, finding.evidence.path), finding)
            else:
                self._record_unfixed(finding, (proof and proof.explain(finding)) or reason)
        files = [
            self._make_file_change(file, made, numbers_by_change, {*active})
            for file, (made, numbers_by_change) in edited.items()
        ]
        risks = _list_risks([self._changes[number] for number in active])
        return Plan(tuple(files), tuple(fixed.values()), _remove_duplicates(self._unfixed), risks, self._assessment)

    def _record_unfixed(self, finding: ControlFinding, reason: str) -> None:
        self._unfixed.append(
            UnfixedFinding(finding.control, finding.resource, finding.evidence, UnfixedCause.REFUSED, reason)
        )

    def _make_file_change(
        self, file: str, result: EditResult, numbers_by_change: Sequence[Sequence[int]], active: set[int]
    ) -> FileChange:
        text = self._files.read(file)
        findings = tuple(
            tuple(finding for number in numbers if number in active for finding in self._changes[number].findings)
            for numbers in numbers_by_change
        )
        return FileChange(
            name=file,
            before=text.data,
            after=text.encode(result.text),
            hunks=tuple(make_hunks(text.text, result.splices)),
            findings=findings,
            changes=len(numbers_by_change) - len(result.refused),
        )


def _list_risks(changes: Sequence[ProposedChange]) -> dict[str, list[ControlFinding]]:
    """Return a finding of each change with a risk, by the text of the risk, unless another change removes the risk."""
    restricted = {
        (format_key(change.resource), change.path[:-1]) for change in changes if change.path[-1] == "privileged"
    }
    risks: dict[str, list[ControlFinding]] = {}
    for change in changes:
        is_removed = change.risk == NEEDS_UNPRIVILEGED and (format_key(change.resource), change.path[:-1]) in restricted
        if change.risk and not is_removed:
            risks.setdefault(change.risk, []).append(change.findings[0])
    return risks


def count_findings(findings: Iterable[ControlFinding | UnfixedFinding]) -> int:
    """Return the number of findings as reports count them: a control on a resource, with all of its evidence."""
    return len(_identify_findings(findings))


def _identify_findings(findings: Iterable[ControlFinding | UnfixedFinding]) -> set[tuple[str, str]]:
    return {(format_key(finding.resource), finding.control.slug) for finding in findings}


def _identify(change: ProposedChange) -> tuple[str, Path, bytes]:
    """Return a key that identifies a change, without the index of an appended item."""
    text = b"" if change.value is msgspec.UNSET else msgspec.json.encode(change.value)
    appends = isinstance(change.path[-1], int) and not has_path(change.resource.object, change.path)
    return format_key(change.resource), (*change.path[:-1], "+") if appends else change.path, text


def _remove_duplicates(unfixed: Iterable[UnfixedFinding]) -> tuple[UnfixedFinding, ...]:
    """Return each finding once; a finding that needs several values may be listed several times."""
    by_key = {
        (format_key(finding.resource), finding.control.slug, finding.evidence.path, finding.reason): finding
        for finding in unfixed
    }
    return tuple(by_key.values())


def write_files(planned: Plan) -> list[WriteFailure]:
    """Write the files of a plan, each completely or not at all, and return the failures.

    A file keeps its mode and, if permitted, its owner. A file that has changed since it was read is not written.
    """
    return [WriteFailure(file.name, reason) for file in planned.files if (reason := _write_file(file))]


def _write_file(file: FileChange) -> str:
    try:
        status = os.stat(file.name)
        if not stat.S_ISREG(status.st_mode):
            return "it is no longer a file"
        if not status.st_mode & 0o222:
            return "it is read-only"
        if TextFile.read(file.name).data != file.before:
            return "it has changed since it was scanned"
        with atomic(FilePath(file.name)) as stream:
            stream.write(file.after.decode())
    except (OSError, EditRefusedError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
