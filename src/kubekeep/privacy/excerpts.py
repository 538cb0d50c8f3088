"""Excerpts of the files around findings, with secrets masked.

Reads each file once. There is no excerpt of a file that is missing or not text.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import SubjectResult
from kubekeep.model.location import line_starts
from kubekeep.model.secret_keys import find_secret_spans
from kubekeep.model.source import CommentSyntax
from kubekeep.model.subject import Subject
from kubekeep.model.verdict import Evidence, Excerpt
from kubekeep.privacy.masking import mask_lines
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.files import decode_text
from kubekeep.sources.inputs import Inputs
from kubekeep.sources.tree import DEFAULT_LIMITS, Document

_LINES_BEFORE: Final = 2
_LINES_AFTER: Final = 3
_MAX_LINES: Final = 8
_MAX_WIDTH: Final = 300


def add_excerpts(results: Sequence[SubjectResult], source: Inputs) -> list[SubjectResult]:
    """Return the results with the lines around each piece of evidence, secrets masked; equal excerpts are shared."""
    excerpts = _Excerpts(source)
    for result in results:
        for verdict in result.verdicts.values():
            for evidence in verdict.evidence:
                excerpts.register(evidence, result.subject)
    excerpts.read()
    return [_replace_evidence(result, excerpts.add_excerpt) for result in results]


_Window = tuple[int, int]
"""First and last line of an excerpt, from 1."""


class _Excerpts:
    """Excerpts of all files with evidence; holds the text of one file at a time."""

    def __init__(self, source: Inputs) -> None:
        self._source = source
        self._paths: dict[tuple[str, str], str] = {}
        self._windows: dict[str, set[_Window]] = {}
        self._excerpts: dict[tuple[str, _Window], Excerpt] = {}
        self._spans: dict[str, list[tuple[int, int]]] = {}
        """Positions of secrets in files that are no YAML, by path."""

    def register(self, evidence: Evidence, resource: Subject) -> None:
        """Register evidence that needs an excerpt."""
        key = self._locate(evidence, resource)
        if key is not None:
            self._add_spans(key[0], evidence, resource)
            self._windows.setdefault(key[0], set()).add(key[1])

    def read(self) -> None:
        """Read each file once."""
        for path, windows in self._windows.items():
            text = decode_text(self._source.content(path))
            lines = [] if text is None else mask_secrets(text, self._spans.get(path))
            for window in windows:
                excerpt = _make_excerpt(lines, window)
                if excerpt is not None:
                    self._excerpts[path, window] = excerpt

    def _add_spans(self, path: str, evidence: Evidence, resource: Subject) -> None:
        source = resource.source
        if path in self._spans or source is None or source.source_map is None or evidence.location is None:
            return
        if source.file_type.comment_syntax(evidence.location.file) is CommentSyntax.DOCKERFILE:
            self._spans[path] = list(find_secret_spans(resource.object, source.source_map))

    def add_excerpt(self, evidence: Evidence, resource: Subject) -> Evidence:
        """Return the evidence with its excerpt."""
        key = self._locate(evidence, resource)
        excerpt = self._excerpts.get(key) if key is not None else None
        return evidence if excerpt is None else msgspec.structs.replace(evidence, excerpt=excerpt)

    def _locate(self, evidence: Evidence, resource: Subject) -> tuple[str, _Window] | None:
        location, source = evidence.location, resource.source
        if location is None or location.region is None or (source is not None and not source.file_type.has_excerpts):
            return None
        key = location.file, source.base if source is not None else ""
        if key not in self._paths:
            self._paths[key] = self._source.find_path(location.file, resource)
        first = max(location.region.start.line - _LINES_BEFORE, 1)
        return self._paths[key], (first, min(location.region.end.line + _LINES_AFTER, first + _MAX_LINES - 1))


def _replace_evidence(result: SubjectResult, change: Callable[[Evidence, Subject], Evidence]) -> SubjectResult:
    """Return the result with each piece of its evidence replaced."""
    verdicts = {
        slug: msgspec.structs.replace(
            verdict, evidence=tuple(change(evidence, result.subject) for evidence in verdict.evidence)
        )
        if verdict.evidence
        else verdict
        for slug, verdict in result.verdicts.items()
    }
    return msgspec.structs.replace(result, verdicts=verdicts)


def _make_excerpt(lines: Sequence[str], window: _Window) -> Excerpt | None:
    first, last = window
    excerpt_lines = tuple(
        line if len(line) <= _MAX_WIDTH else line[:_MAX_WIDTH] + "\u2026" for line in lines[first - 1 : last]
    )
    return Excerpt(first, excerpt_lines) if excerpt_lines else None


def mask_secrets(text: str, secret_spans: Sequence[tuple[int, int]] | None = None) -> list[str]:
    """Return the lines of a file with secrets masked. secret_spans: their positions in a file that is no YAML."""
    if secret_spans is not None:
        return mask_lines(text, secret_spans)
    spans: list[tuple[int, int]] = []
    for reader in (yaml_text, json_text) if text.lstrip()[:1] in {"{", "["} else (yaml_text,):
        for document in reader.parse_documents(text, line_starts(text), DEFAULT_LIMITS):
            if isinstance(document, Document):
                spans += find_secret_spans(document.value, document.source_map)
    return mask_lines(text, spans)
