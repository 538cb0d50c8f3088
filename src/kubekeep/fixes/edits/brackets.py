"""Changes of mappings and lists that are written between brackets: flow style in YAML, and all of JSON."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Any

import msgspec

from kubekeep.fixes.edits.change import ABSENT, Branch, RefusedError, ordered
from kubekeep.fixes.edits.slot import Edits, Slot
from kubekeep.fixes.edits.style import flow, flow_lines, scalar
from kubekeep.fixes.edits.syntax import Kind, Node, after_properties, line_start


class _Row(msgspec.Struct, frozen=True):
    """An entry or item, without its comma."""

    start: int
    end: int


class _Layout(msgspec.Struct, frozen=True):
    """How the rows stand: `indent` if each has a line, what one level adds to it, and whether there are no spaces."""

    indent: str | None
    step: str
    compact: bool

    def between(self, newline: str) -> str:
        """What comes before a further row."""
        if self.indent is not None:
            return f",{newline}{self.indent}"
        return "," if self.compact else ", "


def edit(edits: Edits, slot: Slot, branch: Branch) -> None:
    """Make the changes of `branch` in a collection between brackets."""
    if slot.node.kind is Kind.SEQUENCE and not all(isinstance(step, int) for step in branch.steps):
        raise RefusedError("it lies below a list")
    pairs = _pairs(slot.node)
    rows = [_Row(key.start, max(key.end, value.end)) for key, value in pairs]
    layout = _layout(edits.text, slot, rows)
    gone: dict[int, list[int]] = {}
    fresh = []
    for step in ordered(branch.steps):
        below = branch.steps[step]
        found = [index for index, (key, _) in enumerate(pairs) if step == _step(slot.node, index, key)]
        if not found:
            fresh.append((step, below, edits.built(below)))
        elif below.removes:
            gone |= dict.fromkeys(found, below.numbers())
        else:
            # Of a key that is said twice the last one holds.
            key, value = pairs[found[-1]]
            _entry(edits, slot, key, value, layout, (step, below))
    if fresh and any(key.text == "<<" and not key.style for key, _ in pairs) and slot.node.kind is Kind.MAPPING:
        raise RefusedError("a merge key (<<) stands beside it")
    _cut(edits, slot, rows, gone, layout, [row for row in fresh if row[2] is not ABSENT])


def _pairs(node: Node) -> Sequence[tuple[Node, Node]]:
    """The entries, or each item twice."""
    return node.entries if node.kind is Kind.MAPPING else [(item, item) for item in node.children]


def _step(node: Node, index: int, key: Node) -> str | int:
    return key.text if node.kind is Kind.MAPPING else index


def _entry(edits: Edits, slot: Slot, key: Node, value: Node, layout: _Layout, change: tuple[str | int, Branch]) -> None:
    """Change the value of an entry or item."""
    step, below = change
    is_item = slot.node.kind is Kind.SEQUENCE
    inner = Slot(
        value,
        slot.value[step],
        # A key between brackets may stand alone.
        None if is_item or (value.start == value.end == key.end) else edits.lead(key),
        is_item=is_item,
        in_flow=True,
        indent=layout.indent,
        step=layout.step,
        compact=layout.compact,
    )
    edits.entry(inner, below)


def _layout(text: str, slot: Slot, rows: Sequence[_Row]) -> _Layout:
    opening = after_properties(text, slot.node)
    if not rows:
        return _Layout(None, slot.step, slot.compact)
    first = line_start(text, rows[0].start)
    if first > opening:
        indent = text[first : rows[0].start]
        closing = text[line_start(text, slot.node.end - 1) : slot.node.end - 1]
        step = indent.removeprefix(closing) if not closing.strip(" \t") and indent != closing else slot.step
        return _Layout(indent if not indent.strip(" \t") else None, step, compact=False)
    if len(rows) > 1:
        compact = text[rows[0].end : rows[1].start] == ","
    else:
        compact = slot.compact or _is_tight(text[opening : rows[0].end])
    return _Layout(None, slot.step, compact)


def _is_tight(text: str) -> bool:
    """Whether a JSON text does without spaces."""
    return '":' in text and '": ' not in text


def _cut(
    edits: Edits,
    slot: Slot,
    rows: Sequence[_Row],
    gone: dict[int, list[int]],
    layout: _Layout,
    fresh: Sequence[tuple[str | int, Branch, Any]],
) -> None:
    numbers = list(itertools.chain.from_iterable(below.numbers() for _, below, _ in fresh))
    added = [_written(edits, slot, layout, step, new) for step, _, new in fresh]
    kept = [index for index in range(len(rows)) if index not in gone]
    between = layout.between(edits.style.newline)
    if not kept:
        opening = after_properties(edits.text, slot.node) + 1
        numbers += itertools.chain.from_iterable(gone.values())
        start, end = (rows[0].start, rows[-1].end) if added and rows else (opening, slot.node.end - 1)
        edits.splice(start, end, between.join(added), numbers)
        return
    if added:
        at = rows[kept[-1]].end
        edits.splice(at, at, between + between.join(added), numbers)
    for index, removed in gone.items():
        # Up to the next row; what comes after the last one that stays goes from there.
        is_followed = index < kept[-1]
        start = rows[index].start if is_followed else rows[index - 1].end
        edits.splice(start, rows[index + 1].start if is_followed else rows[index].end, "", removed)


def _written(edits: Edits, slot: Slot, layout: _Layout, step: str | int, value: Any) -> str:
    if layout.indent is None:
        text = flow(value, edits.style, compact=layout.compact)
    else:
        text = flow_lines(value, layout.indent, layout.step, edits.style)
    if slot.node.kind is Kind.SEQUENCE:
        return text
    colon = ":" if layout.compact and edits.style.is_json else ": "
    return f"{scalar(str(step), is_json=edits.style.is_json)}{colon}{text}"
