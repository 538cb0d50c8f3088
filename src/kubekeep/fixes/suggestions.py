"""Exact edits for findings, as editors and code scanning offer them: each mends a verdict and is sure to do that alone.

Where that is not certain there are none: for a file that cannot be changed, a value that a template makes from another,
and a verdict of which some evidence has no fix. Writes nothing; `fixes.plan` changes files, and proves by a scan.
"""

from __future__ import annotations

import functools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.change import Change, RefusedError
from kubekeep.fixes.edits.reading import Reading
from kubekeep.fixes.edits.splice import Splice
from kubekeep.fixes.edits.target import Target, target_of
from kubekeep.fixes.edits.text import edit
from kubekeep.fixes.files import is_json
from kubekeep.fixes.wanted_changes import Finding, Wish, alone
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.control import Control
from kubekeep.model.finding import Edit, Evidence, Status, Verdict
from kubekeep.model.location import Position, Region, has_path
from kubekeep.model.resource import Resource
from kubekeep.sources.inputs import Inputs

_MOST: Final = 100_000_000
"""Characters that may be read again to prove the edits of one file, which is some seconds; else it has none."""


def with_edits(results: Sequence[ResourceResult], source: Inputs, controls: Iterable[Control]) -> list[ResourceResult]:
    """`results` with edits in the evidence of all verdicts that some are certain for."""
    editor = _Suggestions(source, results)
    by_slug = {control.slug: control for control in controls}
    return [
        msgspec.structs.replace(
            result,
            verdicts={
                slug: editor.verdict(verdict, by_slug[slug], result.resource)
                for slug, verdict in result.verdicts.items()
            },
        )
        for result in results
    ]


class _Suggestions:
    """The files that edits are for, and what is known of them."""

    def __init__(self, source: Inputs, results: Iterable[ResourceResult]) -> None:
        self._source = source
        self._readings: dict[str, Reading] = {}
        self._refused: dict[str, RefusedError] = {}
        failed = (result for result in results if result.resource.source is not None)
        self._verdicts = Counter(
            result.resource.source.path
            for result in failed
            for verdict in result.verdicts.values()
            if verdict.status is Status.FAILED and result.resource.source is not None
        )

    def verdict(self, verdict: Verdict, control: Control, resource: Resource) -> Verdict:
        """A verdict with the edits that mend it, if there are."""
        standing = [item for item in verdict.evidence if item.exception is None]
        if verdict.status is not Status.FAILED:
            return verdict
        wishes = [alone(Finding(control, resource, item)) for item in standing]
        try:
            edits = self._edits([wish for found in wishes for wish in found], resource) if all(wishes) else {}
        except RefusedError:
            return verdict
        owners = [item for item, found in zip(standing, wishes, strict=True) for _ in found]
        return _with(verdict, [(owners[number], found) for number, found in edits.items()])

    def _edits(self, wishes: Sequence[Wish], resource: Resource) -> dict[int, list[Edit]]:
        """The edits that make wishes come true together, each by the first wish that it is for. Raises RefusedError."""
        read = functools.partial(self._reading, resource=resource)
        targets = [_certain(wish, target_of(wish.resource, wish.path, read)) for wish in wishes]
        found: dict[int, list[Edit]] = {}
        for file in dict.fromkeys(target.file for target in targets):
            numbers = [number for number, target in enumerate(targets) if target.file == file]
            changes = [Change(targets[n].document, targets[n].path, wishes[n].value) for n in numbers]
            reading = read(file)
            made = edit(reading, changes)
            for reason in made.refused.values():
                raise RefusedError(reason)
            for splice in _apart(made.splices):
                found.setdefault(numbers[min(splice.changes)], []).append(_edit_of(file, reading, splice))
        return found

    def _reading(self, file: str, resource: Resource) -> Reading:
        """What a file says. Raises RefusedError for one that cannot be changed."""
        path = self._source.path_of(file, resource)
        if path in self._refused:
            raise self._refused[path]
        if path not in self._readings:
            try:
                self._readings[path] = self._read(file, path)
            except RefusedError as error:
                self._refused[path] = error
                raise
        return self._readings[path]

    def _read(self, file: str, path: str) -> Reading:
        data = self._source.content(path)
        try:
            text = (data or b"").decode()
        except UnicodeDecodeError as error:
            raise RefusedError("it is not UTF-8 text") from error
        if not text or text.startswith("\ufeff"):
            raise RefusedError("it is not at hand, or begins with a byte order mark")
        if len(text) * max(self._verdicts[file], 1) > _MOST:
            raise RefusedError("it is too large")
        return Reading(text, is_json=is_json(file, text))


def _with(verdict: Verdict, edits: Iterable[tuple[Evidence, Sequence[Edit]]]) -> Verdict:
    """A verdict with edits in its evidence."""
    own: dict[int, tuple[Edit, ...]] = {}
    for item, found in edits:
        own[id(item)] = (*own.get(id(item), ()), *found)
    if not own:
        return verdict
    told = (msgspec.structs.replace(item, edits=own.get(id(item), ())) for item in verdict.evidence)
    return msgspec.structs.replace(verdict, evidence=tuple(told))


def _certain(wish: Wish, target: Target) -> Target:
    """The target, if what stands there is what the object has: others may share what a template or an overlay takes over."""
    source = wish.resource.source
    is_made = source is None or source.lazy_source_map is not None or source.origin is not None
    if is_made and not has_path(wish.resource.object, wish.path):
        raise RefusedError("where it is made, nothing says what becomes of a value that is not there")
    return target


def _apart(splices: Iterable[Splice]) -> Iterator[Splice]:
    """Splices of which no two touch: who applies them need not know an order."""
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


def _edit_of(file: str, reading: Reading, splice: Splice) -> Edit:
    region = Region(_position(reading, splice.start), _position(reading, splice.end))
    return Edit(file, region, splice.text)


def _position(reading: Reading, index: int) -> Position:
    line = bisect_right(reading.lines, index)
    return Position(line, index - reading.lines[line - 1] + 1)
