"""Terraform's expressions as values, as far as the files tell them. Never raises for a wrong expression: gives an Unknown.

The time, the depth and the size of everything that an expression may make are bounded; see `CostError`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable
from typing import Any, Final, Protocol

import msgspec

from kubekeep.model.location import Location, Setting
from kubekeep.sources.terraform import templates
from kubekeep.sources.terraform.functions import FUNCTIONS, MAXIMUM_TEXT, SHALLOW
from kubekeep.sources.terraform.syntax import (
    Expression,
    HclSyntaxError,
    Json,
    entry_place,
    parts,
    place_of,
    unwrapped,
    word,
)
from kubekeep.sources.terraform.values import (
    Mapping,
    Sequence,
    Text,
    Unknown,
    entries,
    to_bool,
    to_number,
    to_text,
    type_name,
    unknown_inside,
    weight,
)

MAXIMUM_STEPS: Final = 200_000
"""Of one root module and all below it; a step takes about 20 microseconds."""
_DEEPEST: Final = 120
_HEAVIEST: Final = 400_000
_MISTAKES: Final = (ValueError, TypeError, LookupError, OverflowError, ZeroDivisionError, StopIteration)
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
    "/": lambda a, b: _divided(to_number(a), to_number(b)),
    "%": lambda a, b: to_number(a) % to_number(b),
    "&&": lambda a, b: to_bool(a) and to_bool(b),
    "||": lambda a, b: to_bool(a) or to_bool(b),
}
_DECIDES: Final = {"&&": False, "||": True}


class CostError(Exception):
    """What the module asks to compute is more than a scan may cost."""


class Names(Protocol):
    """What a module knows: the values of its names, and its files."""

    def reference(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """The value that `root` and some of `steps` name, and how many of the steps; None if `root` is no name here."""

    def place_of_name(self, root: str, name: str) -> Location | None:
        """Where `var.name` or `local.name` was set."""

    def file(self, path: str) -> Text:
        """The text of a file of the module; raises ValueError."""


class Scope(msgspec.Struct, frozen=True):
    """Where an expression stands: in a file of a module, below the names that blocks and `for` bring in."""

    names: Names
    file: str
    bound: dict[str, Any] = {}

    def binding(self, **names: Any) -> Scope:
        """The scope inside, with more names."""
        return Scope(self.names, self.file, {**self.bound, **names})

    def within(self, file: str) -> Scope:
        """The same names in another file of the module."""
        return Scope(self.names, file, self.bound)


class Evaluator:
    """Evaluates for one root module and all below it, within one budget."""

    def __init__(self) -> None:
        self._steps = 0
        self._depth = 0
        self._kinds: dict[str, Callable[[Any, Scope], Any]] = {
            "int_lit": lambda node, _: to_number(word(node)),
            "float_lit": lambda node, _: to_number(word(node)),
            "literal_value": lambda node, _: {"true": True, "false": False}.get(word(node)),
            "string": self._string,
            "heredoc_template": self._heredoc,
            "heredoc_template_trim": self._heredoc,
            "tuple": self._tuple,
            "object": self._object,
            "identifier": self._reference,
            "get_attr_expr_term": self._reference,
            "index_expr_term": self._reference,
            "full_splat_expr_term": self._splat,
            "attr_splat_expr_term": self._splat,
            "function_call": self._call,
            "conditional": self._conditional,
            "binary_op": self._binary,
            "unary_op": self._unary,
            "for_tuple_expr": self._for,
            "for_object_expr": self._for,
        }

    @property
    def is_exhausted(self) -> bool:
        """Whether the budget is used up, so that nothing more can be evaluated."""
        return self._steps > MAXIMUM_STEPS

    def spend(self, steps: int = 1) -> None:
        """Take from the budget; raises CostError when it is used up."""
        self._steps += steps
        if self._steps > MAXIMUM_STEPS:
            raise CostError(f"it takes more than {MAXIMUM_STEPS} steps to evaluate")

    def value(self, expression: Expression, scope: Scope) -> Any:
        """The value of an expression: known, Unknown, or a collection with Unknown items. Raises CostError."""
        self.spend()
        if isinstance(expression, Json):
            return self._json(expression, scope)
        node = unwrapped(expression)
        if self._depth >= _DEEPEST:
            raise CostError(f"its values are nested deeper than {_DEEPEST} levels, or refer to each other in a circle")
        kind = self._kinds.get(getattr(node, "data", ""))
        if kind is None:
            return Unknown("a template directive or an expression that is not evaluated here")
        self._depth += 1
        try:
            return kind(node, scope)
        except _MISTAKES as error:
            return Unknown(_said(error), failed=True)
        finally:
            self._depth -= 1

    def place(self, place: Location, expression: Expression, scope: Scope) -> Location:
        """The place of an entry, with the variable or local that its value was taken from, if it is just that."""
        node = unwrapped(expression)
        if getattr(node, "data", "") != "get_attr_expr_term":
            return place
        root, steps = _chain(node)
        if len(steps) != 1 or getattr(root, "data", "") != "identifier" or not isinstance(steps[0], str):
            return place
        set_at = scope.names.place_of_name(word(root), steps[0])
        if set_at is None:
            return place
        return Location(place.file, place.region, Setting(f"{word(root)}.{steps[0]}", set_at.file, set_at.region))

    def _string(self, node: Any, scope: Scope) -> Any:
        pieces = []
        for part in node.children[1:-1]:
            inner = part.children[0]
            if not hasattr(inner, "data"):
                text = str(inner)
                escaped = inner.type in ("ESCAPED_INTERPOLATION", "ESCAPED_DIRECTIVE")
                pieces.append(text[1:] if escaped else templates.unescaped(text))
            elif inner.data == "interpolation":
                value = self.value(inner.children[1], scope)
                if len(node.children) == len('"${}"') - 2:
                    return value
                pieces.append(value)
            else:
                return Unknown("template directives are not evaluated")
        return self._joined(pieces)

    def _joined(self, pieces: list[Any]) -> Any:
        unknown = next((piece for piece in pieces if isinstance(piece, Unknown)), None)
        if unknown is not None:
            return unknown
        return self._text(map(to_text, pieces))

    def _text(self, pieces: Iterable[str]) -> str:
        """The pieces as one text, which is not made before its size is known."""
        listed = list(pieces)
        size = sum(map(len, listed))
        if size > MAXIMUM_TEXT:
            raise CostError("a value is too large")
        self.spend(size // 256)
        return "".join(listed)

    def _heredoc(self, node: Any, scope: Scope) -> Any:
        template, indent = templates.heredoc(str(node.children[0]))
        return self.template(template, scope, node.meta.line + 1, indent)

    def template(self, template: str, scope: Scope, line: int, indent: int = 0) -> Any:
        """The text of a template that begins on `line` of the scope's file; Unknown if a part of it is."""
        try:
            found = templates.split(template)
        except HclSyntaxError as problem:
            return Unknown(str(problem), failed=True)
        pieces: list[str] = []
        lines = [line]
        for part in found:
            if part.directive:
                return Unknown("template directives are not evaluated")
            if part.expression is None:
                lines.extend(range(line + 1, line + 1 + part.text.count("\n")))
                line += part.text.count("\n")
                pieces.append(part.text)
                continue
            value = self.value(part.expression, scope)
            if isinstance(value, Unknown):
                return value
            pieces.append(to_text(value))
            self.spend(len(pieces[-1]) // 256)
            lines.extend([line] * pieces[-1].count("\n"))
            line += part.lines
        return Text.of(self._text(pieces), scope.file, lines, indent)

    def _tuple(self, node: Any, scope: Scope) -> Any:
        made = Sequence()
        for item in parts(node):
            if hasattr(item, "data"):
                made.add(self.value(item, scope), self.place(place_of(item, scope.file), item, scope))
        return made

    def _object(self, node: Any, scope: Scope) -> Any:
        made = Mapping()
        for element in parts(node):
            if getattr(element, "data", "") != "object_elem":
                continue
            key = self._key(element.children[0].children[0], scope)
            value = self.value(element.children[-1], scope)
            if isinstance(key, Unknown):
                # What the key would be could be any field.
                return key
            place = entry_place(element, element.children[0], scope.file)
            made.put(to_text(key), value, self.place(place, element.children[-1], scope))
        return made

    def _key(self, key: Any, scope: Scope) -> Any:
        if key.data == "keyword":
            return word(key)
        if key.data == "expr_term" and len(key.children) == 1:
            only = key.children[0]
            if only.data in ("identifier", "literal_value"):
                return word(only)
        return self.value(key, scope)

    def _reference(self, node: Any, scope: Scope) -> Any:
        root, steps = _chain(node)
        known: list[str | int] = []
        for step in steps:
            value = step if isinstance(step, str | int) else self.value(step, scope)
            if isinstance(value, Unknown):
                return value
            known.append(int(value) if isinstance(value, float) else value)
        if getattr(root, "data", "") != "identifier":
            return _stepped(self.value(root, scope), known)
        name = word(root)
        if name in scope.bound:
            return _stepped(scope.bound[name], known)
        found = scope.names.reference(name, known)
        if found is None:
            return Unknown(f"{'.'.join([name, *map(str, known)])[:80]} is known only to Terraform")
        return _stepped(found[0], known[found[1] :])

    def _splat(self, node: Any, scope: Scope) -> Any:
        base = self.value(node.children[0], scope)
        if isinstance(base, Unknown):
            return base
        steps: list[str | int] = []
        for step in node.children[1].children:
            if not hasattr(step, "data"):
                continue
            value = _step(step)
            value = value if isinstance(value, str | int) else self.value(value, scope)
            if isinstance(value, Unknown):
                return value
            steps.append(value)
        if not isinstance(base, list):
            base = Sequence() if base is None else Sequence([base])
        return Sequence(_stepped(item, steps) for item in base)

    def _call(self, node: Any, scope: Scope) -> Any:
        name = "::".join(word(part) for part in parts(node) if getattr(part, "data", "") == "identifier")
        given = next((part for part in parts(node) if getattr(part, "data", "") == "arguments"), None)
        listed = [] if given is None else list(parts(given))
        expressions = [part for part in listed if hasattr(part, "data")]
        if name in ("try", "can"):
            return self._attempt(name, expressions, scope)
        values = [self.value(expression, scope) for expression in expressions]
        if _has(listed, "...") and isinstance(values[-1], list):
            values[-1:] = list(values[-1])
        unknown = next((value for value in values if isinstance(value, Unknown)), None)
        if unknown is None and name not in SHALLOW:
            self._weigh(values)
            unknown = unknown_inside(values)
        return self._applied(name, values, scope) if unknown is None else unknown

    def _applied(self, name: str, values: list[Any], scope: Scope) -> Any:
        if name in ("file", "templatefile"):
            text = scope.names.file(to_text(values[0]))
            if name == "file":
                return text
            inside = Scope(_NoNames(scope.names), text.file, dict(values[1]))
            return self.template(text, inside, 1)
        function = FUNCTIONS.get(name)
        if function is None:
            return Unknown(f"the function {name[:40]} is not evaluated here")
        self._weigh(values)
        try:
            return _bounded(function(*values))
        except _MISTAKES as error:
            return Unknown(f"{name}: {_said(error)}", failed=True)

    def _weigh(self, values: list[Any]) -> None:
        """Pay for what a function or comparison may have to walk."""
        found = weight(values, _HEAVIEST)
        if found >= _HEAVIEST:
            raise CostError("a value is too large")
        self.spend(found // 16 + 1)

    def _attempt(self, name: str, expressions: list[Any], scope: Scope) -> Any:
        value: Any = Unknown("try without a value", failed=True)
        for expression in expressions:
            value = self.value(expression, scope)
            if not (isinstance(value, Unknown) and value.failed):
                break
        if name == "try" or (isinstance(value, Unknown) and not value.failed):
            return value
        return not isinstance(value, Unknown)

    def _conditional(self, node: Any, scope: Scope) -> Any:
        condition, yes, no = (part for part in parts(node) if hasattr(part, "data"))
        chosen = self.value(condition, scope)
        if isinstance(chosen, Unknown):
            return chosen
        return self.value(yes if to_bool(chosen) else no, scope)

    def _binary(self, node: Any, scope: Scope) -> Any:
        left_part, term = (part for part in parts(node) if hasattr(part, "data"))
        sign = word(term.children[0]).strip()
        sign = sign.split()[-1]
        left = self.value(left_part, scope)
        right = self.value(list(parts(term))[-1], scope)
        for side in (left, right):
            # `false && x` is false whatever x is.
            if sign in _DECIDES and side is _DECIDES[sign]:
                return side
        self._weigh([left, right])
        unknown = unknown_inside([left, right])
        if unknown is not None:
            return unknown
        if sign in ("==", "!=") and type_name(left) != type_name(right):
            return sign == "!="
        return _BINARY[sign](left, right)

    def _unary(self, node: Any, scope: Scope) -> Any:
        value = self.value(node.children[-1], scope)
        if isinstance(value, Unknown):
            return value
        return not to_bool(value) if str(node.children[0]) == "!" else -to_number(value)

    def _for(self, node: Any, scope: Scope) -> Any:
        intro, *results = (part for part in parts(node) if hasattr(part, "data"))
        if _has(node.children, "..."):
            return Unknown("a for expression that groups is not evaluated here")
        condition = list(parts(results.pop()))[-1] if results[-1].data == "for_cond" else None
        *names, over = (part for part in parts(intro) if hasattr(part, "data"))
        source = self.value(over, scope)
        if isinstance(source, Unknown):
            return source
        made: Any = Mapping() if node.data == "for_object_expr" else Sequence()
        for key, item, place in entries(source):
            given = (key, item)[-len(names) :]
            inside = scope.binding(**dict(zip(map(word, names), given, strict=True)))
            values = self._turn(condition, results, inside)
            if isinstance(values, Unknown):
                return values
            if values:
                _collect(made, values, place)
        return made

    def _turn(self, condition: Expression, results: list[Expression], scope: Scope) -> list[Any] | Unknown:
        """What one turn of a `for` gives: key and value, or the value alone; nothing if the condition is false."""
        wanted = True if condition is None else self.value(condition, scope)
        if isinstance(wanted, Unknown):
            return wanted
        if not to_bool(wanted):
            return []
        values = [self.value(result, scope) for result in results]
        first = values[0]
        return first if len(values) > 1 and isinstance(first, Unknown) else values

    def _json(self, expression: Json, scope: Scope) -> Any:
        value = expression.value
        if isinstance(value, str):
            try:
                found = templates.split(value) if "${" in value or "%{" in value else []
            except HclSyntaxError as problem:
                return Unknown(str(problem), failed=True)
            if len(found) == 1 and found[0].expression is not None:
                return self.value(found[0].expression, scope)
            made = self.template(value, scope, 1)
            return str(made) if isinstance(made, str) else made
        if isinstance(value, Mapping | Sequence):
            return self._json_collection(value, scope)
        return value

    def _json_collection(self, value: Mapping | Sequence, scope: Scope) -> Any:
        if isinstance(value, Sequence):
            items = Sequence()
            for _, item, place in entries(value):
                items.add(self.value(Json(item), scope), place)
            return items
        made = Mapping()
        for key, item, place in entries(value):
            made.put(key, self.value(Json(item), scope), place)
        return made


class _NoNames:
    """What the template of `templatefile` knows beside its variables: nothing but functions."""

    def __init__(self, names: Names) -> None:
        self._names = names

    def reference(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """Nothing."""
        del root, steps
        return None

    def place_of_name(self, root: str, name: str) -> Location | None:
        """Nowhere."""
        del root, name
        return None

    def file(self, path: str) -> Text:
        """What the module may read."""
        return self._names.file(path)


def _has(listed: Iterable[Any], sign: str) -> bool:
    return any(str(part) == sign for part in listed if not hasattr(part, "data"))


def _collect(made: Any, values: list[Any], place: Location | None) -> None:
    if isinstance(made, Sequence):
        made.add(values[0], place)
    else:
        made.put(to_text(values[0]), values[1], place)


def _chain(node: Any) -> tuple[Any, list[Any]]:
    """The root of `a.b[0].c`, and its steps: names, numbers and expressions."""
    steps: list[Any] = []
    while getattr(node, "data", "") in ("get_attr_expr_term", "index_expr_term"):
        steps.append(_step(node.children[1]))
        node = unwrapped(node.children[0])
    return node, steps[::-1]


def _step(node: Any) -> Any:
    if node.data == "get_attr":
        return word(node.children[1])
    if node.data == "short_index":
        return int(node.children[1])
    return next(part for part in parts(node) if hasattr(part, "data"))


def _stepped(value: Any, steps: list[str | int]) -> Any:
    for step in steps:
        if isinstance(value, Unknown):
            return value
        if isinstance(value, list) and isinstance(step, int | str) and str(step).isdecimal() and int(step) < len(value):
            value = value[int(step)]
        elif isinstance(value, dict) and str(step) in value:
            value = value[str(step)]
        else:
            return Unknown(f"{type_name(value)} has no {str(step)[:80]!r}", failed=True)
    return value


def _divided(left: float, right: float) -> float:
    exact = left / right
    return int(exact) if exact.is_integer() else exact


def _bounded(value: Any) -> Any:
    if isinstance(value, str | dict | list) and len(value) > MAXIMUM_TEXT:
        raise CostError("a value is too large")
    return value


def _said(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
