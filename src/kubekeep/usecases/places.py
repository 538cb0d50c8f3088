"""What the files of a scan say at and around its findings, while they are at hand: comments that waive, and excerpts.

Reads each file once; never judges, and never fails for a file that is gone.
"""

from __future__ import annotations

import codecs
import datetime as dt
import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.exceptions.inline import suppressions as commented
from kubekeep.exceptions.inline.comment_marks import PRODUCT, is_marked
from kubekeep.exceptions.inline.comments import Syntax, comments, has_aliases
from kubekeep.exceptions.inline.suppressions import Commented
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.exception import ExceptionUse
from kubekeep.model.finding import Evidence, Excerpt
from kubekeep.model.location import line_starts
from kubekeep.model.resource import FileType, Resource
from kubekeep.posture.select import Selection, UnknownNameError, controls_named
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_UTF16: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_BEFORE: Final = 2
_AFTER: Final = 3
_LINES: Final = 8
_WIDTH: Final = 300
_MARKERS: Final = tuple(PRODUCT.encode(name) for name in ("UTF-8", "UTF-16-LE", "UTF-16-BE"))


def excepted(
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
            return controls_named((name,), selection.library, selection.controls)[0]
        except UnknownNameError:
            return None

    return commented.apply_exceptions(results, found, source.path_of, control_of, now)


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


def with_excerpts(results: Sequence[ResourceResult], source: Inputs) -> list[ResourceResult]:
    """`results` with the lines around each place of their evidence, without secrets; equal places share them."""
    excerpts = _Excerpts(source)
    for result in results:
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                excerpts.expect(evidence, result.resource)
    excerpts.read()
    return [with_evidence(result, excerpts.told) for result in results]


_Window = tuple[int, int]
"""The first and last line of an excerpt."""


class _Excerpts:
    """The excerpts of all files that evidence stands in; holds no more than one file's text at a time."""

    def __init__(self, source: Inputs) -> None:
        self._source = source
        self._paths: dict[tuple[str, str], str] = {}
        self._wanted: dict[str, set[_Window]] = {}
        self._found: dict[tuple[str, _Window], Excerpt] = {}

    def expect(self, evidence: Evidence, resource: Resource) -> None:
        """Note that an excerpt will be asked for."""
        place = self._place(evidence, resource)
        if place is not None:
            self._wanted.setdefault(place[0], set()).add(place[1])

    def read(self) -> None:
        """Read each file once."""
        for path, windows in self._wanted.items():
            text = _text(self._source.content(path))
            lines = [] if text is None else _masked(text)
            for window in windows:
                excerpt = _cut(lines, window)
                if excerpt is not None:
                    self._found[path, window] = excerpt

    def told(self, evidence: Evidence, resource: Resource) -> Evidence:
        """A piece of evidence with its excerpt."""
        place = self._place(evidence, resource)
        excerpt = self._found.get(place) if place is not None else None
        return evidence if excerpt is None else msgspec.structs.replace(evidence, excerpt=excerpt)

    def _place(self, evidence: Evidence, resource: Resource) -> tuple[str, _Window] | None:
        location = evidence.location
        if location is None or location.region is None:
            return None
        key = location.file, resource.source.base if resource.source is not None else ""
        if key not in self._paths:
            self._paths[key] = self._source.path_of(location.file, resource)
        first = max(location.region.start.line - _BEFORE, 1)
        return self._paths[key], (first, min(location.region.end.line + _AFTER, first + _LINES - 1))


def with_evidence(result: ResourceResult, change: Callable[[Evidence, Resource], Evidence]) -> ResourceResult:
    """A result with each piece of its evidence changed."""
    verdicts = {
        slug: msgspec.structs.replace(
            verdict, evidence=tuple(change(evidence, result.resource) for evidence in verdict.evidence)
        )
        if verdict.evidence
        else verdict
        for slug, verdict in result.verdicts.items()
    }
    return msgspec.structs.replace(result, verdicts=verdicts)


def _cut(lines: Sequence[str], window: _Window) -> Excerpt | None:
    first, last = window
    found = tuple(line if len(line) <= _WIDTH else line[:_WIDTH] + "\u2026" for line in lines[first - 1 : last])
    return Excerpt(first, found) if found else None


def _masked(text: str) -> list[str]:
    """The lines of a file without secrets."""
    from kubekeep.model.secret_keys import find_secret_spans  # noqa: PLC0415
    from kubekeep.privacy.masking import masked_lines  # noqa: PLC0415 - only who asks for excerpts pays for them

    spans: list[tuple[int, int]] = []
    for reader in (yaml_text, json_text) if text.lstrip()[:1] in {"{", "["} else (yaml_text,):
        for item in reader.documents(text, line_starts(text), DEFAULT_LIMITS):
            if isinstance(item, Document):
                spans += find_secret_spans(item.value, item.source_map)
    return masked_lines(text, spans)


def _text(data: bytes | None) -> str | None:
    """The text of a file; None for one that is none."""
    if data is None or (b"\0" in data and not data.startswith(_UTF16)):
        return None
    try:
        return data.decode("UTF-16" if data.startswith(_UTF16) else "UTF-8").removeprefix("\ufeff")
    except UnicodeDecodeError:
        return None


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
    text = _text(data)
    return text if text is not None and is_marked(text) else None
