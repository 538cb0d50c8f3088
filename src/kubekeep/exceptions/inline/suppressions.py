"""Findings that comments in the files waive, and what became of each such comment.

Values only: the comments are read elsewhere. Only what failed can be waived; what was not evaluated stays so. What an
alias or a merge key borrows from elsewhere in the file is waived where it is borrowed, never where it was written.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.inline.comment_text import MARKER, PRODUCT, is_marked
from kubekeep.exceptions.inline.comments import Comment, Syntax, comments, has_aliases
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.exception import AppliedException, ExceptedFinding, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import Evidence, Status, Verdict
from kubekeep.model.location import Location, Path, SourceMap, line_starts, parse_path
from kubekeep.model.resource import FileType, Resource
from kubekeep.posture.select import Selection, UnknownNameError, find_controls
from kubekeep.sources import yaml_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.manifests import decode_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_MARKERS: Final = tuple(PRODUCT.encode(name) for name in ("UTF-8", "UTF-16-LE", "UTF-16-BE"))

PathOf = Callable[[str, Resource], str]
"""The path of a file that a place of a resource names."""


class Commented(msgspec.Struct, frozen=True):
    """A file, as it is shown to people, with its comments and, if it is YAML, the values and marks of its documents."""

    file: str
    comments: tuple[Comment, ...] = ()
    documents: tuple[tuple[Any, SourceMap], ...] = ()
    has_aliases: bool = False
    """Whether something in it may be borrowed from elsewhere in it."""


def apply_suppressions(
    results: Sequence[ResourceResult], source: Inputs, selection: Selection, now: dt.datetime
) -> tuple[list[ResourceResult], tuple[ExceptionUse, ...]]:
    """`results` with what comments in their files waive, and what became of these comments."""
    found = {path: _commented(file, path, source) for (_, file), path in source.manifests.items()}
    seen: set[tuple[str, str]] = set()
    for file, resource in _files(results):
        key = file, resource.source.base if resource.source is not None else ""
        if key in seen:
            continue
        seen.add(key)
        path = source.path_of(file, resource)
        if path not in found:
            is_chart = resource.source is not None and resource.source.file_type is FileType.HELM
            found[path] = _commented(file, path, source, is_chart=is_chart)
    if not any(file.comments for file in found.values()):
        return list(results), ()

    @functools.cache
    def control_of(name: str) -> Control | None:
        try:
            return find_controls((name,), selection.library, selection.controls)[0]
        except UnknownNameError:
            return None

    return apply_comments(results, found, source.path_of, control_of, now)


def _files(results: Sequence[ResourceResult]) -> Iterator[tuple[str, Resource]]:
    """The files that results come from, as they are shown, with a resource that names them."""
    for result in results:
        resource = result.resource
        whole = resource.locate(())
        if whole is not None:
            yield whole.file, resource
        if resource.source is not None:
            yield resource.source.path, resource
            if (origin := resource.source.origin) is not None:
                yield from ((file, resource) for file in origin.values)
                if origin.chart:
                    yield f"{origin.folder}/values.yaml", resource
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                if (location := evidence.location) is not None:
                    yield location.file, resource
                    if location.setting is not None:
                        yield location.setting.file, resource


def _commented(file: str, path: str, source: Inputs, *, is_chart: bool = False) -> Commented:
    """A file with its comments."""
    text = None if file.endswith(".json") else _marked(source.content(path))
    if text is None:
        return Commented(file)
    if file.endswith((".tf", ".tfvars")):
        return Commented(file, comments(text, Syntax.TERRAFORM))
    found = list(yaml_text.documents(text, line_starts(text), DEFAULT_LIMITS))
    is_whole = all(item is None or isinstance(item, Document) for item in found)
    if is_chart and "{{" in text and not is_whole:
        return Commented(file, comments(text, Syntax.TEMPLATE), has_aliases=has_aliases(text))
    documents = [item for item in found if isinstance(item, Document)]
    scalars = [span for item in documents for span in item.source_map.scalars()]
    return Commented(
        file,
        comments(text, Syntax.YAML, sorted(scalars)),
        tuple((item.value, item.source_map) for item in documents),
        has_aliases=has_aliases(text),
    )


def _marked(data: bytes | None) -> str | None:
    """The text of a file that may have comments which waive; None for all others, most of them without reading it."""
    if data is None or not any(marker in data.lower() for marker in _MARKERS):
        return None
    text = decode_text(data)
    return text if text is not None and is_marked(text) else None


def apply_comments(
    results: Sequence[ResourceResult],
    files: Mapping[str, Commented],
    path_of: PathOf,
    control_of: Callable[[str], Control | None],
    now: dt.datetime,
) -> tuple[list[ResourceResult], tuple[ExceptionUse, ...]]:
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
    reader = _Reader(marks, files, path_of)
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
        self.findings: dict[tuple[str, str], ExceptedFinding] = {}
        place = Location(file, comment.place)
        self.exception = AppliedException(
            name=str(place),
            source=ExceptionSource.COMMENT,
            reason=comment.reason,
            expires=comment.until,
            location=place,
        )

    @property
    def is_active(self) -> bool:
        """Whether it may cover anything: a word that is no control may have been meant to end or to narrow it."""
        return not (self.comment.problem or self.unknown or self.expired)

    def cover(self, slug: str, resource: Resource) -> None:
        """Note a finding that it covers."""
        found = ExceptedFinding(
            resource=resource.id,
            kind=resource.kind,
            namespace=resource.namespace,
            name=resource.name,
            control=self.controls[slug].id,
        )
        self.findings.setdefault((found.resource, slug), found)

    def use(self, evaluated: set[str]) -> ExceptionUse:
        """What became of it; `evaluated` are the controls that said something of some resource."""
        status, text = self._status(evaluated)
        return ExceptionUse(
            exception=self.exception,
            status=status,
            text=text,
            controls=self.comment.names,
            unknown=self.unknown,
            findings=tuple(self.findings.values()),
        )

    def _status(self, evaluated: set[str]) -> tuple[ExceptionStatus, str]:
        comment = self.comment
        if comment.problem or not comment.names:
            broad = ExceptionStatus.TOO_BROAD, f"name the controls that it is for: {MARKER} C-0057"
            return (ExceptionStatus.INVALID, comment.problem) if comment.problem else broad
        if self.unknown:
            return ExceptionStatus.INVALID_CONTROL, f"no control is called {', '.join(self.unknown)}"
        if self.expired:
            return ExceptionStatus.EXPIRED, f"it was for findings until {comment.until:%Y-%m-%d}"
        if self.findings:
            return ExceptionStatus.MATCHED, ""
        told = bool(evaluated & self.controls.keys())
        return ExceptionStatus.UNUSED, "" if told else "this scan evaluated nothing that it names"


class _Reader:
    """Which comments cover what."""

    def __init__(
        self,
        marks: Mapping[str, Sequence[_Mark]],
        read: Mapping[str, Commented],
        path_of: PathOf,
    ) -> None:
        self._marks = marks
        self._read = read
        self._path_of = path_of
        self._files: dict[tuple[str, str], str] = {}

    def verdict(self, verdict: Verdict, slug: str, resource: Resource) -> Verdict:
        """A verdict with what is waived of it."""
        if not self._marks or not (verdict.status is Status.FAILED or verdict.is_excepted):
            return verdict
        evidence = tuple(self._evidence(item, slug, resource) for item in verdict.evidence)
        if all(new is old for new, old in zip(evidence, verdict.evidence, strict=True)):
            return verdict
        is_excepted = all(item.exception is not None for item in evidence)
        return msgspec.structs.replace(
            verdict, evidence=evidence, status=Status.PASSED if is_excepted else Status.FAILED
        )

    def _evidence(self, evidence: Evidence, slug: str, resource: Resource) -> Evidence:
        found = list(self._covering(evidence, slug, resource))
        for mark in found:
            mark.cover(slug, resource)
        if not found or evidence.exception is not None:
            return evidence
        nearest = min(found, key=lambda mark: mark.comment.last - mark.comment.first)
        return msgspec.structs.replace(evidence, exception=nearest.exception)

    def _covering(self, evidence: Evidence, slug: str, resource: Resource) -> Iterator[_Mark]:
        location = evidence.location
        if location is None:
            return
        for place in (location, location.setting):
            if place is None or place.region is None:
                continue
            path = self._path(place.file, resource)
            marks = [mark for mark in self._marks.get(path, ()) if slug in mark.controls and mark.is_active]
            if not marks:
                continue
            lines: tuple[int, ...] = ()
            if self._read[path].has_aliases and place is location:
                lines = _borrowed_at(resource, _steps(evidence.path))
            elif self._read[path].has_aliases:
                lines = self._setting_borrowed_at(path, location)
            for mark in marks:
                if any(map(mark.comment.covers, lines or (place.region.start.line,))):
                    yield mark

    def _setting_borrowed_at(self, path: str, location: Location) -> tuple[int, ...]:
        """The lines of a values file on which what is set there is taken from elsewhere in it."""
        documents = self._read[path].documents
        if location.setting is None or not documents:
            return ()
        value, marks = documents[0]
        return marks.find_alias_lines(value, _steps(location.setting.key))

    def _path(self, file: str, resource: Resource) -> str:
        """The path of a file, as places of a resource name it."""
        key = file, resource.source.base if resource.source is not None else ""
        if key not in self._files:
            self._files[key] = self._path_of(file, resource)
        return self._files[key]


def _steps(path: str) -> Path:
    """The steps of a path; none for a text that is no path, as rules may write it."""
    try:
        return parse_path(path)
    except ValueError:
        return ()


def _borrowed_at(resource: Resource, path: Path) -> tuple[int, ...]:
    """The lines on which an object takes the value at `path` from elsewhere in its file; empty if it does not."""
    match path:
        case ("relatedObjects", int(number), *rest) if number < len(resource.related):
            return _borrowed_at(resource.related[number], tuple(rest))
    source = resource.source
    if source is None:
        return ()
    if source.lazy_source_map is None and source.source_map is not None:
        document = resource.object if resource.document is None else resource.document
        return source.source_map.find_alias_lines(document, source.root + path)
    # A trace knows places alone. What is borrowed was written before what borrows it.
    above = resource.locate(())
    for length in range(1, len(path) + 1):
        here = resource.locate(path[:length])
        if (
            above
            and here
            and above.region
            and here.region
            and here.file == above.file
            and here.region.start < above.region.start
        ):
            return (above.region.start.line,)
        above = here
    return ()
