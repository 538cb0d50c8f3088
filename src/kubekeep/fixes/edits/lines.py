"""Changes of mappings and lists that are written in lines, one for each key or dash. Touches no line but its own."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.change import ABSENT, Branch, RefusedError, ordered
from kubekeep.fixes.edits.slot import Edits, Slot
from kubekeep.fixes.edits.style import block, entry
from kubekeep.fixes.edits.syntax import (
    Kind,
    Node,
    after_break,
    after_properties,
    after_space,
    content_end,
    line_end,
    line_start,
)

_MERGE: Final = "<<"
_MERGED: Final = "it comes from a merge key (<<), which other places share"


class _Row(msgspec.Struct, frozen=True):
    """An entry or item: from its key or dash to the end of its value."""

    start: int
    end: int


class _Fresh(msgspec.Struct, frozen=True):
    """Lines to add, and the numbers of the changes that they make."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]


def edit(edits: Edits, slot: Slot, branch: Branch) -> None:
    """Make the changes of `branch` in a collection written in lines."""
    if slot.node.kind is Kind.MAPPING:
        _mapping(edits, slot, branch)
    else:
        _sequence(edits, slot, branch)


def _mapping(edits: Edits, slot: Slot, branch: Branch) -> None:
    node = slot.node
    rows = [_Row(key.start, content_end(edits.text, value)) for key, value in node.entries]
    # Of a key that is said twice the last one holds.
    own = {key.text: index for index, (key, _) in enumerate(node.entries)}
    column = node.entries[0][0].column
    gone: dict[int, list[int]] = {}
    others = Branch()
    for step, below in branch.steps.items():
        if step not in own:
            others.steps[step] = below
        elif below.removes:
            gone |= {index: below.numbers() for index, (key, _) in enumerate(node.entries) if key.text == step}
        else:
            key, value = node.entries[own[str(step)]]
            edits.entry(Slot(value, slot.value[step], edits.lead(key), column), below)
    merges = [value for key, value in node.entries if key.text == _MERGE and not key.style]
    if others.steps and len(merges) == 1 and merges[0].kind is Kind.ALIAS:
        alone = functools.partial(_rows, edits, slot, rows, gone, others)
        if gone:
            raise RefusedError(_MERGED)
        edits.merged(merges[0], others, alone)
        return
    _rows(edits, slot, rows, gone, others)


def _rows(edits: Edits, slot: Slot, rows: Sequence[_Row], gone: dict[int, list[int]], others: Branch) -> None:
    """Remove the rows in `gone`, and add what the steps of `others` make."""
    node = slot.node
    column = node.children[0].column if node.kind is Kind.MAPPING else _column(edits.text, rows[0].start)
    lines: list[str] = []
    numbers: list[int] = []
    for step in ordered(others.steps):
        below = others.steps[step]
        if isinstance(slot.value, dict) and slot.value.get(str(step)) is not None and not _is_simple(below):
            edits.refuse(below, _MERGED)
            continue
        new = edits.built(below)
        if new is ABSENT:
            continue
        is_entry = node.kind is Kind.MAPPING
        lines += entry(str(step), new, column, edits.style) if is_entry else block([new], column, edits.style)
        numbers += below.numbers()
    _cut(edits, slot, rows, gone, _Fresh(tuple(lines), tuple(numbers)))


def _is_simple(branch: Branch) -> bool:
    return branch.value is not ABSENT


def _sequence(edits: Edits, slot: Slot, branch: Branch) -> None:
    if not all(isinstance(step, int) for step in branch.steps):
        raise RefusedError("it lies below a list")
    rows = _items(edits.text, slot.node)
    gone: dict[int, list[int]] = {}
    others = Branch()
    for step, below in branch.steps.items():
        index = int(step)
        if index >= len(rows):
            others.steps[index] = below
        elif below.removes:
            gone[index] = below.numbers()
        else:
            item = slot.node.children[index]
            lead = rows[index].start + 1
            column = _column(edits.text, rows[index].start) + 2
            edits.entry(Slot(item, slot.value[index], lead, column, is_item=True), below)
    _rows(edits, slot, rows, gone, others)


