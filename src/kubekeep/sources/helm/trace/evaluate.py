"""Templates gone through with symbols instead of values: which variables hold what, and what each action prints.

`Walk` knows what nodes do to variables and the dot; what is taken where there is a choice is told by who derives
from it. `Reading` asks the values; what they do not tell is taken all ways. Never makes text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.sources.helm.trace import functions
from kubekeep.sources.helm.trace.expression import (
    Chain,
    Dot,
    Function,
    Literal,
    Operand,
    Pipe,
    Variable,
    included,
    merged_into,
    parse,
)
from kubekeep.sources.helm.trace.symbols import (
    NOTHING,
    UNKNOWN,
    Chart,
    Known,
    Made,
    Row,
    Symbol,
    Symbols,
    Table,
    several,
)
from kubekeep.sources.helm.trace.template import Action, Branch, Call, Jump, Node, Range, TemplateError, Text, read
from kubekeep.sources.helm.trace.units import Units

DEEPEST: Final = 24
"""How deep named templates may call each other before nobody asks further what they print."""
_TURNS: Final = 64


class Frame(msgspec.Struct):
    """What a template sees: the dot, `$`, its variables by name, and which of these its innermost block declared.

    `names` is never changed in place, so that a frame can be kept by keeping it.
    """

    unit: int
    dot: Symbol
    root: Symbol
    names: dict[str, Symbol]
    local: set[str]
    depth: int

    def kept(self) -> Frame:
        """The frame as it is now."""
        return Frame(self.unit, self.dot, self.root, self.names, set(), self.depth)


def text_of(name: str) -> str:
    """Where a frame keeps which named template made the text of a variable, and for what dot."""
    return f"{name} text"


class Evaluator:
    """Expressions to symbols, for one release. Named templates that are included in expressions are read."""

    def __init__(self, units: Units, symbols: Symbols) -> None:
        self.units = units
        self.symbols = symbols
        self._read: dict[tuple[str, tuple[str, ...]], Symbol] = {}

    def source(self, source: str, frame: Frame) -> Symbol:
        """The symbol of an expression; nothing for one that is not understood."""
        try:
            return self.pipe(parse(source), frame)
        except TemplateError:
            return NOTHING

    def pipe(self, pipe: Pipe, frame: Frame) -> Symbol:
        """The symbol of a pipeline, whatever it declares."""
        value: Symbol | None = None
        for command in pipe.commands:
            value = self._command(command, value, frame)
        return value or NOTHING

    def _command(self, command: Sequence[Operand], last: Symbol | None, frame: Frame) -> Symbol:
        self.symbols.budget.step()
        if not command:
            return NOTHING
        first, *rest = command
        if not isinstance(first, Function):
            # With arguments it is a method, such as .Files.Get.
            return NOTHING if rest or last is not None else self.operand(first, frame)
        arguments = [self.operand(operand, frame) for operand in rest]
        if last is not None:
            arguments.append(last)
        match first.name:
            case "include" if len(arguments) == 2:
                name = self.symbols.value(arguments[0])
                return self.include(name if isinstance(name, str) else "", arguments[1], frame)
            case "tpl" if arguments:
                return self._tpl(arguments, frame)
        return functions.call(first.name, self.symbols, arguments)

    def operand(self, operand: Operand, frame: Frame) -> Symbol:
        """The symbol of one operand."""
        match operand:
            case Literal():
                return Known(operand.value)
            case Dot():
                return frame.dot
            case Variable():
                return frame.names.get(operand.name, NOTHING) if operand.name else frame.root
            case Chain():
                base = self.operand(operand.base, frame)
                return self.symbols.descend(base, operand.names) or functions.NIL
            case Pipe():
                return self.pipe(operand, frame)
        return functions.call(operand.name, self.symbols, [])

    def include(self, name: str, dot: Symbol, frame: Frame) -> Symbol:
        """What a named template prints; nothing of one that is not known."""
        definition = self.units.defines.get(name)
        if definition is None or frame.depth >= DEEPEST:
            return Made((dot,)) if isinstance(dot, Table) else NOTHING
        key = (name, dot.scope) if isinstance(dot, Chart) else None
        if key in self._read:
            return self._read[key]
        found = self._printed(definition.body, Frame(definition.unit, dot, dot, {}, set(), frame.depth + 1))
        if key is not None:
            self._read[key] = found
        return found

    def _tpl(self, arguments: Sequence[Symbol], frame: Frame) -> Symbol:
        """A template in a value is that value; one in a constant is read."""
        text = arguments[0]
        if isinstance(text, Known) and isinstance(text.value, str) and frame.depth < DEEPEST:
            dot = arguments[-1]
            try:
                return self._printed(read(text.value).body, Frame(frame.unit, dot, dot, {}, set(), frame.depth + 1))
            except TemplateError:
                return NOTHING
        return text

    def _printed(self, body: Sequence[Node], frame: Frame) -> Symbol:
        reading = Reading(self)
        reading.block(body, frame)
        return Made(tuple(reading.parts), UNKNOWN)


class Jumped(Exception):  # noqa: N818 - control flow of the template
    """A break or continue on its way to its loop."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class Walk:
    """Going through nodes in the order in which they ran, or may have run."""

    def __init__(self, evaluator: Evaluator) -> None:
        self.evaluator = evaluator

    def taken(self, branch: Branch, frame: Frame) -> list[int]:
        """The cases that ran."""
        raise NotImplementedError

    def turns(self, loop: Range, over: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:
        """The key and the element of each turn."""
        raise NotImplementedError

    def text(self, node: Text, frame: Frame) -> None:
        """Literal text, which does nothing to variables."""

    def action(self, node: Action, pipe: Pipe, frame: Frame) -> None:
        """An action that prints."""
        raise NotImplementedError

    def call(self, node: Call, frame: Frame) -> None:
        """A call of a named template."""
        raise NotImplementedError

    def block(self, nodes: Sequence[Node], frame: Frame, declared: dict[str, Symbol] | None = None) -> None:
        """Nodes with a scope of their own, in which `declared` are set."""
        outer, local, dot = frame.names, frame.local, frame.dot
        frame.local = set(declared or ())
        if declared:
            frame.names = {**outer, **declared}
        try:
            self._nodes(nodes, frame)
        finally:
            if frame.names is not outer:
                own = frame.local
                frame.names = {name: value if name in own else frame.names[name] for name, value in outer.items()}
            frame.local, frame.dot = local, dot

    def _nodes(self, nodes: Sequence[Node], frame: Frame) -> None:
        for node in nodes:
            match node:
                case Text():
                    self.text(node, frame)
                case Action():
                    self._action(node, frame)
                case Branch():
                    self._branch(node, frame)
                case Range():
                    self._range(node, frame)
                case Call():
                    self.call(node, frame)
                case Jump():
                    raise Jumped(node.word)

    def _action(self, node: Action, frame: Frame) -> None:
        # Setting a variable copies all of them.
        self.evaluator.symbols.budget.step(1 + len(frame.names) // 8)
        try:
            pipe = parse(node.source)
        except TemplateError:
            pipe = Pipe((), False, ())
        if not pipe.names:
            self.action(node, pipe, frame)
            return
        value = self.evaluator.pipe(pipe, frame)
        name = pipe.names[0]
        frame.names = {**frame.names, name: value, text_of(name): self._text(pipe, frame)}
        into = merged_into(pipe)
        if into in frame.names:
            frame.names[into] = value
        if not pipe.assigns:
            frame.local.update((name, text_of(name)))

    def _text(self, pipe: Pipe, frame: Frame) -> Symbol:
        """The named template whose text a pipeline gives, and its dot."""
        found = included(pipe)
        return Row((Known(found[0]), self.evaluator.operand(found[1], frame))) if found else functions.NIL

    def _branch(self, node: Branch, frame: Frame) -> None:
        taken = self.taken(node, frame)
        if not taken:
            return
        last = max(taken)
        declared: dict[str, Symbol] = {}
        before, results = frame.names, []
        for number, case in enumerate(node.cases[: last + 1]):
            dot = frame.dot
            if case.source is not None:
                dot = self._condition(case.source, frame, declared) if node.rebinds or ":=" in case.source else dot
            if number in taken:
                frame.names, outer = before, frame.dot
                scope = declared
                if node.rebinds and case.source is not None:
                    frame.dot = dot
                else:
                    scope = {name: value for name, value in declared.items() if name != text_of(".")}
                try:
                    self.block(case.body, frame, scope)
                finally:
                    frame.dot = outer
                results.append(frame.names)
        if len(results) > 1:
            frame.names = {name: either([result[name] for result in results]) for name in before}

    def _condition(self, source: str, frame: Frame, declared: dict[str, Symbol]) -> Symbol:
        try:
            pipe = parse(source)
        except TemplateError:
            return NOTHING
        value = self.evaluator.pipe(pipe, frame)
        if pipe.names and not pipe.assigns:
            declared[pipe.names[0]] = value
        declared[text_of(".")] = self._text(pipe, frame)
        return value

    def _range(self, node: Range, frame: Frame) -> None:
        try:
            pipe = parse(node.source)
        except TemplateError:
            pipe = Pipe((), False, ())
        over = self.evaluator.pipe(pipe, frame)
        ran = False
        for key, element in self.turns(node, over, frame):
            ran = True
            pair = (key, element) if len(pipe.names) > 1 else (element,)
            declared = {**dict(zip(pipe.names, pair, strict=False)), text_of("."): functions.NIL}
            outer = frame.dot
            frame.dot = element
            try:
                self.block(node.body, frame, declared)
            except Jumped as jumped:
                if jumped.word == "break":
                    break
            finally:
                frame.dot = outer
        if not ran and node.otherwise:
            self.block(node.otherwise, frame)


def either(symbols: list[Symbol]) -> Symbol:
    """One of these, whichever it was."""
    distinct: list[Symbol] = []
    for symbol in symbols:
        if not any(symbol is other for other in distinct):
            distinct.append(symbol)
    return several(distinct) or NOTHING


class Reading(Walk):
    """What a named template prints for some dot, as far as the values tell: `parts` are its actions in order."""

    def __init__(self, evaluator: Evaluator) -> None:
        super().__init__(evaluator)
        self.parts: list[Symbol] = []

    def taken(self, branch: Branch, frame: Frame) -> list[int]:
        """The case whose condition holds, and those before it of which nobody knows."""
        possible: list[int] = []
        for number, case in enumerate(branch.cases):
            truth = True if case.source is None else self._truth(case.source, frame)
            if truth is not False:
                possible.append(number)
            if truth:
                break
        return possible

    def _truth(self, source: str, frame: Frame) -> bool | None:
        return self.evaluator.symbols.truth(self.evaluator.source(source, frame))

    def turns(self, loop: Range, over: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:  # noqa: ARG002 - only marks need them
        """The first few turns; one if nobody knows how many there are."""
        symbols = self.evaluator.symbols
        value = over.entries if isinstance(over, Table) else symbols.value(over)
        if isinstance(value, dict):
            for name in sorted(value)[:_TURNS]:
                element = symbols.child(over, name) or NOTHING
                yield Made((element,), name), element
            return
        some = functions.items(symbols, over)
        if some is None:
            some = [Made((over,))]
        for number, element in enumerate(some[:_TURNS]):
            yield Made((), number), element

    def action(self, node: Action, pipe: Pipe, frame: Frame) -> None:  # noqa: ARG002 - only marks need it
        """Keep what is printed."""
        self.parts.append(self.evaluator.pipe(pipe, frame))

    def call(self, node: Call, frame: Frame) -> None:
        """Keep what the named template prints."""
        dot = self.evaluator.source(node.source, frame) if node.source.strip() else functions.NIL
        self.parts.append(self.evaluator.include(node.name, dot, frame))
