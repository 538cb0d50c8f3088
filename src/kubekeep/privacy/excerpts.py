"""Excerpts of the files around findings, with secrets masked.

Reads each file once. A file that is missing or no text has no excerpt.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import ResourceResult
from kubekeep.model.finding import Evidence, Excerpt
from kubekeep.model.location import line_starts
from kubekeep.model.resource import Resource
from kubekeep.model.secret_keys import find_secret_spans
from kubekeep.privacy.masking import masked_lines
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.manifests import decode_text
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_BEFORE: Final = 2
_AFTER: Final = 3
_LINES: Final = 8
_WIDTH: Final = 300


def add_excerpts(results: Sequence[ResourceResult], source: Inputs) -> list[ResourceResult]:
    """`results` with the lines around each place of their evidence, without secrets; equal places share them."""
    excerpts = _Excerpts(source)
    for result in results:
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                excerpts.expect(evidence, result.resource)
    excerpts.read()
    return [_replace_evidence(result, excerpts.told) for result in results]


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
            text = decode_text(self._source.content(path))
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


def _replace_evidence(result: ResourceResult, change: Callable[[Evidence, Resource], Evidence]) -> ResourceResult:
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
    spans: list[tuple[int, int]] = []
    for reader in (yaml_text, json_text) if text.lstrip()[:1] in {"{", "["} else (yaml_text,):
        for item in reader.documents(text, line_starts(text), DEFAULT_LIMITS):
            if isinstance(item, Document):
                spans += find_secret_spans(item.value, item.source_map)
    return masked_lines(text, spans)
