"""Edits of mappings and lists in block style, one line per key or dash. Never changes other lines."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Final

import msgspec

from kubekeep.fixes.edits.change import ABSENT, ChangeTree, EditRefusedError, sort_steps
from kubekeep.fixes.edits.slot import DocumentEdits, Slot
from kubekeep.fixes.edits.style import format_block, format_entry
from kubekeep.fixes.edits.syntax import (
    Node,
    NodeKind,
    find_content_end,
    find_line_end,
    find_line_start,
    skip_line_break,
    skip_properties,
    skip_space,
)

_MERGE: Final = "<<"
_MERGED: Final = "it comes from a merge key (<<), which other mappings share"


class _BlockRow(msgspec.Struct, frozen=True):
    """An entry or item: from its key or dash to the end of its value."""

    start: int
    end: int


class _AddedLines(msgspec.Struct, frozen=True):
    """Lines to add and the numbers of their changes."""

    lines: tuple[str, ...]
    numbers: tuple[int, ...]


def edit(edits: DocumentEdits, slot: Slot, tree: ChangeTree) -> None:
    """Make the changes of a tree in a block collection."""
    if slot.node.kind is NodeKind.MAPPING:
        _edit_mapping(edits, slot, tree)
    else:
        _edit_sequence(edits, slot, tree)


def _edit_mapping(edits: DocumentEdits, slot: Slot, tree: ChangeTree) -> None:
    node = slot.node
    rows = [_BlockRow(key.start, find_content_end(edits.text, value)) for key, value in node.entries]
    # The last one of duplicate keys applies.
    index_by_key = {key.text: index for index, (key, _) in enumerate(node.entries)}
    column = node.entries[0][0].column
    removed: dict[int, list[int]] = {}
    added = ChangeTree()
    for step, subtree in tree.steps.items():
        if step not in index_by_key:
            added.steps[step] = subtree
        elif subtree.removes:
            removed |= {
                index: subtree.list_numbers() for index, (key, _) in enumerate(node.entries) if key.text == step
            }
        else:
            key, value = node.entries[index_by_key[str(step)]]
            edits.edit_entry(Slot(value, slot.value[step], edits.find_lead(key), column), subtree)
    merges = [value for key, value in node.entries if key.text == _MERGE and not key.style]
    if added.steps and len(merges) == 1 and merges[0].kind is NodeKind.ALIAS:
        alone = functools.partial(_edit_rows, edits, slot, rows, removed, added)
        if removed:
            raise EditRefusedError(_MERGED)
        edits.edit_merged(merges[0], added, alone)
        return
    _edit_rows(edits, slot, rows, removed, added)


def _edit_rows(
    edits: DocumentEdits, slot: Slot, rows: Sequence[_BlockRow], removed: dict[int, list[int]], added: ChangeTree
) -> None:
    """Remove rows, and add the values that the steps of `added` create."""
    node = slot.node
    column = node.children[0].column if node.kind is NodeKind.MAPPING else _get_column(edits.text, rows[0].start)
    lines: list[str] = []
    numbers: list[int] = []
    for step in sort_steps(added.steps):
        subtree = added.steps[step]
        if isinstance(slot.value, dict) and slot.value.get(str(step)) is not None and not _is_simple(subtree):
            edits.refuse(subtree, _MERGED)
            continue
        new = edits.build_value(subtree)
        if new is ABSENT:
            continue
        is_entry = node.kind is NodeKind.MAPPING
        lines += (
            format_entry(str(step), new, column, edits.style) if is_entry else format_block([new], column, edits.style)
        )
        numbers += subtree.list_numbers()
    _replace_rows(edits, slot, rows, removed, _AddedLines(tuple(lines), tuple(numbers)))


def _is_simple(tree: ChangeTree) -> bool:
    return tree.value is not ABSENT


def _edit_sequence(edits: DocumentEdits, slot: Slot, tree: ChangeTree) -> None:
    if not all(isinstance(step, int) for step in tree.steps):
        raise EditRefusedError("it is below a list")
    rows = _find_items(edits.text, slot.node)
    removed: dict[int, list[int]] = {}
    added = ChangeTree()
    for step, subtree in tree.steps.items():
        index = int(step)
        if index >= len(rows):
            added.steps[index] = subtree
        elif subtree.removes:
            removed[index] = subtree.list_numbers()
        else:
            child = slot.node.children[index]
            lead = rows[index].start + 1
            column = _get_column(edits.text, rows[index].start) + 2
            edits.edit_entry(Slot(child, slot.value[index], lead, column, is_item=True), subtree)
    _edit_rows(edits, slot, rows, removed, added)


def _find_items(text: str, node: Node) -> list[_BlockRow]:
    """Return the rows of a list, from their dashes."""
    rows = []
    at = skip_properties(text, node)
    for child in node.children:
        at = skip_space(text, at)
        if text[at : at + 1] != "-":
            raise EditRefusedError("the format of the list is not supported")
        end = find_content_end(text, child)
        rows.append(_BlockRow(at, end))
        at = max(end, at + 1)
    return rows


def _get_column(text: str, at: int) -> int:
    return at - find_line_start(text, at)


def _replace_rows(
    edits: DocumentEdits, slot: Slot, rows: Sequence[_BlockRow], removed: dict[int, list[int]], added: _AddedLines
) -> None:
    remaining = [index for index in range(len(rows)) if index not in removed]
    if not remaining:
        _replace_all(edits, slot, rows, removed, added)
        return
    if added.lines:
        newline = edits.style.newline
        at = _find_end(edits, rows[remaining[-1]])
        edits.splice(at, at, newline + newline.join(added.lines), [*added.numbers])
    index = 0
    while index < len(rows):
        last = index
        while last in removed:
            last += 1
        if last > index:
            _remove_rows(edits, rows, index, last, [number for row in range(index, last) for number in removed[row]])
        index = last + 1


def _remove_rows(edits: DocumentEdits, rows: Sequence[_BlockRow], first: int, last: int, numbers: list[int]) -> None:
    """Remove the rows from `first` to before `last`, never all rows."""
    text = edits.text
    start = find_line_start(text, rows[first].start)
    if text[start : rows[first].start].strip(" "):
        # The first row follows a dash on its line: the next row takes its place.
        following = rows[last].start
        between = text[skip_line_break(text, _find_end(edits, rows[last - 1])) : find_line_start(text, following)]
        if "#" in between:
            edits.splice(start, start, between, numbers)
        edits.splice(rows[first].start, following, "", numbers)
        return
    if first:
        start = _include_comments(text, start, rows[first], skip_line_break(text, _find_end(edits, rows[first - 1])))
    end = _find_end(edits, rows[last - 1])
    # Including the line break before: other changes add lines after the last row.
    before = len(text[:start].removesuffix("\n").removesuffix("\r"))
    edits.splice(before, end if start else skip_line_break(text, end), "", numbers)


def _include_comments(text: str, start: int, row: _BlockRow, previous_end: int) -> int:
    """Return the start of the comment lines directly above a row, which belong to it."""
    margin = " " * _get_column(text, row.start) + "#"
    while start > previous_end:
        before = find_line_start(text, len(text[:start].removesuffix("\n").removesuffix("\r")))
        if before < previous_end or not text.startswith(margin, before):
            break
        start = before
    return start


def _replace_all(
    edits: DocumentEdits, slot: Slot, rows: Sequence[_BlockRow], removed: dict[int, list[int]], added: _AddedLines
) -> None:
    """Remove every row; an empty collection or the added lines remain."""
    text, node = edits.text, slot.node
    numbers = [*added.numbers, *(number for row in removed.values() for number in row)]
    end = _find_end(edits, rows[-1])
    if added.lines:
        edits.splice(rows[0].start, end, edits.style.newline.join(added.lines).lstrip(" "), numbers)
        return
    empty = "{}" if node.kind is NodeKind.MAPPING else "[]"
    start = find_line_start(text, rows[0].start)
    if slot.lead is None or slot.lead > start:
        edits.splice(rows[0].start, end, empty, numbers)
        return
    if node.anchor is not None or node.tag is not None:
        raise EditRefusedError("a value with an anchor or a tag would become empty")
    edits.splice(slot.lead, slot.lead, f" {empty}", numbers)
    before = len(text[:start].removesuffix("\n").removesuffix("\r"))
    edits.splice(before, end, "", numbers)


def _find_end(edits: DocumentEdits, row: _BlockRow) -> int:
    """Return the end of the last line of a row."""
    end = find_line_end(edits.text, row.end)
    if end is None:
        raise EditRefusedError("its line contains another value")
    return end
