"""Compiler from a checked tree to nested Python functions, one for each node. Does not check types ahead of a run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from kubekeep.engine.cel.check import TYPE_NAMES, CheckedExpression
from kubekeep.engine.cel.functions import FunctionRegistry, Implementation
from kubekeep.engine.cel.sequences import sort_by_keys
from kubekeep.engine.cel.tree import (
    CallNode,
    CelNode,
    IdentifierNode,
    ListNode,
    LiteralNode,
    MacroNode,
    MapNode,
    SelectNode,
    qualified_name,
    walk,
)
from kubekeep.engine.cel.values import (
    NONE,
    BudgetError,
    CelError,
    OptionalValue,
    PartialMap,
    TypeValue,
    UnavailableError,
    are_equal,
    count_values,
    no_overload,
    type_name,
)


class Activation:
    """State of one evaluation: the values of names and the remaining cost budget."""

    __slots__ = ("left", "names")

    def __init__(self, names: dict[str, Any], budget: int) -> None:
        self.names = names
        self.left = budget

    def charge(self, cost: int) -> None:
        """Subtract `cost` from the budget. Raises BudgetError if it is exhausted."""
        self.left -= cost
        if self.left < 0:
            raise BudgetError("operation cancelled: actual cost limit exceeded")


Code: TypeAlias = Callable[[Activation], Any]


class LazyVariables:
    """Named values that are computed on first use: `variables` of a policy."""

    def get(self, field: str) -> Any:
        """Return the value of `field`. Raises CelError if it has none."""
        raise NotImplementedError


def compile_node(node: CelNode, checked: CheckedExpression, functions: FunctionRegistry) -> Code:
    """Compile `node` and return its code."""
    return _Compiler(checked, functions).code(node)


class _Compiler:
    def __init__(self, checked: CheckedExpression, functions: FunctionRegistry) -> None:
        self._checked = checked
        self._functions = functions

    def code(self, node: CelNode) -> Code:  # noqa: PLR0911 - one case a kind of node
        match node:
            case LiteralNode(value=value):
                return lambda _: value
            case IdentifierNode(name=name):
                return self._name(name)
            case SelectNode():
                return self._select(node)
            case CallNode():
                return self._call(node)
            case ListNode():
                return self._list(node)
            case MapNode():
                return self._map(node)
            case MacroNode():
                return self._fold(node)

    def _name(self, name: str) -> Code:
        known = TypeValue(name) if name in TYPE_NAMES else None

        def read(run: Activation) -> Any:
            value = run.names.get(name, known)
            if isinstance(value, UnavailableError):
                raise value
            return value

        return read

    def _select(self, node: SelectNode) -> Code:
        name = qualified_name(node)
        if name in TYPE_NAMES:
            return lambda _: TypeValue(str(name))
        operand, field = self.code(node.operand), node.field
        if node.test:
            return lambda run: _has(operand(run), field)
        if node.optional:
            return lambda run: _optional_field(operand(run), field)
        return lambda run: _field(operand(run), field)

    def _call(self, node: CallNode) -> Code:
        name = self._checked.global_names.get(id(node), node.function)
        arguments = node.arguments[1:] if id(node) in self._checked.global_names else node.arguments
        codes = [self.code(argument) for argument in arguments]
        special = _SPECIAL.get(name)
        if special is not None:
            return special(codes)
        member = node.member and name == node.function
        return _dispatched(name, codes, self._functions, member=member)

    def _list(self, node: ListNode) -> Code:
        codes = [(self.code(element), index in node.optional) for index, element in enumerate(node.items)]
        if not node.optional:
            plain = [code for code, _ in codes]
            return lambda run: [code(run) for code in plain]
        return lambda run: [value for code, optional in codes for value in _maybe(code(run), optional=optional)]

    def _map(self, node: MapNode) -> Code:
        parts = [(self.code(key), self.code(value), optional) for key, value, optional in node.entries]

        def build(run: Activation) -> dict[Any, Any]:
            entries: dict[Any, Any] = {}
            for key, code, optional in parts:
                name = key(run)
                if not isinstance(name, str | int | float):
                    raise CelError("unsupported key type")
                for value in _maybe(code(run), optional=optional):
                    entries[name] = value
            return entries

        return build

    def _fold(self, node: MacroNode) -> Code:
        source, body = self.code(node.source), self.code(node.body)
        condition = None if node.condition is None else self.code(node.condition)
        if node.kind in ("optMap", "optFlatMap"):
            return _optional_map(source, node.names[0], body, wrap=node.kind == "optMap")
        loop = _Loop(source, node.names, condition, sum(1 for _ in walk(node.body)))
        return _FOLDS[node.kind](loop, body)


def _field(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        try:
            return value[field]
        except KeyError:
            raise _missing(value, field) from None
    if isinstance(value, OptionalValue):
        return _optional_field(value.value, field) if value.present else NONE
    if isinstance(value, LazyVariables):
        return value.get(field)
    if isinstance(value, UnavailableError):
        raise value
    raise no_overload()


def _missing(value: dict[str, Any], field: Any) -> CelError:
    if isinstance(value, PartialMap) and value.is_hidden(field):
        return UnavailableError(f"{value.about}.{field} is not known")
    return CelError(f"no such key: {field}")


def _has(value: Any, field: str) -> bool:
    if isinstance(value, OptionalValue):
        return value.present and _has(value.value, field)
    if isinstance(value, LazyVariables):
        value.get(field)
        return True
    if not isinstance(value, dict):
        raise no_overload()
    if isinstance(value, PartialMap) and value.is_hidden(field):
        raise _missing(value, field)
    return field in value


def _optional_field(value: Any, field: str) -> Any:
    if isinstance(value, OptionalValue):
        return _optional_field(value.value, field) if value.present else NONE
    if isinstance(value, dict) and (field in value or (isinstance(value, PartialMap) and value.is_hidden(field))):
        return OptionalValue(present=True, value=_field(value, field))
    if isinstance(value, list):
        raise CelError("unsupported index type 'string' in list")
    return NONE


def _index(value: Any, key: Any) -> Any:
    if isinstance(value, OptionalValue):
        return _optional_index(value.value, key) if value.present else NONE
    if isinstance(value, dict):
        if isinstance(key, str | int | float) and key in value:
            return value[key]
        raise _missing(value, key)
    if not isinstance(value, list):
        raise no_overload()
    if isinstance(key, bool) or not isinstance(key, int | float) or key != int(key):
        raise CelError(f"unsupported index type '{type_name(key)}' in list")
    if not 0 <= key < len(value):
        raise CelError(f"index out of bounds: {int(key)}")
    return value[int(key)]


def _optional_index(value: Any, key: Any) -> Any:
    try:
        element = _index(value, key)
    except UnavailableError:
        raise
    except CelError:
        return NONE
    return element if isinstance(value, OptionalValue) else OptionalValue(present=True, value=element)


def _indexing(codes: list[Code], find: Callable[[Any, Any], Any]) -> Code:
    operand, key = codes

    def index(run: Activation) -> Any:
        value = operand(run)
        # An empty optional has no elements: the key is not evaluated.
        return NONE if isinstance(value, OptionalValue) and not value.present else find(value, key(run))

    return index


def _maybe(value: Any, *, optional: bool) -> Iterator[Any]:
    """Yield the value; with `optional`, the content of a present optional value."""
    if not optional:
        yield value
    elif not isinstance(value, OptionalValue):
        raise no_overload()
    elif value.present:
        yield value.value


def _insert(entries: dict[Any, Any], key: Any, value: Any) -> None:
    if key in entries:
        raise CelError(f"insert failed: key {key} already exists")
    entries[key] = value


def _dispatched(name: str, codes: list[Code], functions: FunctionRegistry, *, member: bool) -> Code:
    overloads = [overload for overload in functions.list_overloads(name) if overload.member == member]
    known: dict[tuple[type, ...], Implementation | None] = {}

    def call(run: Activation) -> Any:
        values = [code(run) for code in codes]
        classes = tuple(map(type, values))
        try:
            implementation = known[classes]
        except KeyError:
            implementation = next((overload.call for overload in overloads if overload.accepts(classes)), None)
            known[classes] = implementation
        if implementation is None:
            raise no_overload(name.strip("_"))
        for value in values:
            if isinstance(value, str | list | bytes):
                run.charge(len(value) // 16)
        return implementation(*values)

    return call


def _and(codes: list[Code]) -> Code:
    return _logical(codes, decisive=False)


def _logical(codes: list[Code], *, decisive: bool) -> Code:
    """Evaluate `codes` until one returns `decisive`; errors of others are raised only if none does."""

    def decide(run: Activation) -> bool:
        problem: CelError | None = None
        for code in codes:
            try:
                value = code(run)
            except CelError as error:
                problem = problem or error
                continue
            if not isinstance(value, bool):
                problem = problem or no_overload()
            elif value is decisive:
                return value
        if problem is not None:
            raise problem
        return not decisive

    return decide


def _choose(codes: list[Code]) -> Code:
    condition, then, otherwise = codes

    def choose(run: Activation) -> Any:
        value = condition(run)
        if value is True:
            return then(run)
        if value is False:
            return otherwise(run)
        raise no_overload()

    return choose


def _equality(codes: list[Code], *, expected: bool) -> Code:
    left, right = codes

    def compare(run: Activation) -> bool:
        one, other = left(run), right(run)
        if isinstance(one, list | dict):
            run.charge(count_values(one))
        try:
            return are_equal(one, other) is expected
        except CelError:
            # Values that cannot be compared count as unequal for `!=`; only `==` is an error.
            if expected:
                raise
            return True

    return compare


def _contained(codes: list[Code]) -> Code:
    key_code, container = codes

    def contained(run: Activation) -> bool:
        key, elements = key_code(run), container(run)
        if isinstance(elements, dict):
            if isinstance(elements, PartialMap) and elements.is_hidden(key):
                raise _missing(elements, key)
            return isinstance(key, str | int | float) and key in elements
        if not isinstance(elements, list):
            raise no_overload()
        run.charge(len(elements))
        return any(are_equal(key, one) for one in elements)

    return contained


_SPECIAL: Final[Mapping[str, Callable[[list[Code]], Code]]] = {
    "_&&_": _and,
    "_||_": lambda codes: _logical(codes, decisive=True),
    "_?_:_": _choose,
    "_==_": lambda codes: _equality(codes, expected=True),
    "_!=_": lambda codes: _equality(codes, expected=False),
    "@in": _contained,
    "_[_]": lambda codes: _indexing(codes, _index),
    "_[?_]": lambda codes: _indexing(codes, _optional_index),
}


class _Loop:
    """The source of a macro, its bound names and its condition."""

    def __init__(self, source: Code, names: tuple[str, ...], condition: Code | None, cost: int) -> None:
        self._source = source
        self._names = names
        self._condition = condition
        self._cost = cost

    def rounds(self, run: Activation, expected: Any = dict | list) -> Iterator[tuple[Any, Any]]:
        """Yield (key, value) of each element with the names bound to it; a single name gets the keys of a map."""
        source = self._source(run)
        if not isinstance(source, expected):
            raise CelError(f"got '{type_name(source)}', expected iterable type")
        single = len(self._names) == 1
        before = {name: run.names[name] for name in self._names if name in run.names}
        try:
            for key, value in list(source.items()) if isinstance(source, dict) else enumerate(source):
                run.charge(self._cost)
                if single:
                    run.names[self._names[0]] = key if isinstance(source, dict) else value
                else:
                    run.names[self._names[0]], run.names[self._names[1]] = key, value
                if self._condition is None or _true(self._condition(run)):
                    yield key, key if single and isinstance(source, dict) else value
        finally:
            for name in self._names:
                run.names.pop(name, None)
            run.names.update(before)


def _true(value: Any) -> bool:
    if not isinstance(value, bool):
        raise no_overload()
    return value


def _quantified(loop: _Loop, body: Code, *, decisive: bool) -> Code:
    def decide(run: Activation) -> bool:
        problem: CelError | None = None
        for _ in loop.rounds(run):
            try:
                if _true(body(run)) is decisive:
                    return decisive
            except CelError as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return not decisive

    return decide


def _mapped(loop: _Loop, body: Code) -> Code:
    return lambda run: [body(run) for _ in loop.rounds(run)]


def _transformed(loop: _Loop, body: Code) -> Code:
    return lambda run: {key: body(run) for key, _ in loop.rounds(run)}


def _entries(loop: _Loop, body: Code) -> Code:
    def build(run: Activation) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for _ in loop.rounds(run):
            made = body(run)
            if not isinstance(made, dict):
                raise no_overload()
            for key, value in made.items():
                _insert(entries, key, value)
        return entries

    return build


def _sorted(loop: _Loop, body: Code) -> Code:
    def order(run: Activation) -> list[Any]:
        pairs = [(value, body(run)) for _, value in loop.rounds(run, list)]
        run.charge(len(pairs))
        return sort_by_keys([value for value, _ in pairs], [key for _, key in pairs])

    return order


_FOLDS: Final[Mapping[str, Callable[[_Loop, Code], Code]]] = {
    "all": lambda loop, body: _quantified(loop, body, decisive=False),
    "exists": lambda loop, body: _quantified(loop, body, decisive=True),
    "exists_one": lambda loop, body: lambda run: sum(_true(body(run)) for _ in loop.rounds(run)) == 1,
    "filter": lambda loop, body: lambda run: [value for _, value in loop.rounds(run) if _true(body(run))],
    "map": _mapped,
    "transformList": _mapped,
    "transformMap": _transformed,
    "transformMapEntry": _entries,
    "sortBy": _sorted,
}


def _optional_map(source: Code, name: str, body: Code, *, wrap: bool) -> Code:
    def apply(run: Activation) -> Any:
        optional = source(run)
        if not isinstance(optional, OptionalValue):
            raise no_overload()
        if not optional.present:
            return NONE
        before = run.names
        run.names = {**before, name: optional.value}
        try:
            value = body(run)
        finally:
            run.names = before
        return OptionalValue(present=True, value=value) if wrap else value

    return apply
