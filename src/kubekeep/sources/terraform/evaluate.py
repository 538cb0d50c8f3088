"""Evaluation of Terraform expressions. A wrong expression gives an `UnknownValue`, never an exception.

Time, depth and size of all values are limited; see `CostError`.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from kubekeep.model.location import Location, Setting
from kubekeep.sources.terraform.functions import FUNCTIONS, MAX_TEXT, SHALLOW
from kubekeep.sources.terraform.syntax import (
    Expression,
    HclSyntaxError,
    JsonExpression,
    list_children,
    locate_entry,
    locate_expression,
    read_heredoc,
    read_word,
    split_template,
    unescape,
    unwrap,
)
from kubekeep.sources.terraform.values import (
    LocatedList,
    LocatedMapping,
    LocatedText,
    UnknownValue,
    count_values,
    find_unknown,
    list_entries,
    to_bool,
    to_number,
    to_text,
    type_name,
)

MAX_STEPS: Final = 200_000
"""Steps of one root module and its child modules; a step takes about 20 microseconds."""
_MAX_DEPTH: Final = 120
_MAX_VALUES: Final = 400_000
_MAX_BITS: Final = 512
_ERRORS: Final = (ValueError, TypeError, LookupError, OverflowError, ZeroDivisionError, StopIteration)
_BINARY: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": lambda a, b: to_number(a) < to_number(b),
    ">": lambda a, b: to_number(a) > to_number(b),
    "<=": lambda a, b: to_number(a) <= to_number(b),
    ">=": lambda a, b: to_number(a) >= to_number(b),
    "+": lambda a, b: to_number(a) + to_number(b),
    "-": lambda a, b: to_number(a) - to_number(b),
    "*": lambda a, b: to_number(a) * to_number(b),
    "/": lambda a, b: _divide(to_number(a), to_number(b)),
    "%": lambda a, b: _remainder(to_number(a), to_number(b)),
    "&&": lambda a, b: to_bool(a) and to_bool(b),
    "||": lambda a, b: to_bool(a) or to_bool(b),
}
_SHORT_CIRCUIT: Final = {"&&": False, "||": True}


class CostError(Exception):
    """The evaluation of a module exceeds a limit."""


class NameResolver(Protocol):
    """Names and files of a module."""

    def resolve(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """Return the value of root and a prefix of steps, and the length of the prefix; None for another root."""

    def locate_name(self, root: str, name: str) -> Location | None:
        """Return the location that sets `var.name` or `local.name`."""

    def read_file(self, path: str) -> LocatedText:
        """Return the text of a file of the module; raises ValueError."""


class ExpressionScope(msgspec.Struct, frozen=True):
    """Context of an expression: module, file, and names bound by blocks and `for`."""

    names: NameResolver
    file: str
    bound_names: dict[str, Any] = {}

    def extend(self, **names: Any) -> ExpressionScope:
        """Return an inner scope with more names."""
        return ExpressionScope(self.names, self.file, {**self.bound_names, **names})

    def in_file(self, file: str) -> ExpressionScope:
        """Return the scope with the same names in another file of the module."""
        return ExpressionScope(self.names, file, self.bound_names)


class ExpressionEvaluator:
    """Evaluates expressions of one root module and its child modules, within one budget."""

    def __init__(self) -> None:
        self._steps = 0
        self._depth = 0
        self._by_node_type: dict[str, Callable[[Any, ExpressionScope], Any]] = {
            "int_lit": lambda node, _: to_number(read_word(node)),
            "float_lit": lambda node, _: to_number(read_word(node)),
            "literal_value": lambda node, _: {"true": True, "false": False}.get(read_word(node)),
            "string": self._evaluate_string,
            "heredoc_template": self._evaluate_heredoc,
            "heredoc_template_trim": self._evaluate_heredoc,
            "tuple": self._evaluate_tuple,
            "object": self._evaluate_object,
            "identifier": self._evaluate_reference,
            "get_attr_expr_term": self._evaluate_reference,
            "index_expr_term": self._evaluate_reference,
            "full_splat_expr_term": self._evaluate_splat,
            "attr_splat_expr_term": self._evaluate_splat,
            "function_call": self._evaluate_call,
            "conditional": self._evaluate_conditional,
            "binary_op": self._evaluate_binary,
            "unary_op": self._evaluate_unary,
            "for_tuple_expr": self._evaluate_for,
            "for_object_expr": self._evaluate_for,
        }

    @property
    def is_exhausted(self) -> bool:
        """True if the budget is used up."""
        return self._steps > MAX_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take steps from the budget; raises CostError if it is used up."""
        self._steps += steps
        if self._steps > MAX_STEPS:
            raise CostError(f"evaluation needs more than {MAX_STEPS} steps")

    def evaluate(self, expression: Expression, scope: ExpressionScope) -> Any:
        """Evaluate an expression to a value, an `UnknownValue`, or a collection with unknown entries. Raises CostError."""
        self.spend()
        if isinstance(expression, JsonExpression):
            return self._evaluate_json(expression, scope)
        node = unwrap(expression)
        if self._depth >= _MAX_DEPTH:
            raise CostError(f"values are nested deeper than {_MAX_DEPTH} levels, or form a cycle")
        evaluate = self._by_node_type.get(getattr(node, "data", ""))
        if evaluate is None:
            return UnknownValue("unsupported template directive or expression")
        self._depth += 1
        try:
            return evaluate(node, scope)
        except _ERRORS as error:
            return UnknownValue(_error_text(error), is_error=True)
        finally:
            self._depth -= 1

    def locate(self, location: Location, expression: Expression, scope: ExpressionScope) -> Location:
        """Return the location of an entry, with the variable or local it is set from, if it is only a reference."""
        node = unwrap(expression)
        if getattr(node, "data", "") != "get_attr_expr_term":
            return location
        root, steps = _split_traversal(node)
        if len(steps) != 1 or getattr(root, "data", "") != "identifier" or not isinstance(steps[0], str):
            return location
        set_location = scope.names.locate_name(read_word(root), steps[0])
        if set_location is None:
            return location
        return Location(
            location.file,
            location.region,
            Setting(f"{read_word(root)}.{steps[0]}", set_location.file, set_location.region),
        )

    def _evaluate_string(self, node: Any, scope: ExpressionScope) -> Any:
        pieces = []
        for part in node.children[1:-1]:
            inner = part.children[0]
            if not hasattr(inner, "data"):
                text = str(inner)
                escaped = inner.type in ("ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE")
                pieces.append(text[1:] if escaped else unescape(text))
            elif inner.data == "interpolation":
                value = self.evaluate(inner.children[1], scope)
                if len(node.children) == len('"${}"') - 2:
                    return value
                pieces.append(value)
            else:
                return UnknownValue("template directives are not supported")
        return self._join(pieces)

    def _join(self, pieces: list[Any]) -> Any:
        unknown = next((piece for piece in pieces if isinstance(piece, UnknownValue)), None)
        if unknown is not None:
            return unknown
        return self._concatenate(map(to_text, pieces))

    def _concatenate(self, pieces: Iterable[str]) -> str:
        """Concatenate texts after checking the total size."""
        texts = list(pieces)
        size = sum(map(len, texts))
        if size > MAX_TEXT:
            raise CostError("a value is too large")
        self.spend(size // 256)
        return "".join(texts)

    def _evaluate_heredoc(self, node: Any, scope: ExpressionScope) -> Any:
        template, indent = read_heredoc(str(node.children[0]))
        return self.evaluate_template(template, scope, node.meta.line + 1, indent)

    def evaluate_template(self, template: str, scope: ExpressionScope, line: int, indent: int = 0) -> Any:
        """Evaluate a template that begins on a line of the scope's file; `UnknownValue` if any part of it is."""
        try:
            template_parts = split_template(template)
        except HclSyntaxError as error:
            return UnknownValue(str(error), is_error=True)
        pieces: list[str] = []
        lines = [line]
        for part in template_parts:
            if part.is_directive:
                return UnknownValue("template directives are not supported")
            if part.expression is None:
                lines.extend(range(line + 1, line + 1 + part.text.count("\n")))
                line += part.text.count("\n")
                pieces.append(part.text)
                continue
            value = self.evaluate(part.expression, scope)
            if isinstance(value, UnknownValue):
                return value
            pieces.append(to_text(value))
            self.spend(len(pieces[-1]) // 256)
            lines.extend([line] * pieces[-1].count("\n"))
            line += part.lines
        return LocatedText.from_lines(self._concatenate(pieces), scope.file, lines, indent)

    def _evaluate_tuple(self, node: Any, scope: ExpressionScope) -> Any:
        elements = LocatedList()
        for element in list_children(node):
            if hasattr(element, "data"):
                elements.add(
                    self.evaluate(element, scope), self.locate(locate_expression(element, scope.file), element, scope)
                )
        return elements

    def _evaluate_object(self, node: Any, scope: ExpressionScope) -> Any:
        mapping = LocatedMapping()
        for element in list_children(node):
            if getattr(element, "data", "") != "object_elem":
                continue
            key = self._evaluate_key(element.children[0].children[0], scope)
            value = self.evaluate(element.children[-1], scope)
            if isinstance(key, UnknownValue):
                # An unknown key could be any field.
                return key
            location = locate_entry(element, element.children[0], scope.file)
            mapping.put(to_text(key), value, self.locate(location, element.children[-1], scope))
        return mapping

    def _evaluate_key(self, key: Any, scope: ExpressionScope) -> Any:
        if key.data == "keyword":
            return read_word(key)
        if key.data == "expr_term" and len(key.children) == 1:
            child = key.children[0]
            if child.data in ("identifier", "literal_value"):
                return read_word(child)
        return self.evaluate(key, scope)

    def _evaluate_reference(self, node: Any, scope: ExpressionScope) -> Any:
        root, steps = _split_traversal(node)
        evaluated_steps: list[str | int] = []
        for step in steps:
            value = step if isinstance(step, str | int) else self.evaluate(step, scope)
            if isinstance(value, UnknownValue):
                return value
            evaluated_steps.append(int(value) if isinstance(value, float) else value)
        if getattr(root, "data", "") != "identifier":
            return _follow_steps(self.evaluate(root, scope), evaluated_steps)
        name = read_word(root)
        if name in scope.bound_names:
            return _follow_steps(scope.bound_names[name], evaluated_steps)
        resolved = scope.names.resolve(name, evaluated_steps)
        if resolved is None:
            return UnknownValue(f"{'.'.join([name, *map(str, evaluated_steps)])[:80]} is computed by Terraform")
        return _follow_steps(resolved[0], evaluated_steps[resolved[1] :])

    def _evaluate_splat(self, node: Any, scope: ExpressionScope) -> Any:
        base = self.evaluate(node.children[0], scope)
        if isinstance(base, UnknownValue):
            return base
        steps: list[str | int] = []
        for step in node.children[1].children:
            if not hasattr(step, "data"):
                continue
            value = _read_step(step)
            value = value if isinstance(value, str | int) else self.evaluate(value, scope)
            if isinstance(value, UnknownValue):
                return value
            steps.append(value)
        if not isinstance(base, list):
            base = LocatedList() if base is None else LocatedList([base])
        self.spend(len(base) // 16 + 1)
        return LocatedList(_follow_steps(element, steps) for element in base)

    def _evaluate_call(self, node: Any, scope: ExpressionScope) -> Any:
        name = "::".join(read_word(part) for part in list_children(node) if getattr(part, "data", "") == "identifier")
        arguments = next((part for part in list_children(node) if getattr(part, "data", "") == "arguments"), None)
        argument_nodes = [] if arguments is None else list(list_children(arguments))
        expressions = [part for part in argument_nodes if hasattr(part, "data")]
        if name in ("try", "can"):
            return self._try(name, expressions, scope)
        values = [self.evaluate(expression, scope) for expression in expressions]
        if _has_token(argument_nodes, "...") and isinstance(values[-1], list):
            values[-1:] = list(values[-1])
        unknown = next((value for value in values if isinstance(value, UnknownValue)), None)
        if unknown is None and name not in SHALLOW:
            self._spend_on(values)
            unknown = find_unknown(values)
        return self._apply(name, values, scope) if unknown is None else unknown

    def _apply(self, name: str, values: list[Any], scope: ExpressionScope) -> Any:
        if name in ("file", "templatefile"):
            text = scope.names.read_file(to_text(values[0]))
            if name == "file":
                return text
            template_scope = ExpressionScope(_TemplateNames(scope.names), text.file, dict(values[1]))
            return self.evaluate_template(text, template_scope, 1)
        function = FUNCTIONS.get(name)
        if function is None:
            return UnknownValue(f"the function {name[:40]} is not supported")
        self._spend_on(values)
        try:
            return _check_size(function(*values))
        except _ERRORS as error:
            return UnknownValue(f"{name}: {_error_text(error)}", is_error=True)

    def _spend_on(self, values: list[Any]) -> None:
        """Spend steps on values that a function or comparison has to walk."""
        count = count_values(values, _MAX_VALUES)
        if count >= _MAX_VALUES:
            raise CostError("a value is too large")
        self.spend(count // 16 + 1)

    def _try(self, name: str, expressions: list[Any], scope: ExpressionScope) -> Any:
        value: Any = UnknownValue("try has no valid argument", is_error=True)
        for expression in expressions:
            value = self.evaluate(expression, scope)
            if not (isinstance(value, UnknownValue) and value.is_error):
                break
        if name == "try" or (isinstance(value, UnknownValue) and not value.is_error):
            return value
        return not isinstance(value, UnknownValue)

    def _evaluate_conditional(self, node: Any, scope: ExpressionScope) -> Any:
        condition, yes, no = (part for part in list_children(node) if hasattr(part, "data"))
        condition_value = self.evaluate(condition, scope)
        if isinstance(condition_value, UnknownValue):
            return condition_value
        return self.evaluate(yes if to_bool(condition_value) else no, scope)

    def _evaluate_binary(self, node: Any, scope: ExpressionScope) -> Any:
        left_part, term = (part for part in list_children(node) if hasattr(part, "data"))
        symbol = read_word(term.children[0]).strip()
        symbol = symbol.split()[-1]
        left = self.evaluate(left_part, scope)
        right = self.evaluate(list(list_children(term))[-1], scope)
        for side in (left, right):
            # `false && x` is false for any x.
            if symbol in _SHORT_CIRCUIT and side is _SHORT_CIRCUIT[symbol]:
                return side
        self._spend_on([left, right])
        unknown = find_unknown([left, right])
        if unknown is not None:
            return unknown
        if symbol in ("==", "!=") and type_name(left) != type_name(right):
            return symbol == "!="
        return _check_number(_BINARY[symbol](left, right))

    def _evaluate_unary(self, node: Any, scope: ExpressionScope) -> Any:
        value = self.evaluate(node.children[-1], scope)
        if isinstance(value, UnknownValue):
            return value
        return not to_bool(value) if str(node.children[0]) == "!" else -to_number(value)

    def _evaluate_for(self, node: Any, scope: ExpressionScope) -> Any:
        intro, *results = (part for part in list_children(node) if hasattr(part, "data"))
        if _has_token(node.children, "..."):
            return UnknownValue("for expressions with grouping are not supported")
        condition = list(list_children(results.pop()))[-1] if results[-1].data == "for_cond" else None
        *names, source_node = (part for part in list_children(intro) if hasattr(part, "data"))
        source = self.evaluate(source_node, scope)
        if isinstance(source, UnknownValue):
            return source
        collection: Any = LocatedMapping() if node.data == "for_object_expr" else LocatedList()
        for key, element, location in list_entries(source):
            bound_values = (key, element)[-len(names) :]
            inner = scope.extend(**dict(zip(map(read_word, names), bound_values, strict=True)))
            values = self._evaluate_iteration(condition, results, inner)
            if isinstance(values, UnknownValue):
                return values
            if values:
                _collect(collection, values, location)
        return collection

    def _evaluate_iteration(
        self, condition: Expression, results: list[Expression], scope: ExpressionScope
    ) -> list[Any] | UnknownValue:
        """Evaluate one iteration of a `for` to key and value, or value; [] if the condition is false."""
        is_included = True if condition is None else self.evaluate(condition, scope)
        if isinstance(is_included, UnknownValue):
            return is_included
        if not to_bool(is_included):
            return []
        values = [self.evaluate(result, scope) for result in results]
        first = values[0]
        return first if len(values) > 1 and isinstance(first, UnknownValue) else values

    def _evaluate_json(self, expression: JsonExpression, scope: ExpressionScope) -> Any:
        value = expression.value
        if isinstance(value, str):
            try:
                template_parts = split_template(value) if "${" in value or "%{" in value else []
            except HclSyntaxError as error:
                return UnknownValue(str(error), is_error=True)
            if len(template_parts) == 1 and template_parts[0].expression is not None:
                return self.evaluate(template_parts[0].expression, scope)
            text = self.evaluate_template(value, scope, 1)
            return str(text) if isinstance(text, str) else text
        if isinstance(value, LocatedMapping | LocatedList):
            return self._evaluate_json_collection(value, scope)
        return value

    def _evaluate_json_collection(self, value: LocatedMapping | LocatedList, scope: ExpressionScope) -> Any:
        if isinstance(value, LocatedList):
            elements = LocatedList()
            for _, child, location in list_entries(value):
                elements.add(self.evaluate(JsonExpression(child), scope), location)
            return elements
        mapping = LocatedMapping()
        for key, child, location in list_entries(value):
            mapping.put(key, self.evaluate(JsonExpression(child), scope), location)
        return mapping


class _TemplateNames:
    """Names in a template of `templatefile`: only its variables, and functions."""

    def __init__(self, names: NameResolver) -> None:
        self._names = names

    def resolve(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """Return None: no name of the module is visible."""
        del root, steps
        return None

    def locate_name(self, root: str, name: str) -> Location | None:
        """Return None: no name of the module is visible."""
        del root, name
        return None

    def read_file(self, path: str) -> LocatedText:
        """Return the text of a file of the module; raises ValueError."""
        return self._names.read_file(path)


def _has_token(nodes: Iterable[Any], text: str) -> bool:
    return any(str(part) == text for part in nodes if not hasattr(part, "data"))


def _collect(collection: Any, values: list[Any], location: Location | None) -> None:
    if isinstance(collection, LocatedList):
        collection.add(values[0], location)
    else:
        collection.put(to_text(values[0]), values[1], location)


def _split_traversal(node: Any) -> tuple[Any, list[Any]]:
    """Split `a.b[0].c` into its root and its steps: names, numbers and expressions."""
    steps: list[Any] = []
    while getattr(node, "data", "") in ("get_attr_expr_term", "index_expr_term"):
        steps.append(_read_step(node.children[1]))
        node = unwrap(node.children[0])
    return node, steps[::-1]


def _read_step(node: Any) -> Any:
    if node.data == "get_attr":
        return read_word(node.children[1])
    if node.data == "short_index":
        return int(node.children[1])
    return next(part for part in list_children(node) if hasattr(part, "data"))


def _follow_steps(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(value, UnknownValue):
            return value
        if isinstance(value, list) and isinstance(step, int | str) and str(step).isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        else:
            return UnknownValue(f"{type_name(value)} has no {str(step)[:80]!r}", is_error=True)
    return value


def _divide(left: float, right: float) -> float:
    exact = left / right
    return int(exact) if exact.is_integer() else exact


def _check_number(value: Any) -> Any:
    """Return a value; raises ValueError for a number beyond the precision and range of numbers here.

    Terraform computes with 512 bits and a huge exponent, so that such a number is not known here.
    """
    is_large = isinstance(value, int) and value.bit_length() > _MAX_BITS
    if is_large or (isinstance(value, float) and not math.isfinite(value)):
        raise ValueError("the number is too large")
    return value


def _remainder(left: float, right: float) -> float:
    """Return the remainder with the sign of left, as HCL defines it."""
    return abs(left) % abs(right) * (-1 if left < 0 else 1)


def _check_size(value: Any) -> Any:
    if isinstance(value, str | dict | list) and len(value) > MAX_TEXT:
        raise CostError("a value is too large")
    return value


def _error_text(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
