"""Mend what a scan finds: plan the smallest edits of the files, prove them by a second scan, and write them.

A plan writes nothing of the user's. What cannot be mended, or not proven, is told with its reason; never prints.
"""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from kubekeep.assess import fix
from kubekeep.assess.fix import Finding, Left, Why, Wish, key_of
from kubekeep.assess.proof import Proof
from kubekeep.assess.select import controls_named, frameworks_named
from kubekeep.edits.change import Change, RefusedError
from kubekeep.edits.diff import Hunk, hunks
from kubekeep.edits.reading import Reading
from kubekeep.edits.target import Target, target_of
from kubekeep.edits.text import Edited, edit
from kubekeep.library.extra import gather
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.location import Path as Steps
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.sinks.file import atomic
from kubekeep.usecases.files import Files, Text
from kubekeep.usecases.scan import DEFAULT_FRAMEWORKS, ScanRequest, scan
from kubekeep.usecases.twin import Twin

_ROUNDS: Final = 8
"""Scans of changed copies, each without what the one before refuted, until nothing is proposed."""
_UNPROVEN: Final = "a scan of the changed files does not confirm it"


class FixRequest(msgspec.Struct, frozen=True, kw_only=True):
    """What to scan, and which of its findings to mend.

    `values` are the user's own for findings without a fix, by the end of their path. `only` are the findings to
    look at, by file, object and number of the control; None for all.
    """

    scan: ScanRequest
    severity: Severity | None = None
    values: Mapping[Steps, Any] = {}
    only: Callable[[Resource, Control], bool] | None = None


class FileChange(msgspec.Struct, frozen=True):
    """A file as it was read and as it is to be, with the hunks between and the findings that each mends."""

    name: str
    before: bytes
    after: bytes
    hunks: tuple[Hunk, ...]
    findings: tuple[tuple[Finding, ...], ...]
    changes: int

    def controls(self, hunk: Hunk) -> list[Control]:
        """The controls that a hunk mends, the most severe first."""
        found = {item.control.slug: item.control for number in hunk.changes for item in self.findings[number]}
        return sorted(found.values(), key=lambda control: (-control.severity, control.id))


class Plan(msgspec.Struct, frozen=True):
    """What is to be changed, how many findings that mends, and which ones are left."""

    files: tuple[FileChange, ...]
    fixed: tuple[Finding, ...]
    left: tuple[Left, ...]
    assessment: Assessment

    @property
    def changes(self) -> int:
        """How many values are set or removed."""
        return sum(file.changes for file in self.files)


class Unwritten(msgspec.Struct, frozen=True):
    """A file that was not written, and why."""

    name: str
    reason: str


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

    found = fix.wishes(assessment, is_asked, named=named, values=request.values)
    return _Planner(everything, assessment, found).plan()


def _wanted(asked: ScanRequest, assessment: Assessment, named: frozenset[str]) -> frozenset[str] | None:
    """The slugs of the controls that were asked for; None for all."""
    if not (asked.frameworks or asked.controls):
        return None
    library = (asked.rules or gather()).library
    slugs = {framework.slug for framework in frameworks_named(asked.frameworks, library)}
    members = {slug for item in assessment.frameworks if item.framework.slug in slugs for slug in item.controls}
    return named | members


