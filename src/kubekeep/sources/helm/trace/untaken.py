"""Find the lines that branches not taken would have written into a mapping of the output, by position and column.

Every path through a branch is followed, so a key that is in two cases is found twice. Loops are not entered. Never
produces text: of an action, only its position and its symbol are known. Never parses YAML.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Final

import msgspec

from kubekeep.model.location import Path
from kubekeep.sources.helm.trace.evaluate import (
    MAX_DEPTH,
    Frame,
    LoopJump,
    SymbolicEvaluator,
    TemplateWalk,
    merge_alternatives,
)
from kubekeep.sources.helm.trace.expression import (
    FunctionName,
    LiteralOperand,
    Pipeline,
    find_include,
    find_indentation,
)
from kubekeep.sources.helm.trace.functions import NIL
from kubekeep.sources.helm.trace.markers import MarkedText
from kubekeep.sources.helm.trace.replay import UntakenBranch
from kubekeep.sources.helm.trace.symbols import Symbol
from kubekeep.sources.helm.trace.template import (
    ActionNode,
    BranchCase,
    BranchNode,
    RangeNode,
    TemplateCallNode,
    TextNode,
)
from kubekeep.sources.helm.trace.values_layers import ValueRef

_KEY: Final = re.compile(r"""(["']?)(?P<key>[^\s:#"'{}\[\],&*-][^:\n"']*)\1:(?=\s|$)""")
_MAX_ENTRIES: Final = 2000
"""Maximum number of entries of one branch."""
_BLANK: Final = re.compile(r"(?:\s|(?<=\s)#[^\n]*)*")
"""White space and comments, which belong to no mapping."""


class LiteralLine(msgspec.Struct, frozen=True):
    """A literal line: its span in the file, its column in the output, and its key ("" for none).

    The span is only the key if no text follows it. `case` is the innermost case, of a `with` if `rebinds`.
    """

    start: int
    end: int
    column: int
    key: str
    frame: Frame
    case: BranchCase
    rebinds: bool


class PrintedAction(msgspec.Struct, frozen=True):
    """An action: its end in the file, and the column of the block that it prints, None if unknown.

    `until` is the index of the first entry after those of the named template that it includes.
    """

    end: int
    column: int | None
    pipe: Pipeline
    frame: Frame
    until: int


class MissingLine(msgspec.Struct, frozen=True):
    """The source span of a missing path, or of its longest literal prefix.

    `symbol` is the value that would be printed there, or that enables the line; `below` is the rest of the path.
    """

    file: int
    start: int
    end: int
    symbol: Symbol | None
    below: Path


class BranchEntries(TemplateWalk):
    """Entries of one untaken branch in text order. Raises StepLimitError beyond the budget."""

    def __init__(self, evaluator: SymbolicEvaluator, skipped: UntakenBranch) -> None:
        super().__init__(evaluator)
        self._entries: list[LiteralLine | PrintedAction] = []
        self._shift = skipped.shift
        self._current_case = 0
        self._at_line_start = True
        self._case, self._rebinds = skipped.branch.cases[0], False
        self._walk_cases(skipped.branch, skipped.cases, skipped.frame.snapshot())

    def find_lines(self, steps: Path, column: int) -> list[MissingLine]:
        """List the lines that would write a path into the mapping whose keys are in `column`."""
        lines: list[MissingLine] = []
        for index, entry in enumerate(self._entries):
            if entry.column is not None and entry.column < column:
                # The mapping ends here.
                break
            if isinstance(entry, LiteralLine) and entry.column == column and entry.key == steps[0]:
                lines.append(self._follow(index, entry, steps))
        return lines

    def _follow(self, index: int, line: LiteralLine, steps: Path) -> MissingLine:
        """Follow a path from a line to its deepest literal line, and find the value that it would print."""
        first = steps[0]
        end = self._find_end(index, line.column)
        while len(steps) > 1:
            inner = [
                (at, entry)
                for at, entry in enumerate(self._entries[:end])
                if at > index and isinstance(entry, LiteralLine)
            ]
            below = [(at, entry) for at, entry in inner if entry.column == inner[0][1].column and entry.key == steps[1]]
            if len(below) != 1:
                break
            (index, line), steps = below[0], steps[1:]
            end = min(end, self._find_end(index, line.column))
        stop, symbol = line.end, None
        nested = self._entries[index + 1 : end]
        match nested[:1]:
            case [PrintedAction(until=until) as value]:
                if value.column is None and value.frame.file == line.frame.file:
                    stop = max(stop, value.end)
                symbol = self.evaluator.evaluate_pipe(value.pipe, value.frame) if until == end else None
            case _ if len(steps) == 1 and not any(isinstance(entry, PrintedAction) for entry in nested):
                symbol = self._find_condition(line, first)
        return MissingLine(line.frame.file, line.start, stop, symbol, steps[1:])

    def _find_end(self, index: int, column: int) -> int:
        """Return the index of the first entry after a line that is not below its key."""
        for at in range(index + 1, len(self._entries)):
            other = self._entries[at].column
            if other is not None and other <= column:
                return at
        return len(self._entries)

    def _find_condition(self, line: LiteralLine, key: str | int) -> Symbol | None:
        """Return the condition that enables a literal line, if it is a value named like the key."""
        if line.case.source is None:
            return None
        symbol = line.frame.dot if line.rebinds else self.evaluator.evaluate_source(line.case.source, line.frame)
        has_key_name = isinstance(symbol, ValueRef) and symbol.path[-1:] == (key,)
        return symbol if has_key_name and self.evaluator.symbols.get_truth(symbol) is False else None

    def select_cases(self, branch: BranchNode, frame: Frame) -> list[int]:  # noqa: ARG002 - all are, one by one
        """Return the current case."""
        return [self._current_case]

    def list_iterations(self, loop: RangeNode, collection: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:  # noqa: ARG002 - none
        """Yield nothing; loops are not entered."""
        return iter(())

    def visit_text(self, node: TextNode, frame: Frame) -> None:
        """Record the lines."""
        at = node.at
        for number, line in enumerate(node.text.split("\n")):
            self._at_line_start = self._at_line_start or number > 0
            stripped = line.strip()
            if self._at_line_start and stripped and stripped[0] != "#" and len(self._entries) < _MAX_ENTRIES:
                indent = len(line) - len(line.lstrip(" "))
                before = 0 if number else self._find_indentation(frame.file, at)
                self._entries.append(self._read_line(stripped, at + indent, before + indent + self._shift, frame))
            self._at_line_start = self._at_line_start and not stripped
            at += len(line) + 1

    def _find_indentation(self, file: int, at: int) -> int:
        """Return the indentation of the line on which the first text of a branch is."""
        source = self.evaluator.template_set.files[file].source
        before = source[source.rfind("\n", 0, at) + 1 : at]
        return len(before) - len(before.lstrip(" "))

    def _read_line(self, text: str, start: int, column: int, frame: Frame) -> LiteralLine:
        match = _KEY.match(text)
        rest = text[match.end() :].strip(" \"'") if match else ""
        end = match.end() - 1 if match and (not rest or rest[0] == "#") else len(text)
        key = match["key"].rstrip() if match else ""
        return LiteralLine(start, start + end, column, key, frame.snapshot(), self._case, self._rebinds)

    def visit_action(self, node: ActionNode, pipe: Pipeline, frame: Frame) -> None:
        """Record the action, and the lines of the named template that it includes."""
        include, columns, index = find_include(pipe), find_indentation(pipe), len(self._entries)
        column = None
        match pipe.commands[-1:]:
            case ((FunctionName(name="indent" | "nindent"), LiteralOperand(value=int() as spaces)),):
                column, self._at_line_start = spaces + self._shift, True
        action = PrintedAction(node.end, column, pipe, frame.snapshot(), index + 1)
        self._entries.append(action)
        if include is not None and columns is not None:
            self._record_named(include[0], self.evaluator.evaluate_operand(include[1], frame), frame, columns)
            self._entries[index] = msgspec.structs.replace(action, until=len(self._entries))
        self._at_line_start = False

    def visit_call(self, node: TemplateCallNode, frame: Frame) -> None:
        """Record the lines of the named template."""
        self._record_named(
            node.name, self.evaluator.evaluate_source(node.source, frame) if node.source.strip() else NIL, frame, 0
        )

    def _record_named(self, name: str, dot: Symbol, frame: Frame, columns: int) -> None:
        definition = self.evaluator.template_set.defines.get(name)
        if definition is None or frame.depth >= MAX_DEPTH or len(self._entries) >= _MAX_ENTRIES:
            return
        self._shift += columns
        self.walk_block(definition.body, Frame(definition.file, dot, dot, {}, set(), frame.depth + 1))
        self._shift -= columns

    def _walk_branch(self, node: BranchNode, frame: Frame) -> None:
        self._walk_cases(node, range(len(node.cases)), frame)

    def _walk_cases(self, branch: BranchNode, numbers: Sequence[int], frame: Frame) -> None:
        """Walk the cases one by one, each as if it were taken."""
        names, results = frame.names, []
        outer_case, at_line_start, ends_line = (self._case, self._rebinds), self._at_line_start, True
        for number in numbers:
            frame.names, self._at_line_start, self._current_case = names, at_line_start, number
            self._case = branch.cases[number]
            self._rebinds = branch.rebinds and self._case.source is not None
            with suppress(LoopJump):
                super()._walk_branch(branch, frame)
            results.append(frame.names)
            ends_line = ends_line and self._at_line_start
        frame.names = {name: merge_alternatives([result[name] for result in results]) for name in names}
        (self._case, self._rebinds), self._at_line_start = outer_case, ends_line


class MappingBlock(msgspec.Struct, frozen=True, gc=False):
    """A block mapping of the output: index of its first key, an index on its last line, column of its keys."""

    start: int
    last: int
    column: int


class UntakenBranches:
    """Untaken branches of one template in execution order."""

    def __init__(self, text: MarkedText, skipped: Sequence[UntakenBranch], evaluator: SymbolicEvaluator) -> None:
        self._text = text
        self._skipped = skipped
        self._events = [branch.event for branch in skipped]
        self._evaluator = evaluator
        self._entries_by_branch: dict[int, BranchEntries] = {}

    def find_lines(self, block: MappingBlock, steps: Path) -> list[MissingLine]:
        """List the lines that would have written a path into a block. Raises StepLimitError beyond the budget."""
        plain, offsets = self._text.plain, self._text.events.offsets
        line_end = plain.find("\n", block.last)
        blank = _BLANK.match(plain, line_end) if line_end >= 0 else None
        following = blank.end() if blank else len(plain)
        first = block.start
        while first and plain[first - 1].isspace():
            first -= 1
        if "\n" not in plain[first : block.start] and block.start:
            # A dash precedes the first key, so no other key can.
            first = block.start + 1
        lines: list[MissingLine] = []
        earliest = bisect_left(self._events, bisect_left(offsets, first))
        latest = bisect_right(self._events, bisect_right(offsets, following))
        for number in range(earliest, latest):
            event = self._events[number]
            at = offsets[event] if event < len(offsets) else len(plain)
            if first <= at <= following:
                lines += self._read_entries(number).find_lines(steps, block.column)
        return lines

    def _read_entries(self, number: int) -> BranchEntries:
        entries = self._entries_by_branch.get(number)
        if entries is None:
            entries = self._entries_by_branch[number] = BranchEntries(self._evaluator, self._skipped[number])
        return entries
