"""Findings that comments in the files waive, and what became of each such comment.

Values only: the comments are read elsewhere. Only what failed can be waived; what was not evaluated stays so.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from kubekeep.assess.comments import MARKER, Comment
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.location import Location
from kubekeep.model.resource import Resource
from kubekeep.model.waiver import WaivedFinding, Waiver, WaiverSource, WaiverStatus, WaiverUse

PathOf = Callable[[str, Resource], str]
"""The path of a file that a place of a resource names."""


class Commented(msgspec.Struct, frozen=True):
    """A file, as it is shown to people, with its comments."""

    file: str
    comments: tuple[Comment, ...]


def waive(
    results: Sequence[ResourceResult],
    files: Mapping[str, Commented],
    path_of: PathOf,
    control_of: Callable[[str], Control | None],
    now: dt.datetime,
) -> tuple[list[ResourceResult], tuple[WaiverUse, ...]]:
    """`results` with what comments waive, and what became of every comment, by file and line.

    `files` are by their paths, and `control_of` knows what a comment calls a control. Evidence is covered at its
    own place, or at that of the value which a template took over. A waiver that it has already stays, and the comment
    counts as used.
    """
    marks = {
        path: [_Mark(file.file, item, control_of, now) for item in file.comments]
        for path, file in files.items()
        if file.comments
    }
    reader = _Reader(marks, path_of)
    changed = [
        msgspec.structs.replace(
            result,
            verdicts={
                slug: reader.verdict(verdict, slug, result.resource) for slug, verdict in result.verdicts.items()
            },
        )
        for result in results
    ]
    evaluated = {slug for result in results for slug in result.verdicts}
    uses = (mark.use(evaluated) for path in sorted(marks, key=lambda path: files[path].file) for mark in marks[path])
    return changed, tuple(uses)


class _Mark:
    """One comment, what it means, and the findings that it has covered so far."""

    def __init__(
        self, file: str, comment: Comment, control_of: Callable[[str], Control | None], now: dt.datetime
    ) -> None:
        found = {name: control_of(name) for name in comment.names}
        self.comment = comment
        self.controls = {control.slug: control for control in found.values() if control is not None}
        self.unknown = tuple(name for name, control in found.items() if control is None)
        self.expired = comment.until is not None and comment.until <= now
        self.findings: dict[tuple[str, str], WaivedFinding] = {}
        place = Location(file, comment.place)
        self.waiver = Waiver(
            name=str(place),
            source=WaiverSource.COMMENT,
            reason=comment.reason,
            expires=comment.until,
            location=place,
        )

    def cover(self, slug: str, resource: Resource) -> None:
        """Note a finding that it covers."""
        found = WaivedFinding(
            resource=resource.id,
            kind=resource.kind,
            namespace=resource.namespace,
            name=resource.name,
            control=self.controls[slug].id,
        )
        self.findings.setdefault((found.resource, slug), found)

    def use(self, evaluated: set[str]) -> WaiverUse:
        """What became of it; `evaluated` are the controls that said something of some resource."""
        status, text = self._status(evaluated)
        return WaiverUse(
            waiver=self.waiver,
            status=status,
            text=text,
            controls=self.comment.names,
            unknown=self.unknown,
            findings=tuple(self.findings.values()),
        )

    def _status(self, evaluated: set[str]) -> tuple[WaiverStatus, str]:
        comment = self.comment
        if comment.problem or not comment.names:
            broad = WaiverStatus.TOO_BROAD, f"name the controls that it is for: {MARKER} C-0057"
            return (WaiverStatus.INVALID, comment.problem) if comment.problem else broad
        if self.unknown:
            return WaiverStatus.INVALID_CONTROL, f"no control is called {', '.join(self.unknown)}"
        if self.expired:
            return WaiverStatus.EXPIRED, f"it was for findings until {comment.until:%Y-%m-%d}"
        if self.findings:
            return WaiverStatus.MATCHED, ""
        told = bool(evaluated & self.controls.keys())
        return WaiverStatus.UNUSED, "" if told else "this scan evaluated nothing that it names"


class _Reader:
    """Which comments cover what."""

    def __init__(self, marks: Mapping[str, Sequence[_Mark]], path_of: PathOf) -> None:
        self._marks = marks
        self._path_of = path_of
        self._files: dict[tuple[str, str], Sequence[_Mark]] = {}

    def verdict(self, verdict: Verdict, slug: str, resource: Resource) -> Verdict:
        """A verdict with what is waived of it."""
        if not self._marks or not (verdict.status is Status.FAILED or verdict.is_waived):
            return verdict
        evidence = tuple(self._evidence(item, slug, resource) for item in verdict.evidence)
        if all(new is old for new, old in zip(evidence, verdict.evidence, strict=True)):
            return verdict
        is_waived = all(item.waiver is not None for item in evidence)
        return msgspec.structs.replace(verdict, evidence=evidence, status=Status.PASSED if is_waived else Status.FAILED)

    def _evidence(self, evidence: Evidence, slug: str, resource: Resource) -> Evidence:
        found = [mark for mark in self._covering(evidence, resource) if slug in mark.controls and not mark.expired]
        for mark in found:
            mark.cover(slug, resource)
        if not found or evidence.waiver is not None:
            return evidence
        nearest = min(found, key=lambda mark: mark.comment.last - mark.comment.first)
        return msgspec.structs.replace(evidence, waiver=nearest.waiver)

    def _covering(self, evidence: Evidence, resource: Resource) -> Iterator[_Mark]:
        location = evidence.location
        if location is None:
            return
        for place in (location, location.setting):
            if place is not None and place.region is not None:
                for mark in self._of(place.file, resource):
                    if mark.comment.covers(place.region.start.line):
                        yield mark

    def _of(self, file: str, resource: Resource) -> Sequence[_Mark]:
        """The comments of a file, as places of a resource name it."""
        key = file, resource.source.base if resource.source is not None else ""
        if key not in self._files:
            self._files[key] = self._marks.get(self._path_of(file, resource), ())
        return self._files[key]
