"""The splices that make the changes of one document. Keeps what is not asked to change; reads no meaning of Kubernetes.

What an alias or a merge key (`<<`) shares is changed where it stands if all who share it want the same. Else a
reader of it gets a value of its own where YAML has a way to say so, and is refused where it has none.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kubekeep.fixes.edits import brackets, lines
from kubekeep.fixes.edits.change import ABSENT, Branch, RefusedError, built
from kubekeep.fixes.edits.slot import Slot
from kubekeep.fixes.edits.splice import Splice
from kubekeep.fixes.edits.style import Style, block, flow, flow_lines, scalar
from kubekeep.fixes.edits.syntax import Kind, Node, after_properties, content_end, line_end

SHARED: Final = "an anchor shares it with places that are to stay as they are"
_COLON: Final = re.compile(r"[ \t]*:")


class _Claim(msgspec.Struct, frozen=True):
    """What one who shares a node wants of it, and how to do that for it alone or for all."""

    branch: Branch
    alone: Callable[[], None] | None
    for_all: Callable[[], None] | None


class Editor:
    """The changes of one document on their way into its text."""

    def __init__(self, text: str, style: Style) -> None:
        self.text = text
        self.style = style
        self.splices: list[Splice] = []
        self.refused: dict[int, str] = {}
        self._claims: dict[int, tuple[Node, list[_Claim]]] = {}

    def edit(self, root: Node, value: Any, branch: Branch) -> None:
        """Fill `splices`, and `refused` by number of the change. `value` is that of the document."""
        try:
            self._below(Slot(root, value, None), branch)
        except RefusedError as error:
            self.refuse(branch, str(error))
        while self._claims:
            self._settle(*self._claims.pop(next(iter(self._claims))))

    def built(self, branch: Branch) -> Any:
        """The value that changes make where nothing is; ABSENT, and they are given up, if they remove."""
        try:
            return built(branch)
        except RefusedError as error:
            self.refuse(branch, str(error))
            return ABSENT

    def refuse(self, branch: Branch, reason: str) -> None:
        """Give up all changes of `branch`."""
        self.refused |= dict.fromkeys(branch.numbers(), reason)

    def splice(self, start: int, end: int, text: str, changes: list[int]) -> None:
        """Replace a piece of the text."""
        self.splices.append(Splice(start, end, text, tuple(changes)))

    def entry(self, slot: Slot, branch: Branch) -> None:
        """Change a value that an entry or item has."""
        try:
            is_empty = slot.value is None or slot.value in ({}, [])
            if branch.value is ABSENT and not is_empty:
                self._below(slot, branch)
            else:
                self._claimed_put(slot, branch)
        except RefusedError as error:
            self.refuse(branch, str(error))

    def lead(self, key: Node) -> int:
        """The index after the colon of a key. Raises RefusedError for a key that is not simple."""
        match = _COLON.match(self.text, key.end)
        if match is None or key.kind is not Kind.SCALAR:
            raise RefusedError("the key before it is written in an unusual way")
        return match.end()

    def _below(self, slot: Slot, branch: Branch) -> None:
        node = slot.node
        if node.kind is Kind.SCALAR:
            raise RefusedError("what it lies below is no mapping")
        if node.kind is Kind.ALIAS:
            target = _final(node)
            alone = None if slot.in_flow else (lambda: self._override(slot, branch))
            self._claim(target, _Claim(branch, alone, None))
        elif node.users:
            self._claim(node, _Claim(branch, None, lambda: self._collection(slot, branch)))
        else:
            self._collection(slot, branch)

    def _collection(self, slot: Slot, branch: Branch) -> None:
        if slot.node.flow:
            brackets.edit(self, slot, branch)
        else:
            lines.edit(self, slot, branch)

    def _claimed_put(self, slot: Slot, branch: Branch) -> None:
        new = built(branch)
        if slot.node.users:
            self._claim(slot.node, _Claim(branch, None, lambda: self._put(slot, new, branch)))
        elif slot.node.kind is Kind.ALIAS:
            self._claim(_final(slot.node), _Claim(branch, lambda: self._put(slot, new, branch), None))
        else:
            self._put(slot, new, branch)

    def merged(self, alias: Node, branch: Branch, alone: Callable[[], None]) -> None:
        """Change what a merge key takes over from `alias`, for all or by `alone`."""
        self._claim(_final(alias), _Claim(branch, alone, None))

    def _claim(self, node: Node, claim: _Claim) -> None:
        self._claims.setdefault(id(node), (node, []))[1].append(claim)

    def _settle(self, node: Node, claims: list[_Claim]) -> None:
        first = claims[0].branch
        for_all = next((claim for claim in claims if claim.for_all), None)
        agree = len(claims) == node.users + 1 and all(claim.branch.wants_what(first) for claim in claims)
        if agree and for_all is not None and for_all.for_all is not None:
            for claim in claims:
                if claim is not for_all:
                    _absorb(for_all.branch, claim.branch)
            self._try(for_all.branch, for_all.for_all)
            return
        for claim in claims:
            if claim.alone is None:
                self.refuse(claim.branch, SHARED)
            else:
                self._try(claim.branch, claim.alone)

    def _try(self, branch: Branch, action: Callable[[], None]) -> None:
        try:
            action()
        except RefusedError as error:
            self.refuse(branch, str(error))

    def _override(self, slot: Slot, branch: Branch) -> None:
        """Let a mapping take over what an alias stands for, with entries of its own behind it."""
        simple = all(below.value is not ABSENT for below in branch.steps.values())
        if not simple or not isinstance(slot.value, dict):
            raise RefusedError(SHARED)
        head = self.text[slot.node.start : slot.node.end]
        column = slot.column + (0 if slot.is_item else self.style.step)
        added = block(built(branch), column, self.style)
        self._put_lines(slot, slot.node.start, slot.node.end, [f"{' ' * column}<<: {head}", *added], branch.numbers())

    def _put(self, slot: Slot, new: Any, branch: Branch) -> None:
        """Write a value in the place of another."""
        node, numbers = slot.node, branch.numbers()
        begin = node.start if node.tag is not None else after_properties(self.text, node)
        end = content_end(self.text, node)
        if slot.in_flow:
            self._put_flow(slot, begin, new, numbers)
        elif isinstance(new, dict | list) and new and not _on_a_line(new, self.style):
            away = self.style.dash if isinstance(new, list) else self.style.step
            column = slot.column + (0 if slot.is_item else away)
            self._put_lines(slot, begin, end, block(new, column, self.style), numbers)
        else:
            text = flow(new, self.style) if isinstance(new, list) else scalar(new, like=node.style)
            if node.is_block and slot.lead is not None:
                begin = slot.lead
            is_apart = begin > 0 and self.text[begin - 1] in " \t" and begin < end
            self.splice(begin, end, text if is_apart else f" {text}", numbers)

    def _put_flow(self, slot: Slot, begin: int, new: Any, numbers: list[int]) -> None:
        if slot.indent is None:
            is_scalar = not isinstance(new, dict | list)
            text = (
                scalar(new, like=slot.node.style, is_json=self.style.is_json)
                if is_scalar
                else flow(new, self.style, compact=slot.compact)
            )
        else:
            text = flow_lines(new, slot.indent, slot.step, self.style)
        if begin == slot.node.end:
            text = f": {text}" if slot.lead is None and not slot.is_item else f" {text}"
        self.splice(begin, slot.node.end, text, numbers)

    def _put_lines(self, slot: Slot, begin: int, end: int, rows: list[str], numbers: list[int]) -> None:
        """Write a collection below its key, or behind its dash."""
        stop = line_end(self.text, end)
        if stop is None or slot.lead is None:
            raise RefusedError("there is no room for lines below it")
        text = self.style.newline.join(rows)
        if slot.is_item:
            self.splice(slot.lead, end, " " + text.lstrip(" "), numbers)
            return
        kept = self.text[slot.lead : begin].rstrip() + self.text[end:stop]
        self.splice(slot.lead, stop, f"{kept.rstrip()}{self.style.newline}{text}", numbers)


def _on_a_line(value: Any, style: Style) -> bool:
    return isinstance(value, list) and style.flow_lists and not any(isinstance(item, dict | list) for item in value)


def _final(alias: Node) -> Node:
    node = alias
    while node.kind is Kind.ALIAS and node.target is not None:
        node = node.target
    return node


def _absorb(branch: Branch, other: Branch) -> None:
    """Let the changes of `other`, which asks for the same, count as those of `branch`."""
    branch.changes += other.changes
    for step, below in other.steps.items():
        _absorb(branch.steps[step], below)
