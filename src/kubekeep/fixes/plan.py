"""Plans of fixes: the smallest edits of the scanned files, proven by a scan of a changed copy, and written on request.

A plan writes nothing outside of its copy. A finding that cannot be fixed, or whose fix is not proven, has a reason.
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

from kubekeep.fixes.edits.change import Change, RefusedError
from kubekeep.fixes.edits.diff import Hunk, hunks
from kubekeep.fixes.edits.target import Target, target_of
from kubekeep.fixes.edits.text import Edited, edit
from kubekeep.fixes.files import Files, Text
from kubekeep.fixes.proof import Proof
from kubekeep.fixes.scratch_copy import Twin
from kubekeep.fixes.wanted_changes import DECIDED, Asked, Finding, Left, Why, Wish, Wishes, key_of
from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.location import Path, has_path
from kubekeep.model.resource import Resource
from kubekeep.sinks.file import atomic

_ROUNDS: Final = 8
"""Scans of changed copies, each without what the one before refuted, until nothing is proposed."""
_PATIENT: Final = 5
"""Scans after which nothing new is proposed, and a file whose changes are still refuted is left as it is."""
_UNPROVEN: Final = "a scan of the changed files does not confirm it"


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
    """What is to be changed, the findings that mends, and which ones are left."""

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


class Planner:
    """The way from wishes to proven edits."""

    def __init__(
        self,
        assessment: Assessment,
        look: Callable[[Assessment, Asked], Wishes],
        asked: Asked,
        paths: Sequence[str],
        scan: Callable[[tuple[str, ...]], Assessment],
    ) -> None:
        """Plan fixes of `assessment`, made from `paths`. `scan` repeats that scan for other paths."""
        found = look(assessment, asked)
        self._paths = paths
        self._scan = scan
        self._assessment = assessment
        self._look = look
        self._asked = asked
        self._wishes = list(found.wishes)
        self._decided = found.decided
        self._left = list(found.left)
        self._files = Files()
        self._targets: dict[int, Target] = {}
        self._tried = {_tried(wish) for wish in found.wishes}

    def plan(self) -> Plan:
        """The edits that a scan of the changed files confirms, and that leave nothing more to be done."""
        active = [number for number, wish in enumerate(self._wishes) if self._aim(number, wish)]
        for turn in range(_ROUNDS):
            active, edited, texts = self._edited(active)
            if not active:
                break
            proof = self._proof(active, texts)
            refuted = self._refuted(proof, whole=turn >= _PATIENT)
            left = [number for number in active if number not in refuted]
            more = self._more(left, proof) if turn < _PATIENT else left
            if not refuted and more == active:
                return self._done(active, edited, proof)
            active = more
        for number in active:
            self._give_up(number, _UNPROVEN)
        return self._done([], {}, None)

    def _refuted(self, proof: Proof, *, whole: bool) -> set[int]:
        """Give up what a scan refutes; with `whole` all that is to be done in the files concerned, to come to an end."""
        found = dict(proof.refuted)
        files = {self._targets[number].file for number in found}
        if whole:
            found |= {n: _UNPROVEN for n in proof.numbers if self._targets[n].file in files and n not in found}
        for number, reason in found.items():
            self._give_up(number, reason)
        return found.keys() | set()

    def _more(self, active: list[int], proof: Proof) -> list[int]:
        """The wishes with those that the changes bring up: without them, fixing twice would change something."""

        def is_asked(control: Control, resource: Resource) -> bool:
            original = proof.original(resource)
            return original is not None and self._asked(control, original)

        left = list(active)
        for wish in self._look(proof.after, is_asked).wishes:
            resource = proof.original(wish.resource)
            if resource is None:
                continue
            path = self._original_path(resource, wish.path, active)
            findings = tuple(
                Finding(item.control, resource, msgspec.structs.replace(item.evidence, location=None))
                for item in wish.findings
            )
            same = [n for n in left if self._wishes[n].resource is resource and self._wishes[n].path == path]
            findings += tuple(item for number in same for item in self._wishes[number].findings)
            further = Wish(resource, path, wish.value, findings)
            if _tried(further) in self._tried:
                continue
            self._tried.add(_tried(further))
            self._wishes.append(further)
            if self._aim(len(self._wishes) - 1, further):
                left = [number for number in left if number not in same] + [len(self._wishes) - 1]
        return left

    def _original_path(self, resource: Resource, path: Path, active: Sequence[int]) -> Path:
        """The path before the changes of one after them: items that were removed counted still."""
        wishes = [self._wishes[number] for number in active if self._wishes[number].resource is resource]
        removed = [wish.path for wish in wishes if wish.value is msgspec.UNSET]
        found: Path = ()
        for step in path:
            if isinstance(step, int):
                gone = sorted(int(end[-1]) for end in removed if end[:-1] == found)
                for index in gone:
                    step += index <= step  # noqa: PLW2901 - the step itself moves
            found = (*found, step)
        return found

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
            for item in self._wishes[number].findings
        )

    def _edited(
        self, active: Sequence[int]
    ) -> tuple[list[int], dict[str, tuple[Edited, list[list[int]]]], dict[str, bytes]]:
        """The edits of each file, with the wishes behind each change; without those that cannot be made."""
        by_file: dict[str, dict[tuple[int, Path, bytes], list[int]]] = {}
        for number in active:
            target = self._targets[number]
            *_, text = _tried(self._wishes[number])
            by_file.setdefault(target.file, {}).setdefault((target.document, target.path, text), []).append(number)
        left: list[int] = []
        edited: dict[str, tuple[Edited, list[list[int]]]] = {}
        texts: dict[str, bytes] = {}
        for file, rows in by_file.items():
            changes = [
                Change(document, path, self._wishes[numbers[0]].value) for (document, path, _), numbers in rows.items()
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
        is_made = any(source.origin is not None or source.lazy_source_map is not None for source in sources)
        beside = {*texts, *(source.path for source in sources if is_made)}
        existing = [path for path in beside if os.path.exists(path)]
        with Twin(self._paths, existing, whole=is_made) as twin:
            for file, data in texts.items():
                with contextlib.suppress(OSError):  # then the scan finds the file as it was, which proves nothing
                    twin.write(file, data)
            again = self._scan(twin.paths)
            wishes = {number: self._wishes[number] for number in active}
            return Proof(self._assessment, again, wishes, twin.name)

    def _done(
        self, active: Sequence[int], edited: Mapping[str, tuple[Edited, list[list[int]]]], proof: Proof | None
    ) -> Plan:
        fixed: dict[tuple[str, str, str], Finding] = {}
        for finding in (item for number in active for item in self._wishes[number].findings):
            if proof is not None and proof.mends(finding):
                fixed.setdefault((key_of(finding.resource), finding.control.slug, finding.evidence.path), finding)
            else:
                self._leave(finding, "the change there does not mend it")
        for finding in self._decided:
            if proof is not None and proof.mends(finding):
                fixed.setdefault((key_of(finding.resource), finding.control.slug, finding.evidence.path), finding)
            else:
                self._leave(finding, DECIDED)
        files = [self._change(file, made, wishes, {*active}) for file, (made, wishes) in edited.items()]
        return Plan(tuple(files), tuple(fixed.values()), _once(self._left), self._assessment)

    def _leave(self, finding: Finding, reason: str) -> None:
        self._left.append(Left(finding.control, finding.resource, finding.evidence, Why.REFUSED, reason))

    def _change(self, file: str, made: Edited, wishes: Sequence[Sequence[int]], active: set[int]) -> FileChange:
        text = self._files.text(file)
        findings = tuple(
            tuple(item for number in numbers if number in active for item in self._wishes[number].findings)
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


def _tried(wish: Wish) -> tuple[str, Path, bytes]:
    """A wish as it is told apart from others; the number of an item that is added says nothing."""
    text = b"" if wish.value is msgspec.UNSET else msgspec.json.encode(wish.value)
    appends = isinstance(wish.path[-1], int) and not has_path(wish.resource.object, wish.path)
    return key_of(wish.resource), (*wish.path[:-1], "+") if appends else wish.path, text


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
        with atomic(FilePath(file.name)) as stream:
            stream.write(file.after.decode())
    except (OSError, RefusedError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""
