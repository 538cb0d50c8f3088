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
    get_qualified_name,
    walk,
)
from kubekeep.engine.cel.values import (
    EMPTY_OPTIONAL,
    BudgetError,
    CelError,
    OptionalValue,
    PartialMap,
    TypeValue,
    UnavailableError,
    are_equal,
    count_values,
    create_overload_error,
    type_name,
)


class Activation:
    """State of one evaluation: the values of names and the remaining cost budget."""

    __slots__ = ("lenient_or", "names", "remaining_budget")

    def __init__(self, names: dict[str, Any], budget: int, *, lenient_or: bool = False) -> None:
        """lenient_or: return `x` from `x.or(y)` and `x.orValue(y)` if it is not an optional value.

        cel-go does so before 0.29, that is, Kubernetes before 1.37. Since then it is an error.
        """
        self.names = names
        self.remaining_budget = budget
        self.lenient_or = lenient_or

    def charge(self, cost: int) -> None:
        """Subtract `cost` from the budget. Raises BudgetError if it is exhausted."""
        self.remaining_budget -= cost
        if self.remaining_budget < 0:
            raise BudgetError("operation cancelled: actual cost limit exceeded")


Code: TypeAlias = Callable[[Activation], Any]


class LazyVariables:
    """Named values that are computed on first use: `variables` of a policy."""

    def get(self, field: str) -> Any:
        """Return the value of `field`. Raises CelError if it has none."""
        raise NotImplementedError


def compile_node(node: CelNode, checked: CheckedExpression, functions: FunctionRegistry) -> Code:
    """Compile `node` and return its code."""
    return _Compiler(checked, functions).compile(node)


class _Compiler:
    def __init__(self, checked: CheckedExpression, functions: FunctionRegistry) -> None:
        self._checked = checked
        self._functions = functions

    def compile(self, node: CelNode) -> Code:  # noqa: PLR0911 - one case a kind of node
        match node:
            case LiteralNode(value=value):
                return lambda _: value
            case IdentifierNode(name=name):
                return self._compile_name(name)
            case SelectNode():
                return self._compile_selection(node)
            case CallNode():
                return self._compile_call(node)
            case ListNode():
                return self._compile_list(node)
            case MapNode():
                return self._compile_map(node)
            case MacroNode():
                return self._compile_macro(node)

    def _compile_name(self, name: str) -> Code:
        type_value = TypeValue(name) if name in TYPE_NAMES else None

        def read(run: Activation) -> Any:
            value = run.names.get(name, type_value)
            if isinstance(value, UnavailableError):
                raise value
            return value

        return read

    def _compile_selection(self, node: SelectNode) -> Code:
        name = get_qualified_name(node)
        if name in TYPE_NAMES:
            return lambda _: TypeValue(str(name))
        operand, field = self.compile(node.operand), node.field
        if node.is_presence_test:
            return lambda run: _has_field(operand(run), field)
        if node.is_optional:
            return lambda run: _get_optional_field(operand(run), field)
        return lambda run: _get_field(operand(run), field)

    def _compile_call(self, node: CallNode) -> Code:
        name = self._checked.global_names.get(id(node), node.function)
        arguments = node.arguments[1:] if id(node) in self._checked.global_names else node.arguments
        codes = [self.compile(argument) for argument in arguments]
        special = _SPECIAL.get(name)
        if special is not None:
            return special(codes)
        member = node.is_method and name == node.function
        return _compile_dispatch(name, codes, self._functions, member=member)

    def _compile_list(self, node: ListNode) -> Code:
        codes = [(self.compile(element), index in node.optional_indexes) for index, element in enumerate(node.elements)]
        if not node.optional_indexes:
            plain = [code for code, _ in codes]
            return lambda run: [code(run) for code in plain]
        return lambda run: [
            value for code, optional in codes for value in _iterate_optional(code(run), optional=optional)
        ]

    def _compile_map(self, node: MapNode) -> Code:
        parts = [(self.compile(key), self.compile(value), optional) for key, value, optional in node.entries]

        def build(run: Activation) -> dict[Any, Any]:
            entries: dict[Any, Any] = {}
            for key, code, optional in parts:
                name = key(run)
                if not isinstance(name, str | int | float):
                    raise CelError("unsupported key type")
                for value in _iterate_optional(code(run), optional=optional):
                    entries[name] = value
            return entries

        return build

    def _compile_macro(self, node: MacroNode) -> Code:
        source, body = self.compile(node.source), self.compile(node.body)
        condition = None if node.condition is None else self.compile(node.condition)
        if node.kind in ("optMap", "optFlatMap"):
            return _compile_optional_map(source, node.names[0], body, wrap=node.kind == "optMap")
        loop = _Loop(source, node.names, condition, sum(1 for _ in walk(node.body)))
        return _MACROS[node.kind](loop, body)


