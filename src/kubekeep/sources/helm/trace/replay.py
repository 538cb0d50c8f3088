"""What a template did when Helm rendered it, gone through again with symbols along the marks that it left.

Every branch that was taken and every turn of a loop has a mark, so nothing is guessed: the outcome is the frame that
each action saw, by the mark that it began with. Never looks at the text between the marks.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.sources.helm.trace.evaluate import DEEPEST, Evaluator, Frame, Walk, text_of
from kubekeep.sources.helm.trace.expression import Function, Literal, Pipe, first_variable, included
from kubekeep.sources.helm.trace.functions import NIL
from kubekeep.sources.helm.trace.marks import Events, Kind
from kubekeep.sources.helm.trace.symbols import NOTHING, Chart, Known, Made, Row, Symbol, Table, TooMuch
from kubekeep.sources.helm.trace.template import Action, Branch, Call, Range

_NESTED = 4 * DEEPEST


class LostError(Exception):
    """The marks do not tell what the template says."""


class Replay(Walk):
    """One template's run. `seen` has the pipeline and the frame of each action by the index of its first mark."""

    def __init__(self, evaluator: Evaluator, events: Events, places: list[tuple[int, int]]) -> None:
        super().__init__(evaluator)
        self.seen: dict[int, tuple[Pipe, Frame]] = {}
        self._events = events
        self._places = places
        self._next = 0

    def run(self, unit: int) -> None:
        """Go through the template of a file; stops where the marks make no sense, with what was seen until then."""
        of = self.evaluator.units.all[unit]
        dot = Chart(of.scope)
        try:
            self.block(of.body, Frame(unit, dot, dot, {}, set(), 0))
        except (LostError, TooMuch, RecursionError):
            return

    def _peek(self, kind: Kind, unit: int) -> int | None:
        """The place of the next mark, if it is of this kind and file; marks of literal text are passed over."""
        kinds = self._events.kinds
        while self._next < len(kinds) and kinds[self._next] == Kind.TEXT:
            self._next += 1
        if self._next == len(kinds) or kinds[self._next] != kind:
            return None
        of, at = self._places[self._events.numbers[self._next]]
        return at if of == unit else None

    def _take(self, kind: Kind, unit: int, at: int) -> int:
        if self._peek(kind, unit) != at:
            raise LostError
        self._next += 1
        return self._next - 1

    def taken(self, branch: Branch, frame: Frame) -> list[int]:
        """The case whose mark comes next."""
        at = self._peek(Kind.CASE, frame.unit)
        for number, case in enumerate(branch.cases):
            if case.at == at:
                self._next += 1
                return [number]
        return []

    def turns(self, loop: Range, over: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:
        """One for each mark."""
        symbols = self.evaluator.symbols
        is_list = isinstance(over, Row) or isinstance(symbols.value(over), list)
        is_table = isinstance(over, Table) or isinstance(symbols.value(over), dict)
        while self._peek(Kind.TURN, frame.unit) == loop.at:
            key = self._events.keys[self._next]
            self._next += 1
            step = int(key) if key.isdigit() and not is_table else key
            element = symbols.child(over, step) or NOTHING
            yield Made((), step) if is_list else Made((element,), step), element

    def action(self, node: Action, pipe: Pipe, frame: Frame) -> None:
        """An action, and the named template that it includes, if its twin was called."""
        self._begin(node, pipe, frame)
        if self._peek(Kind.END, frame.unit) != node.at:
            name, dot = self._called(pipe, frame)
            self._named(name, dot, frame)
        self._take(Kind.END, frame.unit, node.at)

    def _called(self, pipe: Pipe, frame: Frame) -> tuple[str, Symbol]:
        """The named template whose text an action prints, and the dot it was given when that was made."""
        found = included(pipe)
        if found is not None:
            return found[0], self.evaluator.operand(found[1], frame)
        match frame.names.get(text_of(first_variable(pipe))):
            case Row(items=(Known(value=str() as name), dot)):
                return name, dot
        raise LostError

    def call(self, node: Call, frame: Frame) -> None:
        """A named template."""
        dot = self.evaluator.source(node.source, frame) if node.source.strip() else NIL
        call = (Function("include", 0, 0), Literal(node.name, 0, 0), Literal(None, 0, 0))
        self._begin(node, Pipe((), False, (call,)), frame)
        if self._peek(Kind.END, frame.unit) != node.at:
            self._named(node.name, dot, frame)
        self._take(Kind.END, frame.unit, node.at)

    def _begin(self, node: Action | Call, pipe: Pipe, frame: Frame) -> None:
        event = self._take(Kind.BEGIN, frame.unit, node.at)
        self.seen[event] = (pipe, frame.kept())

    def _named(self, name: str, dot: Symbol, frame: Frame) -> None:
        definition = self.evaluator.units.defines.get(name)
        if definition is None or frame.depth > _NESTED:
            raise LostError
        self.block(definition.body, Frame(definition.unit, dot, dot, {}, set(), frame.depth + 1))
