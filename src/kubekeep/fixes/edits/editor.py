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

SHARED: Final = "an anchor shares the value with other fields, which must not change"
_COLON: Final = re.compile(r"[ \t]*:")


class _SharedChange(msgspec.Struct, frozen=True):
    """The change of one user of a shared node, with the edits for this user alone and for all users (None: impossible)."""

    tree: ChangeTree
    edit_alone: Callable[[], None] | None
    edit_for_all: Callable[[], None] | None


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
        # Last, when all users are known. Resolving one node may add users of another.
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
        self.refused |= dict.fromkeys(tree.list_numbers(), reason)

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
            raise EditRefusedError("the format of the key before it is not supported")
        return match.end()

    def _edit_below(self, slot: Slot, tree: ChangeTree) -> None:
        node = slot.node
        if node.kind is NodeKind.SCALAR:
            raise EditRefusedError("its parent is not a mapping")
        if node.kind is NodeKind.ALIAS:
            target = _resolve_alias(node)
            alone = None if slot.in_flow else (lambda: self._override_alias(slot, tree))
            self._add_shared(target, _SharedChange(tree, alone, None))
        elif node.users:
            self._add_shared(node, _SharedChange(tree, None, lambda: self._edit_collection(slot, tree)))
        else:
            self._edit_collection(slot, tree)

    def _edit_collection(self, slot: Slot, tree: ChangeTree) -> None:
        if slot.node.is_flow:
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

    def _add_shared(self, node: Node, change: _SharedChange) -> None:
        self._shared.setdefault(id(node), (node, []))[1].append(change)

    def _resolve_shared(self, node: Node, changes: list[_SharedChange]) -> None:
        first = changes[0].tree
        in_place = next((change for change in changes if change.edit_for_all), None)
        is_unanimous = len(changes) == node.users + 1 and all(change.tree.equals(first) for change in changes)
        if is_unanimous and in_place is not None and in_place.edit_for_all is not None:
            for change in changes:
                if change is not in_place:
                    _merge_numbers(in_place.tree, change.tree)
            self._run_or_refuse(in_place.tree, in_place.edit_for_all)
            return
        for change in changes:
            if change.edit_alone is None:
                self.refuse(change.tree, SHARED)
            else:
                self._run_or_refuse(change.tree, change.edit_alone)

    def _run_or_refuse(self, tree: ChangeTree, action: Callable[[], None]) -> None:
        try:
            action()
        except EditRefusedError as error:
            self.refuse(tree, str(error))

    def _override_alias(self, slot: Slot, tree: ChangeTree) -> None:
        """Replace an alias by a mapping that merges it and adds the changed entries."""
        sets_values_only = all(subtree.value is not ABSENT for subtree in tree.steps.values())
        if not sets_values_only or not isinstance(slot.value, dict):
            raise EditRefusedError(SHARED)
        head = self.text[slot.node.start : slot.node.end]
        column = slot.column + (0 if slot.is_item else self.style.step)
        added = format_block(build_value(tree), column, self.style)
        self._replace_by_lines(
            slot, slot.node.start, slot.node.end, [f"{' ' * column}<<: {head}", *added], tree.list_numbers()
        )

    def _replace(self, slot: Slot, new: Any, tree: ChangeTree) -> None:
        """Replace a value."""
        node, numbers = slot.node, tree.list_numbers()
        begin = node.start if node.tag is not None else skip_properties(self.text, node)
        end = find_content_end(self.text, node)
        if slot.in_flow:
            self._replace_in_flow(slot, begin, new, numbers)
        elif isinstance(new, dict | list) and new and not _fits_on_line(new, self.style):
            indentation = self.style.dash if isinstance(new, list) else self.style.step
            column = slot.column + (0 if slot.is_item else indentation)
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
            raise EditRefusedError("no lines can be added below it")
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


def _merge_numbers(tree: ChangeTree, other: ChangeTree) -> None:
    """Add the numbers of the changes in `other`, an equal tree, to `tree`."""
    tree.changes += other.changes
    for step, subtree in other.steps.items():
        _merge_numbers(tree.steps[step], subtree)