def _get_field(value: Any, field: str) -> Any:
    if isinstance(value, dict):
        try:
            return value[field]
        except KeyError:
            raise _create_key_error(value, field) from None
    if isinstance(value, OptionalValue):
        return _get_optional_field(value.value, field) if value.is_present else EMPTY_OPTIONAL
    if isinstance(value, LazyVariables):
        return value.get(field)
    if isinstance(value, UnavailableError):
        raise value
    raise create_overload_error()


def _create_key_error(value: dict[str, Any], field: Any) -> CelError:
    if isinstance(value, PartialMap) and value.is_hidden(field):
        return UnavailableError(f"{value.description}.{field} is not known")
    return CelError(f"no such key: {field}")


def _has_field(value: Any, field: str) -> bool:
    if isinstance(value, OptionalValue):
        return value.is_present and _has_field(value.value, field)
    if isinstance(value, LazyVariables):
        value.get(field)
        return True
    if not isinstance(value, dict):
        raise create_overload_error()
    if isinstance(value, PartialMap) and value.is_hidden(field):
        raise _create_key_error(value, field)
    return field in value


def _get_optional_field(value: Any, field: str) -> Any:
    if isinstance(value, OptionalValue):
        return _get_optional_field(value.value, field) if value.is_present else EMPTY_OPTIONAL
    if isinstance(value, dict) and (field in value or (isinstance(value, PartialMap) and value.is_hidden(field))):
        return OptionalValue(is_present=True, value=_get_field(value, field))
    if isinstance(value, list):
        raise CelError("unsupported index type 'string' in list")
    return EMPTY_OPTIONAL


def _get_element(value: Any, key: Any) -> Any:
    if isinstance(value, OptionalValue):
        return _get_optional_element(value.value, key) if value.is_present else EMPTY_OPTIONAL
    if isinstance(value, dict):
        if isinstance(key, str | int | float) and key in value:
            return value[key]
        raise _create_key_error(value, key)
    if not isinstance(value, list):
        raise create_overload_error()
    if isinstance(key, bool) or not isinstance(key, int | float) or key != int(key):
        raise CelError(f"unsupported index type '{type_name(key)}' in list")
    if not 0 <= key < len(value):
        raise CelError(f"index out of bounds: {int(key)}")
    return value[int(key)]


def _get_optional_element(value: Any, key: Any) -> Any:
    try:
        element = _get_element(value, key)
    except UnavailableError:
        raise
    except CelError:
        return EMPTY_OPTIONAL
    return element if isinstance(value, OptionalValue) else OptionalValue(is_present=True, value=element)


def _compile_index(codes: list[Code], find: Callable[[Any, Any], Any]) -> Code:
    operand, key = codes

    def index(run: Activation) -> Any:
        value = operand(run)
        # An empty optional has no elements: the key is not evaluated.
        return EMPTY_OPTIONAL if isinstance(value, OptionalValue) and not value.is_present else find(value, key(run))

    return index


def _iterate_optional(value: Any, *, optional: bool) -> Iterator[Any]:
    """Yield the value; with `optional`, the content of a present optional value."""
    if not optional:
        yield value
    elif not isinstance(value, OptionalValue):
        raise create_overload_error()
    elif value.is_present:
        yield value.value


