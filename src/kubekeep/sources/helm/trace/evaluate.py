"""Evaluate templates with symbols instead of values: contents of variables, and the symbols that actions print.

`TemplateWalk` implements the effect of nodes on variables and the dot; subclasses choose the branches. `PossibleOutput`
chooses by the values, and takes every branch whose condition is unknown. Never produces text.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.sources.helm.trace import functions
from kubekeep.sources.helm.trace.expression import (
    Chain,
    Dot,
    FunctionName,
    LiteralOperand,
    Operand,
    Pipeline,
    Variable,
    find_include,
    find_merge_target,
    parse,
)
from kubekeep.sources.helm.trace.symbols import (
    NOTHING,
    UNKNOWN,
    ChartDot,
    Computed,
    Constant,
    ListSymbol,
    MappingSymbol,
    Symbol,
    Symbols,
    create_alternatives,
)
from kubekeep.sources.helm.trace.template import (
    ActionNode,
    BranchNode,
    JumpNode,
    Node,
    RangeNode,
    TemplateCallNode,
    TemplateError,
    TemplateSet,
    TextNode,
    parse_template,
)

MAX_DEPTH: Final = 24
"""Maximum nesting of named templates that is followed."""
_MOST_ITERATIONS: Final = 64


class Frame(msgspec.Struct):
    """State of a running template: dot, `$`, variables by name, and the variables declared in the innermost block.

    `names` is never modified in place, so a snapshot shares it.
    """

    file: int
    dot: Symbol
    root: Symbol
    names: dict[str, Symbol]
    local: set[str]
    depth: int

    def snapshot(self) -> Frame:
        """Return a copy of the current state."""
        return Frame(self.file, self.dot, self.root, self.names, set(), self.depth)


def text_key(name: str) -> str:
    """Return the variable name that stores the named template, and its dot, that produced the text of a variable."""
    return f"{name} text"


class SymbolicEvaluator:
    """Evaluates expressions to symbols for one release, including named templates in expressions."""

    def __init__(self, template_set: TemplateSet, symbols: Symbols) -> None:
        self.template_set = template_set
        self.symbols = symbols
        self._includes: dict[tuple[str, tuple[str, ...]], Symbol] = {}

    def evaluate_source(self, source: str, frame: Frame) -> Symbol:
        """Evaluate an expression; NOTHING if it cannot be parsed."""
        try:
            return self.evaluate_pipe(parse(source), frame)
        except TemplateError:
            return NOTHING

    def evaluate_pipe(self, pipe: Pipeline, frame: Frame) -> Symbol:
        """Evaluate a pipeline, ignoring the variables it declares."""
        value: Symbol | None = None
        for command in pipe.commands:
            value = self._evaluate_command(command, value, frame)
        return value or NOTHING

    def _evaluate_command(self, command: Sequence[Operand], last: Symbol | None, frame: Frame) -> Symbol:
        self.symbols.budget.step()
        if not command:
            return NOTHING
        first, *rest = command
        if not isinstance(first, FunctionName):
            # With arguments it is a method, such as .Files.Get.
            return NOTHING if rest or last is not None else self.evaluate_operand(first, frame)
        arguments = [self.evaluate_operand(operand, frame) for operand in rest]
        if last is not None:
            arguments.append(last)
        match first.name:
            case "include" if len(arguments) == 2:
                name = self.symbols.get_value(arguments[0])
                return self.evaluate_include(name if isinstance(name, str) else "", arguments[1], frame)
            case "tpl" if arguments:
                return self._evaluate_tpl(arguments, frame)
        return functions.call(first.name, self.symbols, arguments)

    def evaluate_operand(self, operand: Operand, frame: Frame) -> Symbol:
        """Evaluate one operand."""
        match operand:
            case LiteralOperand():
                return Constant(operand.value)
            case Dot():
                return frame.dot
            case Variable():
                return frame.names.get(operand.name, NOTHING) if operand.name else frame.root
            case Chain():
                base = self.evaluate_operand(operand.base, frame)
                return self.symbols.descend(base, operand.names) or functions.NIL
            case Pipeline():
                return self.evaluate_pipe(operand, frame)
        return functions.call(operand.name, self.symbols, [])

    def evaluate_include(self, name: str, dot: Symbol, frame: Frame) -> Symbol:
        """Evaluate the output of a named template; nothing is known of undefined ones."""
        definition = self.template_set.defines.get(name)
        if definition is None or frame.depth >= MAX_DEPTH:
            return Computed((dot,)) if isinstance(dot, MappingSymbol) else NOTHING
        key = (name, dot.scope) if isinstance(dot, ChartDot) else None
        if key in self._includes:
            return self._includes[key]
        output = self._evaluate_output(definition.body, Frame(definition.file, dot, dot, {}, set(), frame.depth + 1))
        if key is not None:
            self._includes[key] = output
        return output

    def _evaluate_tpl(self, arguments: Sequence[Symbol], frame: Frame) -> Symbol:
        """Evaluate `tpl`: a template from values is that value, a constant template is parsed."""
        text = arguments[0]
        if isinstance(text, Constant) and isinstance(text.value, str) and frame.depth < MAX_DEPTH:
            dot = arguments[-1]
            try:
                return self._evaluate_output(
                    parse_template(text.value).body, Frame(frame.file, dot, dot, {}, set(), frame.depth + 1)
                )
            except TemplateError:
                return NOTHING
        return text

    def _evaluate_output(self, body: Sequence[Node], frame: Frame) -> Symbol:
        output = PossibleOutput(self)
        output.walk_block(body, frame)
        return Computed(tuple(output.parts), UNKNOWN)


class LoopJump(Exception):  # noqa: N818 - control flow of the template
    """`break` or `continue` on its way to the loop."""

    def __init__(self, word: str) -> None:
        super().__init__(word)
        self.word = word


class TemplateWalk:
    """Walk over the nodes of a template in execution order."""

    def __init__(self, evaluator: SymbolicEvaluator) -> None:
        self.evaluator = evaluator

    def select_cases(self, branch: BranchNode, frame: Frame) -> list[int]:
        """Return the numbers of the cases to walk."""
        raise NotImplementedError

    def list_iterations(self, loop: RangeNode, collection: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:
        """Yield key and element of each iteration."""
        raise NotImplementedError

    def visit_text(self, node: TextNode, frame: Frame) -> None:
        """Visit literal text, which has no effect on variables."""

    def visit_action(self, node: ActionNode, pipe: Pipeline, frame: Frame) -> None:
        """Visit an action that prints."""
        raise NotImplementedError

    def visit_call(self, node: TemplateCallNode, frame: Frame) -> None:
        """Visit a call of a named template."""
        raise NotImplementedError

    def walk_block(self, nodes: Sequence[Node], frame: Frame, declared: dict[str, Symbol] | None = None) -> None:
        """Walk nodes in a scope of their own, with `declared` set."""
        outer, local, dot = frame.names, frame.local, frame.dot
        frame.local = set(declared or ())
        if declared:
            frame.names = {**outer, **declared}
        try:
            self._walk_nodes(nodes, frame)
        finally:
            if frame.names is not outer:
                own = frame.local
                frame.names = {name: value if name in own else frame.names[name] for name, value in outer.items()}
            frame.local, frame.dot = local, dot

    def _walk_nodes(self, nodes: Sequence[Node], frame: Frame) -> None:
        for node in nodes:
            match node:
                case TextNode():
                    self.visit_text(node, frame)
                case ActionNode():
                    self._walk_action(node, frame)
                case BranchNode():
                    self._walk_branch(node, frame)
                case RangeNode():
                    self._walk_range(node, frame)
                case TemplateCallNode():
                    self.visit_call(node, frame)
                case JumpNode():
                    raise LoopJump(node.word)

    def _walk_action(self, node: ActionNode, frame: Frame) -> None:
        # Setting a variable copies all variables.
        self.evaluator.symbols.budget.step(1 + len(frame.names) // 8)
        try:
            pipe = parse(node.source)
        except TemplateError:
            pipe = Pipeline((), False, ())
        if not pipe.names:
            self.visit_action(node, pipe, frame)
            return
        value = self.evaluator.evaluate_pipe(pipe, frame)
        name = pipe.names[0]
        frame.names = {**frame.names, name: value, text_key(name): self._find_text_source(pipe, frame)}
        merge_target = find_merge_target(pipe)
        if merge_target in frame.names:
            frame.names[merge_target] = value
        if not pipe.assigns:
            frame.local.update((name, text_key(name)))

    def _find_text_source(self, pipe: Pipeline, frame: Frame) -> Symbol:
        """Return the named template whose text a pipeline returns, with its dot."""
        include = find_include(pipe)
        return (
            ListSymbol((Constant(include[0]), self.evaluator.evaluate_operand(include[1], frame)))
            if include
            else functions.NIL
        )

    def _walk_branch(self, node: BranchNode, frame: Frame) -> None:
        selected = self.select_cases(node, frame)
        if not selected:
            return
        last = max(selected)
        declared: dict[str, Symbol] = {}
        outer_names, results = frame.names, []
        for number, case in enumerate(node.cases[: last + 1]):
            dot = frame.dot
            if case.source is not None:
                dot = (
                    self._evaluate_condition(case.source, frame, declared)
                    if node.rebinds or ":=" in case.source
                    else dot
                )
            if number in selected:
                frame.names, outer = outer_names, frame.dot
                scope = declared
                if node.rebinds and case.source is not None:
                    frame.dot = dot
                else:
                    scope = {name: value for name, value in declared.items() if name != text_key(".")}
                try:
                    self.walk_block(case.body, frame, scope)
                finally:
                    frame.dot = outer
                results.append(frame.names)
        if len(results) > 1:
            frame.names = {name: merge_alternatives([result[name] for result in results]) for name in outer_names}

    def _evaluate_condition(self, source: str, frame: Frame, declared: dict[str, Symbol]) -> Symbol:
        try:
            pipe = parse(source)
        except TemplateError:
            return NOTHING
        value = self.evaluator.evaluate_pipe(pipe, frame)
        if pipe.names and not pipe.assigns:
            declared[pipe.names[0]] = value
        declared[text_key(".")] = self._find_text_source(pipe, frame)
        return value

    def _walk_range(self, node: RangeNode, frame: Frame) -> None:
        try:
            pipe = parse(node.source)
        except TemplateError:
            pipe = Pipeline((), False, ())
        collection = self.evaluator.evaluate_pipe(pipe, frame)
        has_iterated = False
        for key, element in self.list_iterations(node, collection, frame):
            has_iterated = True
            pair = (key, element) if len(pipe.names) > 1 else (element,)
            declared = {**dict(zip(pipe.names, pair, strict=False)), text_key("."): functions.NIL}
            outer = frame.dot
            frame.dot = element
            try:
                self.walk_block(node.body, frame, declared)
            except LoopJump as jump:
                if jump.word == "break":
                    break
            finally:
                frame.dot = outer
        if not has_iterated and node.otherwise:
            self.walk_block(node.otherwise, frame)


def merge_alternatives(symbols: list[Symbol]) -> Symbol:
    """Combine symbols of which one applies."""
    distinct: list[Symbol] = []
    for symbol in symbols:
        if not any(symbol is other for other in distinct):
            distinct.append(symbol)
    return create_alternatives(distinct) or NOTHING


class PossibleOutput(TemplateWalk):
    """Output of a named template for a dot, as far as values determine it; `parts` are its actions in order."""

    def __init__(self, evaluator: SymbolicEvaluator) -> None:
        super().__init__(evaluator)
        self.parts: list[Symbol] = []

    def select_cases(self, branch: BranchNode, frame: Frame) -> list[int]:
        """Return the case whose condition is true, and the cases before it whose condition is unknown."""
        possible: list[int] = []
        for number, case in enumerate(branch.cases):
            truth = True if case.source is None else self._evaluate_truth(case.source, frame)
            if truth is not False:
                possible.append(number)
            if truth:
                break
        return possible

    def _evaluate_truth(self, source: str, frame: Frame) -> bool | None:
        return self.evaluator.symbols.get_truth(self.evaluator.evaluate_source(source, frame))

    def list_iterations(self, loop: RangeNode, collection: Symbol, frame: Frame) -> Iterator[tuple[Symbol, Symbol]]:  # noqa: ARG002 - only replays need them
        """Yield the first iterations; one if their number is unknown."""
        symbols = self.evaluator.symbols
        value = collection.entries if isinstance(collection, MappingSymbol) else symbols.get_value(collection)
        if isinstance(value, dict):
            for name in sorted(value)[:_MOST_ITERATIONS]:
                element = symbols.get_child(collection, name) or NOTHING
                yield Computed((element,), name), element
            return
        elements = functions.list_elements(symbols, collection)
        if elements is None:
            elements = [Computed((collection,))]
        for number, element in enumerate(elements[:_MOST_ITERATIONS]):
            yield Computed((), number), element

    def visit_action(self, node: ActionNode, pipe: Pipeline, frame: Frame) -> None:  # noqa: ARG002 - only replays need it
        """Record the printed symbol."""
        self.parts.append(self.evaluator.evaluate_pipe(pipe, frame))

    def visit_call(self, node: TemplateCallNode, frame: Frame) -> None:
        """Record the output of the named template."""
        dot = self.evaluator.evaluate_source(node.source, frame) if node.source.strip() else functions.NIL
        self.parts.append(self.evaluator.evaluate_include(node.name, dot, frame))
