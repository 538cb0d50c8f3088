"""Apply suppression comments to findings and report the use of each comment.

Only failed verdicts can be suppressed; "not evaluated" stays. A value from an alias or merge key is suppressed at the
alias, never at the anchor.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.cover import cover_finding, cover_verdict, record_excepted
from kubekeep.exceptions.inline.comment import MARKER, PRODUCT, SuppressionComment
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException, ExceptionSource, ExceptionStatus, ExceptionUse
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location, Path, SourceMap, line_starts, parse_path
from kubekeep.model.secret_text import mask_text
from kubekeep.model.source import CommentSyntax, FileType
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence
from kubekeep.posture.select import Selection, UnknownNameError, find_definition
from kubekeep.sources import yaml_text
from kubekeep.sources.files import decode_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_MARKERS: Final = tuple(PRODUCT.encode(name) for name in ("UTF-8", "UTF-16-LE", "UTF-16-BE"))

PathOf = Callable[[str, Subject], str]
"""Function that returns the path of a file named in a location of a resource."""


class CommentedFile(msgspec.Struct, frozen=True):
    """A file, as displayed, with its comments and, if it is YAML, the values and source maps of its documents."""

    file: str
    comments: tuple[SuppressionComment, ...] = ()
    documents: tuple[tuple[Any, SourceMap], ...] = ()
    has_aliases: bool = False
    """True if the file may contain aliases or merge keys."""


def apply_suppressions(
    results: Sequence[SubjectResult], source: Inputs, selection: Selection, now: dt.datetime
) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
    """Return the results with the suppression comments of their files applied, and the use of each comment."""
    files = {path: _read_file(file, path, source) for (_, file), path in source.manifests.items()}
    seen: set[tuple[str, str]] = set()
    for file, resource in _list_files(results):
        key = file, resource.source.base if resource.source is not None else ""
        if key in seen:
            continue
        seen.add(key)
        path = source.find_path(file, resource)
        if path not in files:
            files[path] = _read_file(file, path, source, resource.source.file_type if resource.source else None)
    if not any(file.comments for file in files.values()):
        return list(results), ()

    @functools.cache
    def resolve_control(name: str) -> Definition | None:
        try:
            return find_definition(name, selection)
        except UnknownNameError:
            return None

    return apply_comments(results, files, source.find_path, resolve_control, now)


def _list_files(results: Sequence[SubjectResult]) -> Iterator[tuple[str, Subject]]:
    """Yield the displayed files that results come from, each with a resource that names it."""
    for result in results:
        resource = result.subject
        source = resource.source
        if resource.related or (source is not None and source.lazy_source_map is not None):
            # All other objects are in the file of their source.
            whole = resource.locate(())
            if whole is not None:
                yield whole.file, resource
        if source is not None:
            yield source.path, resource
            if source.origin is not None:
                yield from ((file, resource) for file in source.origin.values)
                if source.origin.chart:
                    yield f"{source.origin.folder}/values.yaml", resource
        for file in _list_evidence_files(result):
            yield file, resource


def _list_evidence_files(result: SubjectResult) -> Iterator[str]:
    """Yield the files of evidence, without most repetitions."""
    previous = None
    for verdict in result.verdicts.values():
        for evidence in verdict.evidence:
            location = evidence.location
            if location is not None and (location.setting is not None or location.file is not previous):
                previous = location.file
                yield previous
                if location.setting is not None:
                    yield location.setting.file


def _read_file(file: str, path: str, source: Inputs, file_type: FileType | None = None) -> CommentedFile:
    """Read the suppression comments of a file."""
    text = None if file.endswith(".json") else _decode_marked(source.content(path))
    if text is None:
        return CommentedFile(file)
    from kubekeep.exceptions.inline.comments import find_comments, has_aliases  # noqa: PLC0415 - few files have comments

    syntax = CommentSyntax.YAML if file_type is None else file_type.comment_syntax(file)
    if syntax in (CommentSyntax.TERRAFORM, CommentSyntax.DOCKERFILE):
        return CommentedFile(file, find_comments(text, syntax))
    documents = list(yaml_text.parse_documents(text, line_starts(text), DEFAULT_LIMITS))
    is_whole = all(document is None or isinstance(document, Document) for document in documents)
    if syntax is CommentSyntax.TEMPLATE and "{{" in text and not is_whole:
        return CommentedFile(file, find_comments(text, syntax), has_aliases=has_aliases(text))
    readable = [document for document in documents if isinstance(document, Document)]
    scalars = [span for document in readable for span in document.source_map.list_scalars()]
    return CommentedFile(
        file,
        find_comments(text, CommentSyntax.YAML, sorted(scalars)),
        tuple((document.value, document.source_map) for document in readable),
        has_aliases=has_aliases(text),
    )


def _decode_marked(data: bytes | None) -> str | None:
    """Return the text of a file that may have suppression comments, None for all others; most are not decoded."""
    if data is None:
        return None
    lowered = data.lower()
    if not any(marker in lowered for marker in _MARKERS):
        return None
    from kubekeep.exceptions.inline.comment_text import is_marked  # noqa: PLC0415 - few files have comments

    text = decode_text(data)
    return text if text is not None and is_marked(text) else None


def apply_comments(
    results: Sequence[SubjectResult],
    files: Mapping[str, CommentedFile],
    path_of: PathOf,
    resolve_control: Callable[[str], Definition | None],
    now: dt.datetime,
) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
    """Return the results with comments applied, and the use of every comment, ordered by file and line.

    files: by path. resolve_control: resolves a name in a comment. Evidence is covered at its own location, or at the
    location of the value a template took it from. An exception that is set already stays; the comment counts as used.
    """
    comments = {
        path: [_TrackedComment(file.file, comment, resolve_control, now) for comment in file.comments]
        for path, file in files.items()
        if file.comments
    }
    matcher = _CommentMatcher(comments, files, path_of)
    changed = [matcher.apply_to(result) for result in results]
    evaluated = {slug for result in results for slug in result.verdicts}
    uses = (
        tracked.use(evaluated)
        for path in sorted(comments, key=lambda path: files[path].file)
        for tracked in comments[path]
    )
    return changed, tuple(uses)


class _TrackedComment:
    """A suppression comment with its controls and the findings it covers so far."""

    def __init__(
        self,
        file: str,
        comment: SuppressionComment,
        resolve_control: Callable[[str], Definition | None],
        now: dt.datetime,
    ) -> None:
        controls = {name: resolve_control(name) for name in comment.names}
        self.comment = comment
        self.controls = {control.slug: control for control in controls.values() if control is not None}
        self.unknown = tuple(name for name, control in controls.items() if control is None)
        self.expired = comment.until is not None and comment.until <= now
        self.findings: dict[tuple[str, str], Finding] = {}
        location = Location(file, comment.region)
        self.exception = AppliedException(
            name=str(location),
            source=ExceptionSource.COMMENT,
            reason=mask_text(comment.reason),
            expires=comment.until,
            location=location,
        )

    @property
    def is_active(self) -> bool:
        """Return True if the comment can cover findings. An unknown word prevents it: it may be a misspelt expiry."""
        return not (self.comment.problem or self.unknown or self.expired)

    def count(self, finding: Finding) -> None:
        """Count a finding that the comment covers."""
        self.findings.setdefault((finding.subject.id, finding.id), finding)

    def use(self, evaluated: set[str]) -> ExceptionUse:
        """Return the use of the comment. evaluated: slugs of the controls with a verdict."""
        status, text = self._status(evaluated)
        return ExceptionUse(
            exception=self.exception,
            status=status,
            text=text,
            controls=self.comment.names,
            unknown_controls=self.unknown,
            findings=tuple(map(record_excepted, self.findings.values())),
        )

    def _status(self, evaluated: set[str]) -> tuple[ExceptionStatus, str]:
        comment = self.comment
        if comment.problem or not comment.names:
            broad = ExceptionStatus.TOO_BROAD, f"name the controls: {MARKER} C-0057"
            return (ExceptionStatus.INVALID, comment.problem) if comment.problem else broad
        if self.unknown:
            return ExceptionStatus.INVALID_CONTROL, f"unknown controls: {', '.join(self.unknown)}"
        if self.expired:
            return ExceptionStatus.EXPIRED, f"it expired on {comment.until:%Y-%m-%d}"
        if self.findings:
            return ExceptionStatus.MATCHED, ""
        has_evaluated = bool(evaluated & self.controls.keys())
        return (
            ExceptionStatus.UNUSED,
            "" if has_evaluated else "this scan evaluated none of its controls at this position",
        )


class _CommentMatcher:
    """Lookup of the comments that cover evidence."""

    def __init__(
        self,
        comments: Mapping[str, Sequence[_TrackedComment]],
        files: Mapping[str, CommentedFile],
        path_of: PathOf,
    ) -> None:
        self._comments = comments
        self._controls = {
            slug: control
            for tracked in comments.values()
            for comment in tracked
            for slug, control in comment.controls.items()
        }
        self._commented = files
        self._path_of = path_of
        self._files: dict[tuple[str, str], str] = {}

    def apply_to(self, result: SubjectResult) -> SubjectResult:
        """Return the result with suppressed evidence; the same result if no comment names a failed control of it."""
        changed = {
            slug: cover_verdict(verdict, self._cover(Finding(self._controls[slug], result.subject, verdict.evidence)))
            for slug, verdict in result.verdicts.items()
            if slug in self._controls and verdict.evidence
        }
        return msgspec.structs.replace(result, verdicts={**result.verdicts, **changed}) if changed else result

    def _cover(self, finding: Finding) -> Finding:
        """Return the finding with the nearest comment set in its evidence, and count it for each comment covering it."""

        def find_exception(evidence: Evidence) -> AppliedException | None:
            comments = list(self._find_covering(evidence, finding))
            for comment in comments:
                comment.count(finding)
            nearest = min(comments, key=lambda comment: comment.comment.last - comment.comment.first, default=None)
            return nearest.exception if nearest is not None else None

        return cover_finding(finding, find_exception)

    def _find_covering(self, evidence: Evidence, finding: Finding) -> Iterator[_TrackedComment]:
        resource, location = finding.subject, evidence.location
        if location is None:
            return
        for candidate in (location, location.setting):
            if candidate is None or candidate.region is None:
                continue
            path = self._find_path(candidate.file, resource)
            comments = [
                comment
                for comment in self._comments.get(path, ())
                if comment.is_active and finding.definition.slug in comment.controls
            ]
            if not comments:
                continue
            lines: tuple[int, ...] = ()
            if self._commented[path].has_aliases and candidate is location:
                lines = _find_alias_lines(resource, _parse_steps(evidence.path))
            elif self._commented[path].has_aliases:
                lines = self._find_setting_alias_lines(path, location)
            for comment in comments:
                if any(map(comment.comment.covers, lines or (candidate.region.start.line,))):
                    yield comment

    def _find_setting_alias_lines(self, path: str, location: Location) -> tuple[int, ...]:
        """Return the lines of a values file with the aliases that a setting comes from."""
        documents = self._commented[path].documents
        if location.setting is None or not documents:
            return ()
        value, source_map = documents[0]
        return source_map.find_alias_lines(value, _parse_steps(location.setting.key))

    def _find_path(self, file: str, resource: Subject) -> str:
        """Return the path of a file named in a location of a resource."""
        key = file, resource.source.base if resource.source is not None else ""
        if key not in self._files:
            self._files[key] = self._path_of(file, resource)
        return self._files[key]


def _parse_steps(path: str) -> Path:
    """Return the steps of a path, () for a text of a rule that is no path."""
    try:
        return parse_path(path)
    except ValueError:
        return ()


def _find_alias_lines(resource: Subject, path: Path) -> tuple[int, ...]:
    """Return the lines with the alias that the value at a path comes from; () if it comes from none."""
    match path:
        case ("relatedObjects", int(number), *rest) if number < len(resource.related):
            return _find_alias_lines(resource.related[number], tuple(rest))
    source = resource.source
    if source is None:
        return ()
    if source.lazy_source_map is None and source.source_map is not None:
        document = resource.object if resource.document is None else resource.document
        return source.source_map.find_alias_lines(document, source.root + path)
    # A lazy source map has only locations. An anchor always precedes its alias.
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
