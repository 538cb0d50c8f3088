"""What a branch that was not taken would have printed: its lines with the columns they would have, and its actions.

All ways through the branch are gone, one after the other, so a key that stands in two of them is found twice. Loops
are not entered. Never makes text: of an action only its place and what it stands for are known.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.helm.trace.evaluate import DEEPEST, Evaluator, Frame, Jumped, Walk, either
from kubekeep.sources.helm.trace.expression import Function, Literal, Pipe, included, indentation
from kubekeep.sources.helm.trace.functions import NIL
from kubekeep.sources.helm.trace.layers import Ref
from kubekeep.sources.helm.trace.skipped import Skipped
from kubekeep.sources.helm.trace.symbols import Symbol
from kubekeep.sources.helm.trace.template import Action, Branch, Call, Case, Range, Text

_KEY: Final = re.compile(r"""(["']?)(?P<key>[^\s:#"'{}\[\],&*-][^:\n"']*)\1:(?=\s|$)""")
_MOST: Final = 2000
"""Entries of one branch; what is beyond is not looked at."""


class Line(msgspec.Struct, frozen=True):
    """A literal line: the stretch of its file, its column in the output, and its key, empty if it begins with none.

    The stretch is the key alone if no text follows that. `case` is the innermost one around, of a `with` if `rebinds`.
    """

    start: int
    end: int
    column: int
    key: str
    frame: Frame
    case: Case
    rebinds: bool


class Printing(msgspec.Struct, frozen=True):
    """An action: its end in its file, the column of the block that it prints, None if it does not say that.

    `until` is the index of the first entry after those of the named template that it includes.
    """

    end: int
    column: int | None
    pipe: Pipe
    frame: Frame
    until: int


class Found(msgspec.Struct, frozen=True):
    """What would have written a path, or as much of it as is literal: a stretch of a file.

    `symbol` stands for what would have been printed there, or for what turns the line on; `below` are the steps that
    lead on from it.
    """

    unit: int
    start: int
    end: int
    symbol: Symbol | None
    below: Path


class Unwritten(Walk):
    """The entries of one skipped branch, in the order of its text. Raises TooMuch beyond the budget."""

    def __init__(self, evaluator: Evaluator, skipped: Skipped) -> None:
        super().__init__(evaluator)
        self._entries: list[Line | Printing] = []
        self._shift = skipped.shift
        self._only = 0
        self._fresh = True
        self._case, self._rebinds = skipped.branch.cases[0], False
        self._cases(skipped.branch, skipped.cases, skipped.frame.kept())

    def writing(self, steps: Path, column: int) -> list[Found]:
        """What would write a path into the mapping around, whose keys stand in `column`."""
        found: list[Found] = []
        for index, entry in enumerate(self._entries):
            if entry.column is not None and entry.column < column:
                # What follows is no longer in that mapping.
                break
            if isinstance(entry, Line) and entry.column == column and entry.key == steps[0]:
                found.append(self._followed(index, entry, steps))
        return found

    def _followed(self, index: int, line: Line, steps: Path) -> Found:
        """The deepest literal line of a path that begins with a line, and what it would take over."""
        first = steps[0]
        end = self._end(index, line.column)
        while len(steps) > 1:
            inner = [(at, one) for at, one in enumerate(self._entries[:end]) if at > index and isinstance(one, Line)]
            below = [(at, one) for at, one in inner if one.column == inner[0][1].column and one.key == steps[1]]
            if len(below) != 1:
                break
            (index, line), steps = below[0], steps[1:]
            end = min(end, self._end(index, line.column))
        stop, symbol = line.end, None
        inside = self._entries[index + 1 : end]
        match inside[:1]:
            case [Printing(until=until) as value]:
                if value.column is None and value.frame.unit == line.frame.unit:
                    stop = max(stop, value.end)
                symbol = self.evaluator.pipe(value.pipe, value.frame) if until == end else None
            case _ if len(steps) == 1 and not any(isinstance(one, Printing) for one in inside):
                symbol = self._switch(line, first)
        return Found(line.frame.unit, line.start, stop, symbol, steps[1:])

    def _end(self, index: int, column: int) -> int:
        """The index of the first entry after a line that is not below its key."""
        for at in range(index + 1, len(self._entries)):
            other = self._entries[at].column
            if other is not None and other <= column:
                return at
        return len(self._entries)

    def _switch(self, line: Line, key: str | int) -> Symbol | None:
        """The value that turns a literal line on, if it has the name of the key."""
        if line.case.source is None:
            return None
        symbol = line.frame.dot if line.rebinds else self.evaluator.source(line.case.source, line.frame)
        named = isinstance(symbol, Ref) and symbol.path[-1:] == (key,)
        return symbol if named and self.evaluator.symbols.truth(symbol) is False else None

    def taken(self, branch: Branch, frame: Frame) -> list[int]:  # noqa: ARG002 - all are, one by one
        """The case at hand."""
        return [self._only]

    def turns(self, loop: Range, over: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:  # noqa: ARG002 - none
        """None."""
        return iter(())

    def text(self, node: Text, frame: Frame) -> None:
        """Keep its lines."""
        at = node.at
        for number, line in enumerate(node.text.split("\n")):
            self._fresh = self._fresh or number > 0
            own = line.strip()
            if self._fresh and own and own[0] != "#" and len(self._entries) < _MOST:
                indent = len(line) - len(line.lstrip(" "))
                before = 0 if number else self._before(frame.unit, at)
                self._entries.append(self._line(own, at + indent, before + indent + self._shift, frame))
            self._fresh = self._fresh and not own
            at += len(line) + 1

    def _before(self, unit: int, at: int) -> int:
        """How far the line of a file is indented, on which the first text of a branch stands."""
        source = self.evaluator.units.all[unit].source
        before = source[source.rfind("\n", 0, at) + 1 : at]
        return len(before) - len(before.lstrip(" "))

    def _line(self, text: str, start: int, column: int, frame: Frame) -> Line:
        match = _KEY.match(text)
        rest = text[match.end() :].strip(" \"'") if match else ""
        end = match.end() - 1 if match and (not rest or rest[0] == "#") else len(text)
        key = match["key"].rstrip() if match else ""
        return Line(start, start + end, column, key, frame.kept(), self._case, self._rebinds)

    def action(self, node: Action, pipe: Pipe, frame: Frame) -> None:
        """Keep it, and the lines of the named template that it includes."""
        found, more, index = included(pipe), indentation(pipe), len(self._entries)
        column = None
        match pipe.commands[-1:]:
            case ((Function(name="indent" | "nindent"), Literal(value=int() as spaces)),):
                column, self._fresh = spaces + self._shift, True
        own = Printing(node.end, column, pipe, frame.kept(), index + 1)
        self._entries.append(own)
        if found is not None and more is not None:
            self._named(found[0], self.evaluator.operand(found[1], frame), frame, more)
            self._entries[index] = msgspec.structs.replace(own, until=len(self._entries))
        self._fresh = False

    def call(self, node: Call, frame: Frame) -> None:
        """Keep the lines of the named template."""
        self._named(node.name, self.evaluator.source(node.source, frame) if node.source.strip() else NIL, frame, 0)

    def _named(self, name: str, dot: Symbol, frame: Frame, more: int) -> None:
        definition = self.evaluator.units.defines.get(name)
        if definition is None or frame.depth >= DEEPEST or len(self._entries) >= _MOST:
            return
        self._shift += more
        self.block(definition.body, Frame(definition.unit, dot, dot, {}, set(), frame.depth + 1))
        self._shift -= more

    def _branch(self, node: Branch, frame: Frame) -> None:
        self._cases(node, range(len(node.cases)), frame)

    def _cases(self, branch: Branch, numbers: Sequence[int], frame: Frame) -> None:
        """Go through some cases, each as if it were the one that is taken."""
        before, results = frame.names, []
        around, fresh, after = (self._case, self._rebinds), self._fresh, True
        for number in numbers:
            frame.names, self._fresh, self._only = before, fresh, number
            self._case = branch.cases[number]
            self._rebinds = branch.rebinds and self._case.source is not None
            with suppress(Jumped):
                super()._branch(branch, frame)
            results.append(frame.names)
            after = after and self._fresh
        frame.names = {name: either([result[name] for result in results]) for name in before}
        (self._case, self._rebinds), self._fresh = around, after
