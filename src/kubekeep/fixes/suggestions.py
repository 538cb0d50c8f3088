"""Exact edits for findings, for editors and code scanning: each fixes one verdict and changes nothing else.

No edits are suggested for a file that cannot be changed, a value that a template computes, and a verdict with evidence
that has no fix. Never writes; `fixes.plan` changes files and proves the result by a scan.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.change import Change, EditRefusedError
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.splice import Splice
from kubekeep.fixes.edits.target import EditTarget, find_target
from kubekeep.fixes.edits.text import edit
from kubekeep.fixes.files import parse_text
from kubekeep.fixes.proposed_changes import ControlFinding, ProposedChange, propose_changes_for
from kubekeep.model.assessment import SubjectResult
from kubekeep.model.definition import Definition
from kubekeep.model.location import Position, Region, has_path
from kubekeep.model.resource import Resource
from kubekeep.model.verdict import Edit, Evidence, Status, Verdict
from kubekeep.sources.inputs import Inputs

_MAX_PARSED: Final = 100_000_000
"""Maximum number of characters parsed to prove the edits of one file: a few seconds at most."""


def suggest_edits(
    results: Sequence[SubjectResult], source: Inputs, controls: Iterable[Definition]
) -> list[SubjectResult]:
    """Return the results with edits in the evidence of verdicts; verdicts without a certain fix stay unchanged."""
    suggester = _EditSuggester(source, results)
    by_slug = {control.slug: control for control in controls}
    return [
        msgspec.structs.replace(
            result,
            verdicts={
                slug: suggester.add_edits(verdict, by_slug[slug], result.subject)
                if isinstance(result.subject, Resource)
                else verdict
                for slug, verdict in result.verdicts.items()
            },
        )
        for result in results
    ]


class _EditSuggester:
    """The parsed files and the edits they allow."""

    def __init__(self, source: Inputs, results: Iterable[SubjectResult]) -> None:
        self._source = source
        self._parsed: dict[str, ParsedText] = {}
        self._refused_by_path: dict[str, EditRefusedError] = {}
        failed = (result for result in results if result.subject.source is not None)
        self._failure_counts = Counter(
            result.subject.source.path
            for result in failed
            for verdict in result.verdicts.values()
            if verdict.status is Status.FAILED and result.subject.source is not None
        )

    def add_edits(self, verdict: Verdict, control: Definition, resource: Resource) -> Verdict:
        """Return the verdict with the edits that fix it, if any."""
        remaining = [evidence for evidence in verdict.evidence if evidence.exception is None]
        if verdict.status is not Status.FAILED:
            return verdict
        changes_by_evidence = [
            propose_changes_for(ControlFinding(control, resource, evidence)) for evidence in remaining
        ]
        try:
            edits = (
                self._make_edits([change for changes in changes_by_evidence for change in changes], resource)
                if all(changes_by_evidence)
                else {}
            )
        except EditRefusedError:
            return verdict
        owners = [evidence for evidence, changes in zip(remaining, changes_by_evidence, strict=True) for _ in changes]
        return _add_edits(verdict, [(owners[number], changes) for number, changes in edits.items()])

    def _make_edits(self, changes: Sequence[ProposedChange], resource: Resource) -> dict[int, list[Edit]]:
        """Return the edits that make `changes`, by the number of the first change of each. Raises EditRefusedError."""
        parse = functools.partial(self._parse, resource=resource)
        targets = [_check_certain(change, find_target(change.resource, change.path, parse)) for change in changes]
        edits: dict[int, list[Edit]] = {}
        for file in dict.fromkeys(target.file for target in targets):
            numbers = [number for number, target in enumerate(targets) if target.file == file]
            file_changes = [Change(targets[n].document, targets[n].path, changes[n].value) for n in numbers]
            parsed = parse(file)
            result = edit(parsed, file_changes)
            for reason in result.refused.values():
                raise EditRefusedError(reason)
            for splice in _merge_adjacent(result.splices):
                edits.setdefault(numbers[min(splice.changes)], []).append(
                    _make_edit(file, parsed, splice, [changes[numbers[index]].risk for index in splice.changes])
                )
        return edits

    def _parse(self, file: str, resource: Resource) -> ParsedText:
        """Return a parsed file. Raises EditRefusedError if it cannot be changed."""
        path = self._source.find_path(file, resource)
        if path in self._refused_by_path:
            raise self._refused_by_path[path]
        if path not in self._parsed:
            try:
                self._parsed[path] = self._read(file, path)
            except EditRefusedError as error:
                self._refused_by_path[path] = error
                raise
        return self._parsed[path]

    def _read(self, file: str, path: str) -> ParsedText:
        content = self._source.content(path)
        try:
            text = (content or b"").decode()
        except UnicodeDecodeError as error:
            raise EditRefusedError("it is not UTF-8 text") from error
        if not text or text.startswith("\ufeff"):
            raise EditRefusedError("it is not available, or begins with a byte order mark")
        if len(text) * max(self._failure_counts[file], 1) > _MAX_PARSED:
            raise EditRefusedError("it is too large")
        return parse_text(file, text)


def _add_edits(verdict: Verdict, edits: Iterable[tuple[Evidence, Sequence[Edit]]]) -> Verdict:
    """Return the verdict with edits in its evidence."""
    edits_by_evidence: dict[int, tuple[Edit, ...]] = {}
    for evidence, evidence_edits in edits:
        edits_by_evidence[id(evidence)] = (*edits_by_evidence.get(id(evidence), ()), *evidence_edits)
    if not edits_by_evidence:
        return verdict
    updated = (
        msgspec.structs.replace(evidence, edits=edits_by_evidence.get(id(evidence), ()))
        for evidence in verdict.evidence
    )
    return msgspec.structs.replace(verdict, evidence=tuple(updated))


def _check_certain(change: ProposedChange, target: EditTarget) -> EditTarget:
    """Return the target. Raises EditRefusedError for a new value in a template or base, which may affect other users."""
    source = change.resource.source
    is_generated = source is None or source.lazy_source_map is not None or source.origin is not None
    if is_generated and not has_path(change.resource.object, change.path):
        raise EditRefusedError("the effect of a missing value on the rendered resource is unknown")
    return target


def _merge_adjacent(splices: Iterable[Splice]) -> Iterator[Splice]:
    """Merge adjacent splices, so that they can be applied in any order."""
    last: Splice | None = None
    for splice in splices:
        if last is not None and last.end == splice.start:
            last = Splice(last.start, splice.end, last.text + splice.text, (*last.changes, *splice.changes))
            continue
        if last is not None:
            yield last
        last = splice
    if last is not None:
        yield last


def _make_edit(file: str, parsed: ParsedText, splice: Splice, risks: Iterable[str]) -> Edit:
    region = Region(_locate(parsed, splice.start), _locate(parsed, splice.end))
    return Edit(file, region, splice.text, "; ".join(dict.fromkeys(filter(None, risks))))


def _locate(parsed: ParsedText, index: int) -> Position:
    line = bisect_right(parsed.lines, index)
    return Position(line, index - parsed.lines[line - 1] + 1)