def _items(text: str, node: Node) -> list[_Row]:
    """The rows of a list, from their dashes."""
    rows = []
    at = after_properties(text, node)
    for item in node.children:
        at = after_space(text, at)
        if text[at : at + 1] != "-":
            raise RefusedError("the list is written in an unusual way")
        end = content_end(text, item)
        rows.append(_Row(at, end))
        at = max(end, at + 1)
    return rows


def _column(text: str, at: int) -> int:
    return at - line_start(text, at)


def _cut(edits: Edits, slot: Slot, rows: Sequence[_Row], gone: dict[int, list[int]], fresh: _Fresh) -> None:
    kept = [index for index in range(len(rows)) if index not in gone]
    if not kept:
        _replace_all(edits, slot, rows, gone, fresh)
        return
    if fresh.lines:
        newline = edits.style.newline
        at = _end(edits, rows[kept[-1]])
        edits.splice(at, at, newline + newline.join(fresh.lines), [*fresh.numbers])
    index = 0
    while index < len(rows):
        last = index
        while last in gone:
            last += 1
        if last > index:
            _remove(edits, rows, index, last, [number for row in range(index, last) for number in gone[row]])
        index = last + 1


def _remove(edits: Edits, rows: Sequence[_Row], first: int, last: int, numbers: list[int]) -> None:
    """Remove the rows from `first` to before `last`, but never all."""
    text = edits.text
    start = line_start(text, rows[first].start)
    if text[start : rows[first].start].strip(" "):
        # The first row stands behind a dash, where the next one has to move to.
        following = rows[last].start
        between = text[after_break(text, _end(edits, rows[last - 1])) : line_start(text, following)]
        if "#" in between:
            edits.splice(start, start, between, numbers)
        edits.splice(rows[first].start, following, "", numbers)
        return
    if first:
        start = _with_comments(text, start, rows[first], after_break(text, _end(edits, rows[first - 1])))
    end = _end(edits, rows[last - 1])
    # With the line break before: the place behind the last one is where others add lines.
    before = len(text[:start].removesuffix("\n").removesuffix("\r"))
    edits.splice(before, end if start else after_break(text, end), "", numbers)


def _with_comments(text: str, start: int, row: _Row, reached: int) -> int:
    """Where the comment lines right above a row begin, which are about it."""
    margin = " " * _column(text, row.start) + "#"
    while start > reached:
        before = line_start(text, len(text[:start].removesuffix("\n").removesuffix("\r")))
        if before < reached or not text.startswith(margin, before):
            break
        start = before
    return start


def _replace_all(edits: Edits, slot: Slot, rows: Sequence[_Row], gone: dict[int, list[int]], fresh: _Fresh) -> None:
    """Remove every row, so that an empty collection or what is added remains."""
    text, node = edits.text, slot.node
    numbers = [*fresh.numbers, *(number for row in gone.values() for number in row)]
    end = _end(edits, rows[-1])
    if fresh.lines:
        edits.splice(rows[0].start, end, edits.style.newline.join(fresh.lines).lstrip(" "), numbers)
        return
    empty = "{}" if node.kind is Kind.MAPPING else "[]"
    start = line_start(text, rows[0].start)
    if slot.lead is None or slot.lead > start:
        edits.splice(rows[0].start, end, empty, numbers)
        return
    if node.anchor is not None or node.tag is not None:
        raise RefusedError("nothing would be left of a value that has an anchor or a tag")
    edits.splice(slot.lead, slot.lead, f" {empty}", numbers)
    before = len(text[:start].removesuffix("\n").removesuffix("\r"))
    edits.splice(before, end, "", numbers)


def _end(edits: Edits, row: _Row) -> int:
    """The end of the last line of a row."""
    end = line_end(edits.text, row.end)
    if end is None:
        raise RefusedError("something else stands on its line")
    return end
