"""Edits of mappings and lists in brackets: YAML flow style and all of JSON. Never edits block style."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from kubekeep.fixes.edits.change import ABSENT, ChangeTree, EditRefusedError, sort_steps
from kubekeep.fixes.edits.slot import DocumentEdits, Slot
from kubekeep.fixes.edits.style import format_flow, format_flow_lines, format_scalar
from kubekeep.fixes.edits.syntax import Node, NodeKind, find_line_start, skip_properties


class _FlowRow(msgspec.Struct, frozen=True):
    """An entry or item, without its comma."""

    start: int
    end: int


class _Layout(msgspec.Struct, frozen=True):
    """Layout of the rows. indent: None if they share a line; step: indentation of one level; compact: no spaces."""

    indent: str | None
    step: str
    compact: bool

    def separator(self, newline: str) -> str:
        """Return the text before a further row."""
        if self.indent is not None:
            return f",{newline}{self.indent}"
        return "," if self.compact else ", "


def edit(edits: DocumentEdits, slot: Slot, tree: ChangeTree) -> None:
    """Make the changes of a tree in a collection in brackets."""
    if slot.node.kind is NodeKind.SEQUENCE and not all(isinstance(step, int) for step in tree.steps):
        raise EditRefusedError("it is below a list")
    pairs = _list_pairs(slot.node)
    rows = [_FlowRow(key.start, max(key.end, value.end)) for key, value in pairs]
    layout = _detect_layout(edits.text, slot, rows)
    removed: dict[int, list[int]] = {}
    added = []
    for step in sort_steps(tree.steps):
        subtree = tree.steps[step]
        indexes = [index for index, (key, _) in enumerate(pairs) if step == _get_step(slot.node, index, key)]
        if not indexes:
            added.append((step, subtree, edits.build_value(subtree)))
        elif subtree.removes:
            removed |= dict.fromkeys(indexes, subtree.list_numbers())
        else:
            # The last one of duplicate keys applies.
            key, value = pairs[indexes[-1]]
            _edit_entry(edits, slot, key, value, layout, (step, subtree))
    if added and any(key.text == "<<" and not key.style for key, _ in pairs) and slot.node.kind is NodeKind.MAPPING:
        raise EditRefusedError("a merge key (<<) is in the same mapping")
    _replace_rows(edits, slot, rows, removed, layout, [row for row in added if row[2] is not ABSENT])


def _list_pairs(node: Node) -> Sequence[tuple[Node, Node]]:
    """Return the entries of a mapping, or each item of a list twice."""
    return node.entries if node.kind is NodeKind.MAPPING else [(child, child) for child in node.children]


def _get_step(node: Node, index: int, key: Node) -> str | int:
    return key.text if node.kind is NodeKind.MAPPING else index


def _edit_entry(
    edits: DocumentEdits, slot: Slot, key: Node, value: Node, layout: _Layout, change: tuple[str | int, ChangeTree]
) -> None:
    """Change the value of an entry or item."""
    step, subtree = change
    is_item = slot.node.kind is NodeKind.SEQUENCE
    inner = Slot(
        value,
        slot.value[step],
        # A key in a flow mapping may have no value.
        None if is_item or (value.start == value.end == key.end) else edits.find_lead(key),
        is_item=is_item,
        in_flow=True,
        indent=layout.indent,
        step=layout.step,
        compact=layout.compact,
    )
    edits.edit_entry(inner, subtree)


def _detect_layout(text: str, slot: Slot, rows: Sequence[_FlowRow]) -> _Layout:
    opening = skip_properties(text, slot.node)
    if not rows:
        return _Layout(None, slot.step, slot.compact)
    first = find_line_start(text, rows[0].start)
    if first > opening:
        indent = text[first : rows[0].start]
        closing = text[find_line_start(text, slot.node.end - 1) : slot.node.end - 1]
        step = indent.removeprefix(closing) if not closing.strip(" \t") and indent != closing else slot.step
        return _Layout(indent if not indent.strip(" \t") else None, step, compact=False)
    if len(rows) > 1:
        compact = text[rows[0].end : rows[1].start] == ","
    else:
        compact = slot.compact or _is_compact(text[opening : rows[0].end])
    return _Layout(None, slot.step, compact)


def _is_compact(text: str) -> bool:
    """Return True if a JSON text has no spaces after colons."""
    return '":' in text and '": ' not in text


def _replace_rows(
    edits: DocumentEdits,
    slot: Slot,
    rows: Sequence[_FlowRow],
    removed: dict[int, list[int]],
    layout: _Layout,
    added: Sequence[tuple[str | int, ChangeTree, Any]],
) -> None:
    numbers = list(itertools.chain.from_iterable(subtree.list_numbers() for _, subtree, _ in added))
    added_rows = [_format_row(edits, slot, layout, step, new) for step, _, new in added]
    remaining = [index for index in range(len(rows)) if index not in removed]
    separator = layout.separator(edits.style.newline)
    if not remaining:
        opening = skip_properties(edits.text, slot.node) + 1
        numbers += itertools.chain.from_iterable(removed.values())
        start, end = (rows[0].start, rows[-1].end) if added_rows and rows else (opening, slot.node.end - 1)
        edits.splice(start, end, separator.join(added_rows), numbers)
        return
    if added_rows:
        at = rows[remaining[-1]].end
        edits.splice(at, at, separator + separator.join(added_rows), numbers)
    for index, change_numbers in removed.items():
        # Remove up to the next row; after the last remaining row, from the end of the row before.
        is_followed = index < remaining[-1]
        start = rows[index].start if is_followed else rows[index - 1].end
        edits.splice(start, rows[index + 1].start if is_followed else rows[index].end, "", change_numbers)


def _format_row(edits: DocumentEdits, slot: Slot, layout: _Layout, step: str | int, value: Any) -> str:
    if layout.indent is None:
        text = format_flow(value, edits.style, compact=layout.compact)
    else:
        text = format_flow_lines(value, layout.indent, layout.step, edits.style)
    if slot.node.kind is NodeKind.SEQUENCE:
        return text
    colon = ":" if layout.compact and edits.style.is_json else ": "
    return f"{format_scalar(str(step), is_json=edits.style.is_json)}{colon}{text}"
