"""Replay the execution of a template with symbols, following the markers that it left.

Every case taken and every iteration has a marker, so nothing is guessed. The result is the state of each action by the
index of its first marker, and the branches that were not taken, with their position in the output. Never reads the text
between the markers.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from typing import Final

import msgspec

from kubekeep.sources.helm.trace.evaluate import MAX_DEPTH, Frame, SymbolicEvaluator, TemplateWalk, text_key
from kubekeep.sources.helm.trace.expression import (
    FunctionName,
    LiteralOperand,
    Pipeline,
    find_first_variable,
    find_include,
    find_indentation,
)
from kubekeep.sources.helm.trace.functions import NIL
from kubekeep.sources.helm.trace.markers import ExecutionEvents, MarkerKind
from kubekeep.sources.helm.trace.symbols import (
    NOTHING,
    ChartDot,
    Computed,
    Constant,
    ListSymbol,
    MappingSymbol,
    StepLimitError,
    Symbol,
)
from kubekeep.sources.helm.trace.template import ActionNode, BranchNode, RangeNode, TemplateCallNode

_MAX_CALLS: Final = 4 * MAX_DEPTH


class ReplayError(Exception):
    """Markers that do not match the template."""


class Replay(TemplateWalk):
    """Execution of one template; `frames` has pipeline and state of each action by the index of its first marker."""

    def __init__(self, evaluator: SymbolicEvaluator, events: ExecutionEvents, positions: list[tuple[int, int]]) -> None:
        super().__init__(evaluator)
        self.frames: dict[int, tuple[Pipeline, Frame]] = {}
        self._events = events
        self._positions = positions
        self._next = 0

    def run(self, file: int) -> None:
        """Replay the template of a file; stops at the first inconsistent marker and keeps the results so far."""
        template = self.evaluator.template_set.files[file]
        dot = ChartDot(template.scope)
        try:
            self.walk_block(template.body, Frame(file, dot, dot, {}, set(), 0))
        except (ReplayError, StepLimitError, RecursionError):
            return

    def _peek(self, kind: MarkerKind, file: int) -> int | None:
        """Return the position of the next marker if it has this kind and file; skips markers of literal text."""
        kinds = self._events.kinds
        while self._next < len(kinds) and kinds[self._next] == MarkerKind.TEXT:
            self._next += 1
        if self._next == len(kinds) or kinds[self._next] != kind:
            return None
        marker_file, at = self._positions[self._events.numbers[self._next]]
        return at if marker_file == file else None

    def _consume(self, kind: MarkerKind, file: int, at: int) -> int:
        if self._peek(kind, file) != at:
            raise ReplayError
        self._next += 1
        return self._next - 1

    def select_cases(self, branch: BranchNode, frame: Frame) -> list[int]:
        """Return the case of the next marker."""
        at = self._peek(MarkerKind.CASE, frame.file)
        for number, case in enumerate(branch.cases):
            if case.at == at:
                self._next += 1
                return [number]
        return []

    def list_iterations(self, loop: RangeNode, collection: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:
        """Yield an iteration for each marker."""
        symbols = self.evaluator.symbols
        is_list = isinstance(collection, ListSymbol) or isinstance(symbols.get_value(collection), list)
        is_mapping = isinstance(collection, MappingSymbol) or isinstance(symbols.get_value(collection), dict)
        while self._peek(MarkerKind.ITERATION, frame.file) == loop.at:
            key = self._events.keys[self._next]
            self._next += 1
            step = int(key) if key.isdigit() and not is_mapping else key
            element = symbols.get_child(collection, step) or NOTHING
            yield Computed((), step) if is_list else Computed((element,), step), element

    def visit_action(self, node: ActionNode, pipe: Pipeline, frame: Frame) -> None:
        """Replay an action, and the named template that it includes if its instrumented copy was called."""
        self._begin(node, pipe, frame)
        if self._peek(MarkerKind.END, frame.file) != node.at:
            name, dot = self._find_call(pipe, frame)
            self._walk_named(name, dot, frame)
        self._consume(MarkerKind.END, frame.file, node.at)

    def _find_call(self, pipe: Pipeline, frame: Frame) -> tuple[str, Symbol]:
        """Return the named template whose text an action prints, and the dot of that call."""
        include = find_include(pipe)
        if include is not None:
            return include[0], self.evaluator.evaluate_operand(include[1], frame)
        match frame.names.get(text_key(find_first_variable(pipe))):
            case ListSymbol(items=(Constant(value=str() as name), dot)):
                return name, dot
        raise ReplayError

    def visit_call(self, node: TemplateCallNode, frame: Frame) -> None:
        """Replay a call of a named template."""
        dot = self.evaluator.evaluate_source(node.source, frame) if node.source.strip() else NIL
        call = (FunctionName("include", 0, 0), LiteralOperand(node.name, 0, 0), LiteralOperand(None, 0, 0))
        self._begin(node, Pipeline((), False, (call,)), frame)
        if self._peek(MarkerKind.END, frame.file) != node.at:
            self._walk_named(node.name, dot, frame)
        self._consume(MarkerKind.END, frame.file, node.at)

    def _begin(self, node: ActionNode | TemplateCallNode, pipe: Pipeline, frame: Frame) -> None:
        event = self._consume(MarkerKind.BEGIN, frame.file, node.at)
        self.frames[event] = (pipe, frame.snapshot())

    def _walk_named(self, name: str, dot: Symbol, frame: Frame) -> None:
        definition = self.evaluator.template_set.defines.get(name)
        if definition is None or frame.depth > _MAX_CALLS:
            raise ReplayError
        self.walk_block(definition.body, Frame(definition.file, dot, dot, {}, set(), frame.depth + 1))


class UntakenBranch(msgspec.Struct, frozen=True):
    """A branch with cases that did not run: index of the first marker after it, and the state at the branch.

    `shift` is the number of columns by which its lines are indented in the output.
    """

    event: int
    branch: BranchNode
    cases: tuple[int, ...]
    frame: Frame
    shift: int


class UntakenBranchReplay(Replay):
    """Execution of one template that also records untaken cases in `skipped`, in order.

    Separate from the first replay and with its own symbols, so that locations of existing values do not depend on it.
    """

    def __init__(self, evaluator: SymbolicEvaluator, events: ExecutionEvents, positions: list[tuple[int, int]]) -> None:
        super().__init__(evaluator, events, positions)
        self.skipped: list[UntakenBranch] = []
        self._shift: int | None = 0

    def select_cases(self, branch: BranchNode, frame: Frame) -> list[int]:
        """Return the case of the next marker, and record the others."""
        selected = super().select_cases(branch, frame)
        others = tuple(number for number in range(len(branch.cases)) if number not in selected)
        if others and self._shift is not None:
            event = self._find_first_after(branch, self._next - len(selected))
            self.skipped.append(UntakenBranch(event, branch, others, frame.snapshot(), self._shift))
        return selected

    def _find_first_after(self, branch: BranchNode, event: int) -> int:
        """Return the first marker after a branch; markers of text before an event may precede or follow it."""
        while event and self._events.kinds[event - 1] == MarkerKind.TEXT:
            _, at = self._positions[self._events.numbers[event - 1]]
            if at < branch.at:
                break
            event -= 1
        return event

    def visit_action(self, node: ActionNode, pipe: Pipeline, frame: Frame) -> None:
        """Replay an action, and the named template that it includes, even if that ran no action."""
        outer, columns = self._shift, find_indentation(pipe)
        self._shift = None if outer is None or columns is None else outer + columns
        super().visit_action(node, pipe, frame)
        include = find_include(pipe)
        if include is not None:
            self._walk_unmarked(include[0], self.evaluator.evaluate_operand(include[1], frame), frame)
        self._shift = outer

    def visit_call(self, node: TemplateCallNode, frame: Frame) -> None:
        """Replay a named template, even if it ran no action."""
        super().visit_call(node, frame)
        dot = self.evaluator.evaluate_source(node.source, frame) if node.source.strip() else NIL
        self._walk_unmarked(node.name, dot, frame)

    def _walk_unmarked(self, name: str, dot: Symbol, frame: Frame) -> None:
        """Record the branches of a named template that left only text markers during the call just replayed."""
        kinds, end = self._events.kinds, self._next - 1
        begin = end - 1
        while kinds[begin] == MarkerKind.TEXT:
            begin -= 1
        if self._shift is None or kinds[begin] != MarkerKind.BEGIN:
            return
        self._next = end
        with suppress(ReplayError):
            self._walk_named(name, dot, frame)
        self._next = end + 1