class _Planner:
    """The way from wishes to proven edits."""

    def __init__(self, request: ScanRequest, assessment: Assessment, found: fix.Wishes) -> None:
        self._request = request
        self._assessment = assessment
        self._found = found
        self._left = list(found.left)
        self._files = Files()
        self._targets: dict[int, Target] = {}

    def plan(self) -> Plan:
        """The edits that a scan of the changed files confirms."""
        active = [number for number, wish in enumerate(self._found.wishes) if self._aim(number, wish)]
        proof = None
        for _ in range(_ROUNDS):
            active, edited, texts = self._edited(active)
            if not active:
                break
            proof = self._proof(active, texts)
            if not proof.refuted:
                return self._done(active, edited, proof)
            for number, reason in proof.refuted.items():
                self._give_up(number, reason)
            active = [number for number in active if number not in proof.refuted]
        for number in active:
            self._give_up(number, _UNPROVEN)
        return self._done([], {}, None)

    def _aim(self, number: int, wish: Wish) -> bool:
        """Whether there is a place to change for a wish."""
        try:
            self._targets[number] = target_of(wish.resource, wish.path, self._files.reading)
        except RefusedError as error:
            self._give_up(number, str(error))
        return number in self._targets

    def _give_up(self, number: int, reason: str) -> None:
        self._left += (
            Left(item.control, item.resource, item.evidence, Why.REFUSED, reason)
            for item in self._found.wishes[number].findings
        )

    def _edited(self, active: Sequence[int]) -> tuple[list[int], dict[str, tuple[Edited, list[list[int]]]], dict[str, bytes]]:
        """The edits of each file, with the wishes behind each change; without those that cannot be made."""
        by_file: dict[str, dict[tuple[int, Steps, bytes], list[int]]] = {}
        for number in active:
            target, value = self._targets[number], self._found.wishes[number].value
            text = b"" if value is msgspec.UNSET else msgspec.json.encode(value)
            by_file.setdefault(target.file, {}).setdefault((target.document, target.path, text), []).append(number)
        left: list[int] = []
        edited: dict[str, tuple[Edited, list[list[int]]]] = {}
        texts: dict[str, bytes] = {}
        for file, rows in by_file.items():
            changes = [
                Change(document, path, self._found.wishes[numbers[0]].value)
                for (document, path, _), numbers in rows.items()
            ]
            made = edit(self._files.reading(file), changes)
            wishes = list(rows.values())
            for change, reason in made.refused.items():
                for number in wishes[change]:
                    self._give_up(number, reason)
            kept = [number for change, numbers in enumerate(wishes) if change not in made.refused for number in numbers]
            if kept:
                left += kept
                edited[file] = made, wishes
                texts[file] = self._files.text(file).encoded(made.text)
        return sorted(left), edited, texts

    def _proof(self, active: Sequence[int], texts: Mapping[str, bytes]) -> Proof:
        """What a scan of the changed files says."""
        sources = [result.resource.source for result in self._assessment.results if result.resource.source]
        is_made = any(source.origin is not None or source.trace is not None for source in sources)
        beside = {*texts, *(source.path for source in sources if is_made)}
        existing = [path for path in beside if os.path.exists(path)]
        with Twin(self._request.paths, existing, whole=is_made) as twin:
            for file, data in texts.items():
                with contextlib.suppress(OSError):  # then the scan finds the file as it was, which proves nothing
                    twin.write(file, data)
            again = scan(msgspec.structs.replace(self._request, paths=twin.paths))
            wishes = {number: self._found.wishes[number] for number in active}
            return Proof(self._assessment, again, wishes, twin.name)

    def _done(self, active: Sequence[int], edited: Mapping[str, tuple[Edited, list[list[int]]]], proof: Proof | None) -> Plan:
        fixed: dict[tuple[str, str, str], Finding] = {}
        for finding in (item for number in active for item in self._found.wishes[number].findings):
            if proof is not None and proof.mends(finding):
                fixed.setdefault((key_of(finding.resource), finding.control.slug, finding.evidence.path), finding)
            else:
                self._leave(finding, "the change there does not mend it")
        for finding in self._found.decided:
            if proof is not None and proof.mends(finding):
                fixed.setdefault((key_of(finding.resource), finding.control.slug, finding.evidence.path), finding)
            else:
                self._leave(finding, fix.DECIDED)
        files = [self._change(file, made, wishes, {*active}) for file, (made, wishes) in edited.items()]
        return Plan(tuple(files), tuple(fixed.values()), _once(self._left), self._assessment)

    def _leave(self, finding: Finding, reason: str) -> None:
        self._left.append(Left(finding.control, finding.resource, finding.evidence, Why.REFUSED, reason))

    def _change(self, file: str, made: Edited, wishes: Sequence[Sequence[int]], active: set[int]) -> FileChange:
        text = self._files.text(file)
        findings = tuple(
            tuple(item for number in numbers if number in active for item in self._found.wishes[number].findings)
            for numbers in wishes
        )
        return FileChange(
            name=file,
            before=text.data,
            after=text.encoded(made.text),
            hunks=tuple(hunks(text.text, made.splices)),
            findings=findings,
            changes=len(wishes) - len(made.refused),
        )


def _once(left: Iterable[Left]) -> tuple[Left, ...]:
    """Each finding once, though several values may be needed to mend it."""
    found = {(key_of(item.resource), item.control.slug, item.evidence.path, item.reason): item for item in left}
    return tuple(found.values())


def write(planned: Plan) -> list[Unwritten]:
    """Write the files of a plan, each as a whole or not at all, and tell which could not be and why.

    A file keeps its mode, and its owner where the system lets it. One that is not as it was read is left alone.
    """
    return [Unwritten(file.name, reason) for file in planned.files if (reason := _written(file))]


def _written(file: FileChange) -> str:
    try:
        found = os.stat(file.name)
        if not stat.S_ISREG(found.st_mode):
            return "it is no file any more"
        if not found.st_mode & 0o222:
            return "it is read-only"
        if Text.read(file.name).data != file.before:
            return "it has changed since it was scanned"
        with atomic(Path(file.name)) as stream:
            stream.write(file.after.decode())
    except (OSError, RefusedError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
