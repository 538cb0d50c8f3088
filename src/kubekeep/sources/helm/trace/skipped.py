"""The branches that a template did not take when Helm rendered it, and where in the output each would have printed.

The same way along the marks as `replay`, gone only when somebody asks for what is missing; it has symbols of its own,
so that no answer about what is there can differ by it. Never looks at what the branches hold.
"""

from __future__ import annotations

from contextlib import suppress

import msgspec

from kubekeep.sources.helm.trace.evaluate import Evaluator, Frame
from kubekeep.sources.helm.trace.expression import Pipe, included, indentation
from kubekeep.sources.helm.trace.functions import NIL
from kubekeep.sources.helm.trace.marks import Events, Kind
from kubekeep.sources.helm.trace.replay import LostError, Replay
from kubekeep.sources.helm.trace.symbols import Symbol
from kubekeep.sources.helm.trace.template import Action, Branch, Call


class Skipped(msgspec.Struct, frozen=True):
    """A branch with cases that did not run: the index of the first mark after it, and the frame it saw.

    `shift` is how many columns further right than in its file its lines are printed.
    """

    event: int
    branch: Branch
    cases: tuple[int, ...]
    frame: Frame
    shift: int


class Skipping(Replay):
    """One template's run. `skipped` has the branches in the order in which the run passed them."""

    def __init__(self, evaluator: Evaluator, events: Events, places: list[tuple[int, int]]) -> None:
        super().__init__(evaluator, events, places)
        self.skipped: list[Skipped] = []
        self._shift: int | None = 0

    def taken(self, branch: Branch, frame: Frame) -> list[int]:
        """The case whose mark comes next; keeps the others."""
        found = super().taken(branch, frame)
        others = tuple(number for number in range(len(branch.cases)) if number not in found)
        if others and self._shift is not None:
            event = self._first_after(branch, self._next - len(found))
            self.skipped.append(Skipped(event, branch, others, frame.kept(), self._shift))
        return found

    def _first_after(self, branch: Branch, event: int) -> int:
        """The first mark after a branch, where marks of text before an event may stand before or after it."""
        while event and self._events.kinds[event - 1] == Kind.TEXT:
            _, at = self._places[self._events.numbers[event - 1]]
            if at < branch.at:
                break
            event -= 1
        return event

    def action(self, node: Action, pipe: Pipe, frame: Frame) -> None:
        """An action, and the named template that it includes even if that ran no action."""
        outer, more = self._shift, indentation(pipe)
        self._shift = None if outer is None or more is None else outer + more
        super().action(node, pipe, frame)
        found = included(pipe)
        if found is not None:
            self._silent(found[0], self.evaluator.operand(found[1], frame), frame)
        self._shift = outer

    def call(self, node: Call, frame: Frame) -> None:
        """A named template, even if it ran no action."""
        super().call(node, frame)
        dot = self.evaluator.source(node.source, frame) if node.source.strip() else NIL
        self._silent(node.name, dot, frame)

    def _silent(self, name: str, dot: Symbol, frame: Frame) -> None:
        """The branches of a named template that left no marks but of text between those of its call, just taken."""
        kinds, end = self._events.kinds, self._next - 1
        begin = end - 1
        while kinds[begin] == Kind.TEXT:
            begin -= 1
        if self._shift is None or kinds[begin] != Kind.BEGIN:
            return
        self._next = end
        with suppress(LostError):
            self._named(name, dot, frame)
        self._next = end + 1