def _insert(entries: dict[Any, Any], key: Any, value: Any) -> None:
    if key in entries:
        raise CelError(f"insert failed: key {key} already exists")
    entries[key] = value


def _compile_dispatch(name: str, codes: list[Code], functions: FunctionRegistry, *, member: bool) -> Code:
    overloads = [overload for overload in functions.list_overloads(name) if overload.is_method == member]
    implementations: dict[tuple[type, ...], Implementation | None] = {}

    def call(run: Activation) -> Any:
        values = [code(run) for code in codes]
        classes = tuple(map(type, values))
        try:
            implementation = implementations[classes]
        except KeyError:
            implementation = next((overload.call for overload in overloads if overload.accepts(classes)), None)
            implementations[classes] = implementation
        if implementation is None:
            raise create_overload_error(name.strip("_"))
        for value in values:
            if isinstance(value, str | list | bytes):
                run.charge(len(value) // 16)
        return implementation(*values)

    return call


def _compile_and(codes: list[Code]) -> Code:
    return _compile_logical(codes, decisive=False)


def _compile_logical(codes: list[Code], *, decisive: bool) -> Code:
    """Compile a logical operator: it evaluates `codes` until one returns `decisive`.

    Errors are raised only if no operand returns `decisive`.
    """

    def decide(run: Activation) -> bool:
        problem: CelError | None = None
        for code in codes:
            try:
                value = code(run)
            except CelError as error:
                problem = problem or error
                continue
            if not isinstance(value, bool):
                problem = problem or create_overload_error()
            elif value is decisive:
                return value
        if problem is not None:
            raise problem
        return not decisive

    return decide


def _compile_conditional(codes: list[Code]) -> Code:
    condition, then, otherwise = codes

    def choose(run: Activation) -> Any:
        value = condition(run)
        if value is True:
            return then(run)
        if value is False:
            return otherwise(run)
        raise create_overload_error()

    return choose


def _compile_equality(codes: list[Code], *, expected: bool) -> Code:
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


def _compile_membership(codes: list[Code]) -> Code:
    key_code, container = codes

    def contained(run: Activation) -> bool:
        key, elements = key_code(run), container(run)
        if isinstance(elements, dict):
            if isinstance(elements, PartialMap) and elements.is_hidden(key):
                raise _create_key_error(elements, key)
            return isinstance(key, str | int | float) and key in elements
        if not isinstance(elements, list):
            raise create_overload_error()
        run.charge(len(elements))
        return any(are_equal(key, one) for one in elements)

    return contained


def _compile_alternative(codes: list[Code], unwrap: Callable[[OptionalValue], Any]) -> Code:
    """Compile `or` or `orValue`: `unwrap` returns the result for a present value."""
    optional, alternative = codes

    def choose(run: Activation) -> Any:
        value = optional(run)
        if not isinstance(value, OptionalValue):
            if run.lenient_or:
                return value
            raise create_overload_error()
        # The alternative of a present value is not evaluated: it may have no value.
        return unwrap(value) if value.is_present else alternative(run)

    return choose


_SPECIAL: Final[Mapping[str, Callable[[list[Code]], Code]]] = {
    "_&&_": _compile_and,
    "_||_": lambda codes: _compile_logical(codes, decisive=True),
    "_?_:_": _compile_conditional,
    "_==_": lambda codes: _compile_equality(codes, expected=True),
    "_!=_": lambda codes: _compile_equality(codes, expected=False),
    "@in": _compile_membership,
    "_[_]": lambda codes: _compile_index(codes, _get_element),
    "_[?_]": lambda codes: _compile_index(codes, _get_optional_element),
    "or": lambda codes: _compile_alternative(codes, lambda optional: optional),
    "orValue": lambda codes: _compile_alternative(codes, lambda optional: optional.value),
}


class _Loop:
    """The source of a macro, its bound names and its condition."""

    def __init__(self, source: Code, names: tuple[str, ...], condition: Code | None, cost: int) -> None:
        self._source = source
        self._names = names
        self._condition = condition
        self._cost = cost

    def iterate(self, run: Activation, expected: Any = dict | list) -> Iterator[tuple[Any, Any]]:
        """Bind the names to each element in turn and yield its key and value; a single name gets the keys of a map."""
        source = self._source(run)
        if not isinstance(source, expected):
            raise CelError(f"got '{type_name(source)}', expected iterable type")
        has_single_name = len(self._names) == 1
        shadowed = {name: run.names[name] for name in self._names if name in run.names}
        try:
            for key, value in list(source.items()) if isinstance(source, dict) else enumerate(source):
                run.charge(self._cost)
                if has_single_name:
                    run.names[self._names[0]] = key if isinstance(source, dict) else value
                else:
                    run.names[self._names[0]], run.names[self._names[1]] = key, value
                if self._condition is None or _require_bool(self._condition(run)):
                    yield key, key if has_single_name and isinstance(source, dict) else value
        finally:
            for name in self._names:
                run.names.pop(name, None)
            run.names.update(shadowed)


def _require_bool(value: Any) -> bool:
    if not isinstance(value, bool):
        raise create_overload_error()
    return value


def _compile_quantifier(loop: _Loop, body: Code, *, decisive: bool) -> Code:
    def decide(run: Activation) -> bool:
        problem: CelError | None = None
        for _ in loop.iterate(run):
            try:
                if _require_bool(body(run)) is decisive:
                    return decisive
            except CelError as error:
                problem = problem or error
        if problem is not None:
            raise problem
        return not decisive

    return decide


def _compile_mapping(loop: _Loop, body: Code) -> Code:
    return lambda run: [body(run) for _ in loop.iterate(run)]


def _compile_transformation(loop: _Loop, body: Code) -> Code:
    return lambda run: {key: body(run) for key, _ in loop.iterate(run)}


def _compile_entries(loop: _Loop, body: Code) -> Code:
    def build(run: Activation) -> dict[Any, Any]:
        entries: dict[Any, Any] = {}
        for _ in loop.iterate(run):
            new_entries = body(run)
            if not isinstance(new_entries, dict):
                raise create_overload_error()
            for key, value in new_entries.items():
                _insert(entries, key, value)
        return entries

    return build


def _compile_sort(loop: _Loop, body: Code) -> Code:
    def order(run: Activation) -> list[Any]:
        pairs = [(value, body(run)) for _, value in loop.iterate(run, list)]
        run.charge(len(pairs))
        return sort_by_keys([value for value, _ in pairs], [key for _, key in pairs])

    return order


_MACROS: Final[Mapping[str, Callable[[_Loop, Code], Code]]] = {
    "all": lambda loop, body: _compile_quantifier(loop, body, decisive=False),
    "exists": lambda loop, body: _compile_quantifier(loop, body, decisive=True),
    "exists_one": lambda loop, body: lambda run: sum(_require_bool(body(run)) for _ in loop.iterate(run)) == 1,
    "filter": lambda loop, body: lambda run: [value for _, value in loop.iterate(run) if _require_bool(body(run))],
    "map": _compile_mapping,
    "transformList": _compile_mapping,
    "transformMap": _compile_transformation,
    "transformMapEntry": _compile_entries,
    "sortBy": _compile_sort,
}


def _compile_optional_map(source: Code, name: str, body: Code, *, wrap: bool) -> Code:
    def apply(run: Activation) -> Any:
        optional = source(run)
        if not isinstance(optional, OptionalValue):
            raise create_overload_error()
        if not optional.is_present:
            return EMPTY_OPTIONAL
        outer_names = run.names
        run.names = {**outer_names, name: optional.value}
        try:
            value = body(run)
        finally:
            run.names = outer_names
        return OptionalValue(is_present=True, value=value) if wrap else value

    return apply
