"""Splices for the changes of one document. Text outside of the changes stays; values are never interpreted.

A value shared by an alias or merge key (`<<`) is edited in place if all its users change in the same way. Otherwise a
user gets its own value where YAML permits it, or the change is refused.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kubekeep.fixes.edits import brackets, lines
from kubekeep.fixes.edits.change import ABSENT, ChangeTree, EditRefusedError, build_value
from kubekeep.fixes.edits.slot import Slot
from kubekeep.fixes.edits.splice import Splice
from kubekeep.fixes.edits.style import Style, format_block, format_flow, format_flow_lines, format_scalar
from kubekeep.fixes.edits.syntax import Node, NodeKind, find_content_end, find_line_end, skip_properties

SHARED: Final = "an anchor shares it with places that are to stay as they are"
_COLON: Final = re.compile(r"[ \t]*:")


class _SharedChange(msgspec.Struct, frozen=True):
    """The change of one user of a shared node, with the action for that user alone or for all."""

    tree: ChangeTree
    alone: Callable[[], None] | None
    for_all: Callable[[], None] | None


class Editor:
    """Editor for the changes of one document."""

    def __init__(self, text: str, style: Style) -> None:
        self.text = text
        self.style = style
        self.splices: list[Splice] = []
        self.refused: dict[int, str] = {}
        self._shared: dict[int, tuple[Node, list[_SharedChange]]] = {}

    def edit(self, root: Node, value: Any, tree: ChangeTree) -> None:
        """Fill `splices`, and `refused` by change number. value: the value of the document."""
        try:
            self._edit_below(Slot(root, value, None), tree)
        except EditRefusedError as error:
            self.refuse(tree, str(error))
        while self._shared:
            self._resolve_shared(*self._shared.pop(next(iter(self._shared))))

    def build_value(self, tree: ChangeTree) -> Any:
        """Return the value that changes create where there is none; ABSENT, and refuse them, if they remove."""
        try:
            return build_value(tree)
        except EditRefusedError as error:
            self.refuse(tree, str(error))
            return ABSENT

    def refuse(self, tree: ChangeTree, reason: str) -> None:
        """Refuse all changes of a tree."""
        self.refused |= dict.fromkeys(tree.numbers(), reason)

    def splice(self, start: int, end: int, text: str, changes: list[int]) -> None:
        """Replace a piece of the text."""
        self.splices.append(Splice(start, end, text, tuple(changes)))

    def edit_entry(self, slot: Slot, tree: ChangeTree) -> None:
        """Change the value of an entry or item."""
        try:
            is_empty = slot.value is None or slot.value in ({}, [])
            if tree.value is ABSENT and not is_empty:
                self._edit_below(slot, tree)
            else:
                self._replace_shared(slot, tree)
        except EditRefusedError as error:
            self.refuse(tree, str(error))

    def find_lead(self, key: Node) -> int:
        """Return the index after the colon of a key. Raises EditRefusedError for a complex key."""
        match = _COLON.match(self.text, key.end)
        if match is None or key.kind is not NodeKind.SCALAR:
            raise EditRefusedError("the key before it is written in an unusual way")
        return match.end()

    def _edit_below(self, slot: Slot, tree: ChangeTree) -> None:
        node = slot.node
        if node.kind is NodeKind.SCALAR:
            raise EditRefusedError("what it lies below is no mapping")
        if node.kind is NodeKind.ALIAS:
            target = _resolve_alias(node)
            alone = None if slot.in_flow else (lambda: self._override_alias(slot, tree))
            self._add_shared(target, _SharedChange(tree, alone, None))
        elif node.users:
            self._add_shared(node, _SharedChange(tree, None, lambda: self._edit_collection(slot, tree)))
        else:
            self._edit_collection(slot, tree)

    def _edit_collection(self, slot: Slot, tree: ChangeTree) -> None:
        if slot.node.flow:
            brackets.edit(self, slot, tree)
        else:
            lines.edit(self, slot, tree)

    def _replace_shared(self, slot: Slot, tree: ChangeTree) -> None:
        new = build_value(tree)
        if slot.node.users:
            self._add_shared(slot.node, _SharedChange(tree, None, lambda: self._replace(slot, new, tree)))
        elif slot.node.kind is NodeKind.ALIAS:
            self._add_shared(
                _resolve_alias(slot.node), _SharedChange(tree, lambda: self._replace(slot, new, tree), None)
            )
        else:
            self._replace(slot, new, tree)

    def edit_merged(self, alias: Node, tree: ChangeTree, alone: Callable[[], None]) -> None:
        """Change values that a merge key takes from an alias, for all users or by `alone`."""
        self._add_shared(_resolve_alias(alias), _SharedChange(tree, alone, None))

    def _add_shared(self, node: Node, claim: _SharedChange) -> None:
        self._shared.setdefault(id(node), (node, []))[1].append(claim)

    def _resolve_shared(self, node: Node, claims: list[_SharedChange]) -> None:
        first = claims[0].tree
        for_all = next((claim for claim in claims if claim.for_all), None)
        agree = len(claims) == node.users + 1 and all(claim.tree.equals(first) for claim in claims)
        if agree and for_all is not None and for_all.for_all is not None:
            for claim in claims:
                if claim is not for_all:
                    _absorb(for_all.tree, claim.tree)
            self._try(for_all.tree, for_all.for_all)
            return
        for claim in claims:
            if claim.alone is None:
                self.refuse(claim.tree, SHARED)
            else:
                self._try(claim.tree, claim.alone)

    def _try(self, tree: ChangeTree, action: Callable[[], None]) -> None:
        try:
            action()
        except EditRefusedError as error:
            self.refuse(tree, str(error))

    def _override_alias(self, slot: Slot, tree: ChangeTree) -> None:
        """Replace an alias by a mapping that merges it and has its own entries."""
        simple = all(below.value is not ABSENT for below in tree.steps.values())
        if not simple or not isinstance(slot.value, dict):
            raise EditRefusedError(SHARED)
        head = self.text[slot.node.start : slot.node.end]
        column = slot.column + (0 if slot.is_item else self.style.step)
        added = format_block(build_value(tree), column, self.style)
        self._replace_by_lines(
            slot, slot.node.start, slot.node.end, [f"{' ' * column}<<: {head}", *added], tree.numbers()
        )

    def _replace(self, slot: Slot, new: Any, tree: ChangeTree) -> None:
        """Replace a value."""
        node, numbers = slot.node, tree.numbers()
        begin = node.start if node.tag is not None else skip_properties(self.text, node)
        end = find_content_end(self.text, node)
        if slot.in_flow:
            self._replace_in_flow(slot, begin, new, numbers)
        elif isinstance(new, dict | list) and new and not _fits_on_line(new, self.style):
            away = self.style.dash if isinstance(new, list) else self.style.step
            column = slot.column + (0 if slot.is_item else away)
            self._replace_by_lines(slot, begin, end, format_block(new, column, self.style), numbers)
        else:
            text = format_flow(new, self.style) if isinstance(new, list) else format_scalar(new, like=node.style)
            if node.is_block and slot.lead is not None:
                begin = slot.lead
            is_apart = begin > 0 and self.text[begin - 1] in " \t" and begin < end
            self.splice(begin, end, text if is_apart else f" {text}", numbers)

    def _replace_in_flow(self, slot: Slot, begin: int, new: Any, numbers: list[int]) -> None:
        if slot.indent is None:
            is_scalar = not isinstance(new, dict | list)
            text = (
                format_scalar(new, like=slot.node.style, is_json=self.style.is_json)
                if is_scalar
                else format_flow(new, self.style, compact=slot.compact)
            )
        else:
            text = format_flow_lines(new, slot.indent, slot.step, self.style)
        if begin == slot.node.end:
            text = f": {text}" if slot.lead is None and not slot.is_item else f" {text}"
        self.splice(begin, slot.node.end, text, numbers)

    def _replace_by_lines(self, slot: Slot, begin: int, end: int, rows: list[str], numbers: list[int]) -> None:
        """Write a collection below its key or after its dash."""
        stop = find_line_end(self.text, end)
        if stop is None or slot.lead is None:
            raise EditRefusedError("there is no room for lines below it")
        text = self.style.newline.join(rows)
        if slot.is_item:
            self.splice(slot.lead, end, " " + text.lstrip(" "), numbers)
            return
        kept = self.text[slot.lead : begin].rstrip() + self.text[end:stop]
        self.splice(slot.lead, stop, f"{kept.rstrip()}{self.style.newline}{text}", numbers)


def _fits_on_line(value: Any, style: Style) -> bool:
    return (
        isinstance(value, list) and style.flow_lists and not any(isinstance(element, dict | list) for element in value)
    )


def _resolve_alias(alias: Node) -> Node:
    node = alias
    while node.kind is NodeKind.ALIAS and node.target is not None:
        node = node.target
    return node


def _absorb(tree: ChangeTree, other: ChangeTree) -> None:
    """Add the changes of an equal tree to a tree."""
    tree.changes += other.changes
    for step, below in other.steps.items():
        _absorb(tree.steps[step], below)
