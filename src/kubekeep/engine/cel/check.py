"""Type checker of expressions, with the rules that the API server applies to stored policies.

Never evaluates an expression on resources.

Rules:

1. Each part of a valid expression has a type. The first error ends the check; its position is a character offset. Only
   the head of a namespaced function (`sets` of `sets.contains`) is a name without a value and has no type.
2. Variables come before types and namespaced functions: with a variable `sets`, `sets.contains(x)` is a method of it.
3. Object types have known fields, and an unknown field is an error. On a value of type `dyn` any field is allowed.
4. All overloads that accept the arguments count. If their results differ, the result is `dyn`.
5. Each use of a function has type parameters of its own. What an overload that is not accepted has bound is discarded.
6. `&&`, `||`, conditions and bodies of `filter`, `all` and `exists` must be assignable to `bool`.
7. The variable of a macro exists in its body and condition only, and hides an outer one.
8. Literals of lists and maps have elements of one type, except below arguments of `format`. This follows the API
   server: CEL itself would infer `dyn`.
9. Constants are evaluated: a wrong regular expression, conversion, index or format is an error before anything runs.

Example, with `object` of a type that has only the field `names: list(string)`:

    object.names.filter(n, n != 'a').size() > 0
        object.names       list(string)
        n                  string, in the body only
        n != 'a'           bool: `A != A` with A = string
        filter(...)        list(string)
        size()             int
        the expression     bool
    object.names.exists(n, n == 1)
        25: found no matching overload for '_==_' applied to '(string, int)'
    object.name
        7: undefined field 'name'
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.strings import check_format, compile_pattern
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
    list_children,
)
from kubekeep.engine.cel.types import (
    BOOL,
    DYN,
    INT,
    PARAMETER,
    CelType,
    Substitution,
    are_assignable,
    format_type,
    instantiate,
    is_assignable,
    resolve,
    select_more_general,
)
from kubekeep.engine.cel.values import CelError, create_overload_error, type_name

TYPE_NAMES: Final = {
    "bool": ("bool",),
    "bytes": ("bytes",),
    "double": ("double",),
    "int": ("int",),
    "list": ("list", DYN),
    "map": ("map", DYN, DYN),
    "null_type": ("null_type",),
    "string": ("string",),
    "type": ("type", DYN),
    "uint": ("uint",),
    "optional_type": ("optional_type", DYN),
    "google.protobuf.Timestamp": ("google.protobuf.Timestamp",),
    "google.protobuf.Duration": ("google.protobuf.Duration",),
}
_OPTIONAL: Final = "optional_type"
_CONVERSIONS: Final = frozenset({"int", "uint", "double", "string", "bool", "bytes", "timestamp", "duration"})
_SORTED: Final = frozenset(
    {
        "int",
        "uint",
        "double",
        "bool",
        "string",
        "bytes",
        PARAMETER,
        *(f"google.protobuf.{name}" for name in ("Timestamp", "Duration")),
    }
)
_SEARCHES: Final = frozenset({"matches", "find", "findAll"})
_A: Final[CelType] = (PARAMETER, "A")
_B: Final[CelType] = (PARAMETER, "B")


class CheckError(ValueError):
    """The expression is not valid; `at` is the character offset of the error."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class CheckedExpression:
    """Result of the checker: the type of each node, and the calls of namespaced functions (`sets.contains`), by node id."""

    def __init__(self) -> None:
        self.types: dict[int, CelType] = {}
        self.global_names: dict[int, str] = {}
        self.substitution: Substitution = {}

    def get_type(self, node: CelNode) -> CelType:
        """Return the type of a checked node."""
        return resolve(self.types[id(node)], self.substitution, final=True)


ObjectTypes = Mapping[str, Mapping[str, CelType]]
"""Fields of each object type, by the name of the type."""


def check(
    node: CelNode, variables: Mapping[str, CelType], objects: ObjectTypes, functions: FunctionRegistry
) -> CheckedExpression:
    """Check `node` and return the types of its parts. Raises CheckError."""
    checker = _Checker(variables, objects, functions)
    checker.check(node)
    checker.check_literals(node, exempt=False)
    return checker.result


class _Checker:
    def __init__(self, variables: Mapping[str, CelType], objects: ObjectTypes, functions: FunctionRegistry) -> None:
        self.result = CheckedExpression()
        self._variables = dict(variables)
        self._objects = objects
        self._functions = functions
        self._count = 0

    def check(self, node: CelNode) -> CelType:
        cel_type = self._infer_type(node)
        self.result.types[id(node)] = cel_type
        return cel_type

    def _infer_type(self, node: CelNode) -> CelType:  # noqa: PLR0911 - one case a kind of node
        match node:
            case LiteralNode(value=value):
                return (type_name(value),)
            case IdentifierNode(name=name):
                return self._resolve_name(name, node.at)
            case SelectNode():
                return self._check_selection(node)
            case CallNode():
                return self._check_call(node)
            case ListNode():
                return (
                    "list",
                    self._join_types(
                        [
                            self._check_element(element, index in node.optional_indexes)
                            for index, element in enumerate(node.elements)
                        ]
                    ),
                )
            case MapNode():
                keys = [self.check(key) for key, _, _ in node.entries]
                values = [self._check_element(value, optional) for _, value, optional in node.entries]
                return ("map", self._join_types(keys), self._join_types(values))
            case MacroNode():
                return _MacroChecker(self).get_type(node)

    def _resolve_name(self, name: str, at: int) -> CelType:
        if name in self._variables:
            return self._variables[name]
        if name in TYPE_NAMES:
            return ("type", TYPE_NAMES[name])
        raise CheckError(f"undeclared reference to '{name}' (in container '')", at)

    def _check_element(self, node: CelNode, optional: bool) -> CelType:  # noqa: FBT001 - one of two kinds
        cel_type = self.resolve_type(self.check(node))
        if not optional or cel_type == DYN:
            return cel_type
        if cel_type[0] != _OPTIONAL:
            raise CheckError(f"expected type 'optional_type' but found '{format_type(cel_type)}'", node.at)
        return tuple(cel_type[1])

    def resolve_type(self, cel_type: CelType) -> CelType:
        return resolve(cel_type, self.result.substitution)

    def create_parameter(self) -> CelType:
        self._count += 1
        return (PARAMETER, f"A{self._count}")

    def _join_types(self, types: Sequence[CelType]) -> CelType:
        if not types:
            return self.create_parameter()
        common = types[0]
        for other in types[1:]:
            common = select_more_general(common, other) if self.assign(common, other) else DYN
        return common

    def assign(self, actual: CelType, expected: CelType) -> bool:
        # A copy: a failed attempt may have bound some parameters already.
        substitution = dict(self.result.substitution)
        if not is_assignable(actual, expected, substitution):
            return False
        self.result.substitution = substitution
        return True

    def expect(self, node: CelNode, expected: CelType) -> None:
        actual = self.check(node)
        if not self.assign(actual, expected):
            raise CheckError(
                f"expected type '{format_type(expected)}' but found '{format_type(self.resolve_type(actual))}'", node.at
            )

    def bind(self, names: Mapping[str, CelType], visit: Callable[[], CelType]) -> CelType:
        """Return the result of `visit` with the variables in `names` added or replaced."""
        outer_variables = self._variables
        self._variables = {**outer_variables, **names}
        try:
            return visit()
        finally:
            self._variables = outer_variables

    def _check_selection(self, node: SelectNode) -> CelType:
        name = get_qualified_name(node)
        if (
            name is not None
            and (name in self._variables or name in TYPE_NAMES)
            and name.partition(".")[0] not in self._variables
        ):
            return self._resolve_name(name, node.at)
        operand = self.resolve_type(self.check(node.operand))
        optional = operand[0] == _OPTIONAL
        field_type = self._find_field_type(operand[1] if optional else operand, node)
        if node.is_presence_test:
            return BOOL
        return (_OPTIONAL, field_type) if optional or node.is_optional else field_type

    def _find_field_type(self, operand: CelType, node: SelectNode) -> CelType:
        if operand == DYN or operand[0] == PARAMETER:
            return DYN
        if operand[0] == "map":
            return tuple(operand[2])
        fields = self._objects.get(operand[0])
        if fields is None:
            raise CheckError(f"type '{format_type(operand)}' does not support field selection", node.at)
        if node.field not in fields:
            raise CheckError(f"undefined field '{node.field}'", node.at)
        return fields[node.field]

    def _check_call(self, node: CallNode) -> CelType:
        arguments = list(node.arguments)
        name, member = node.function, node.is_method
        if member:
            head = get_qualified_name(arguments[0])
            full = f"{head}.{name}"
            if head is not None and full in self._functions and head.partition(".")[0] not in self._variables:
                self.result.global_names[id(node)] = full
                name, member, arguments = full, False, arguments[1:]
        types = [self.check(argument) for argument in arguments]
        if name in ("_&&_", "_||_"):
            # Not an overload: the error is at the operand, as in the API server.
            for argument, argument_type in zip(arguments, types, strict=True):
                if not self.assign(argument_type, BOOL):
                    shown = ", ".join(format_type(self.resolve_type(each)) for each in types)
                    raise CheckError(f"found no matching overload for '{name}' applied to '({shown})'", argument.at)
            return BOOL
        return self._resolve_overloads(node, name, types, member=member)

    def _resolve_overloads(self, node: CallNode, name: str, types: list[CelType], *, member: bool) -> CelType:
        overloads = (_SPECIAL_METHODS if member else _SPECIAL).get(name) or [
            (overload.parameters, overload.result)
            for overload in self._functions.list_overloads(name)
            if overload.is_method == member
        ]
        if not overloads and name not in self._functions:
            raise CheckError(f"undeclared reference to '{name}' (in container '')", node.at)
        result: CelType | None = None
        for parameters, returned in overloads:
            self._count += 1
            number = self._count
            substitution = dict(self.result.substitution)
            if not are_assignable(tuple(types), tuple(instantiate(part, number) for part in parameters), substitution):
                continue
            self.result.substitution = substitution
            result_type = self.resolve_type(instantiate(returned, number))
            result = result_type if result in (None, result_type) else DYN
        if result is None:
            shown = [format_type(self.resolve_type(argument_type)) for argument_type in types]
            applied = f"{shown[0]}.({', '.join(shown[1:])})" if member else f"({', '.join(shown)})"
            raise CheckError(f"found no matching overload for '{name}' applied to '{applied}'", node.at)
        return result

    def check_literals(self, node: CelNode, *, exempt: bool) -> None:
        """Raise CheckError for mixed literals and invalid constants, as the API server does."""
        # After inference: an element may get its type from a later part of the expression.
        pending: list[tuple[CelNode, bool]] = [(node, exempt)]
        while pending:
            current, is_exempt = pending.pop()
            match current:
                case ListNode() | MapNode() if not is_exempt:
                    self._check_homogeneous(current)
                case CallNode():
                    self._check_constants(current)
                    is_exempt = is_exempt or current.function == "format"
            pending.extend((child, is_exempt) for child in list_children(current))

    def _check_homogeneous(self, node: ListNode | MapNode) -> None:
        columns: list[list[tuple[CelNode, bool]]]
        if isinstance(node, ListNode):
            columns = [[(element, index in node.optional_indexes) for index, element in enumerate(node.elements)]]
        else:
            columns = [
                [(key, False) for key, _, _ in node.entries],
                [(value, is_optional) for _, value, is_optional in node.entries],
            ]
        for column in columns:
            kinds = [self.result.get_type(element) for element, _ in column]
            kinds = [
                kind[1] if is_optional and kind[0] == _OPTIONAL else kind
                for kind, (_, is_optional) in zip(kinds, column, strict=True)
            ]
            for kind, (element, _) in zip(kinds, column, strict=True):
                if kind != kinds[0]:
                    raise CheckError(
                        f"expected type '{format_type(kinds[0])}' but found '{format_type(kind)}'", element.at
                    )

    def _check_constants(self, node: CallNode) -> None:
        try:
            values = [value for argument in node.arguments for value in self._evaluate_constant(argument)]
            if node.function in _SEARCHES and len(node.arguments) > 1 and isinstance(node.arguments[1], LiteralNode):
                compile_pattern(str(node.arguments[1].value))
            elif node.function == "_[_]":
                self._check_index(node.arguments[1])
            elif node.function in _CONVERSIONS and len(values) == len(node.arguments) == 1:
                self._convert(node.function, values[0])
            elif node.function == "format" and values and isinstance(node.arguments[-1], ListNode):
                check_format(str(values[0]), [self.result.get_type(element) for element in node.arguments[-1].elements])
        except CelError as error:
            raise CheckError(str(error), node.at) from None

    def _check_index(self, node: CelNode) -> None:
        for value in self._evaluate_constant(node):
            if not isinstance(value, str | int | float):
                raise CelError(f"invalid qualifier type: {type_name(value)}")

    def _evaluate_constant(self, node: CelNode) -> list[Any]:
        """Return [value] of a literal or of a conversion of one; [] for an expression that is not constant."""
        match node:
            case LiteralNode(value=value):
                return [value]
            case ListNode(elements=elements, optional_indexes=optional_indexes) if not optional_indexes:
                constants = self._evaluate_constants(elements)
                return [constants] if len(constants) == len(elements) else []
            case MapNode(entries=entries):
                parts = [part for key, entry_value, _ in entries for part in (key, entry_value)]
                return [{}] if len(self._evaluate_constants(parts)) == len(parts) else []
            case _:
                return self._evaluate_conversion(node)

    def _evaluate_constants(self, nodes: Sequence[CelNode]) -> list[Any]:
        return [value for node in nodes for value in self._evaluate_constant(node)]

    def _evaluate_conversion(self, node: CelNode) -> list[Any]:
        if not isinstance(node, CallNode) or node.function not in (*_CONVERSIONS, "dyn") or len(node.arguments) != 1:
            return []
        return [
            converted
            for value in self._evaluate_constant(node.arguments[0])
            for converted in self._convert(node.function, value)
        ]

    def _convert(self, name: str, value: Any) -> list[Any]:
        overloads = [overload for overload in self._functions.list_overloads(name) if overload.accepts((type(value),))]
        if not overloads:
            raise create_overload_error(name)
        return [overloads[0].call(value)]


def _list_signatures(*signatures: tuple[tuple[CelType, ...], CelType]) -> list[tuple[tuple[CelType, ...], CelType]]:
    return list(signatures)


_LIST: Final[CelType] = ("list", _A)
_MAP: Final[CelType] = ("map", _A, _B)
_SPECIAL: Final = {
    "_==_": _list_signatures(((_A, _A), BOOL)),
    "_!=_": _list_signatures(((_A, _A), BOOL)),
    "_?_:_": _list_signatures(((BOOL, _A, _A), _A)),
    "@in": _list_signatures(((_A, _LIST), BOOL), ((_A, _MAP), BOOL)),
    "_[_]": _list_signatures(
        ((_LIST, INT), _A),
        ((_MAP, _A), _B),
        (((_OPTIONAL, _LIST), INT), (_OPTIONAL, _A)),
        (((_OPTIONAL, _MAP), _A), (_OPTIONAL, _B)),
    ),
    "_[?_]": _list_signatures(
        ((_LIST, INT), (_OPTIONAL, _A)),
        (((_OPTIONAL, _LIST), INT), (_OPTIONAL, _A)),
        ((_MAP, _A), (_OPTIONAL, _B)),
        (((_OPTIONAL, _MAP), _A), (_OPTIONAL, _B)),
    ),
}
_SPECIAL_METHODS: Final = {
    "or": _list_signatures((((_OPTIONAL, _A), (_OPTIONAL, _A)), (_OPTIONAL, _A))),
    "orValue": _list_signatures((((_OPTIONAL, _A), _A), _A)),
}


class _MacroChecker:
    """Type rules of macros."""

    def __init__(self, checker: _Checker) -> None:
        self._checker = checker

    def get_type(self, node: MacroNode) -> CelType:
        source = self._checker.resolve_type(self._checker.check(node.source))
        if node.kind in ("optMap", "optFlatMap"):
            return self._check_optional(node, source)
        names, keys = self._infer_names(node, source)
        bound = dict(zip(node.names, names, strict=True))
        return self._checker.bind(bound, lambda: self._check_result(node, names, keys))

    def _infer_names(self, node: MacroNode, source: CelType) -> tuple[list[CelType], CelType]:
        """Return the types of the bound names and the key type of a result that is a map."""
        match source[0]:
            case "list":
                keys, values = INT, source[1]
            case "map":
                keys, values = source[1], source[2]
            case "dyn" | "?":
                return [DYN] * len(node.names), DYN
            case _:
                problem = f"expression of type '{format_type(source)}' cannot be range of a comprehension"
                raise CheckError(f"{problem} (must be list, map, or dynamic)", node.source.at)
        if len(node.names) == 2:
            return [keys, values], keys
        return [keys if source[0] == "map" else values], keys

    def _check_result(self, node: MacroNode, names: list[CelType], keys: CelType) -> CelType:
        if node.condition is not None:
            self._checker.expect(node.condition, BOOL)
        match node.kind:
            case "all" | "exists" | "exists_one":
                self._checker.expect(node.body, BOOL)
                return BOOL
            case "filter":
                self._checker.expect(node.body, BOOL)
                return ("list", names[0])
            case "sortBy":
                key = self._checker.resolve_type(self._checker.check(node.body))
                if key != DYN and key[0] not in _SORTED:
                    raise CheckError(f"found no matching overload for 'sortBy' by '{format_type(key)}'", node.at)
                return DYN if DYN == keys == key else ("list", names[0])
            case "transformMap":
                return ("map", keys, self._checker.check(node.body))
            case "transformMapEntry":
                entry_type: CelType = ("map", self._checker.create_parameter(), self._checker.create_parameter())
                self._checker.expect(node.body, entry_type)
                return entry_type
            case _:
                return ("list", self._checker.check(node.body))

    def _check_optional(self, node: MacroNode, source: CelType) -> CelType:
        if source != DYN and source[0] != _OPTIONAL:
            problem = f"found no matching overload for 'hasValue' applied to '{format_type(source)}.()'"
            raise CheckError(problem, node.at)
        inner = DYN if source == DYN else source[1]
        body_type = self._checker.bind({node.names[0]: inner}, lambda: self._checker.check(node.body))
        if node.kind == "optMap":
            return (_OPTIONAL, body_type)
        optional_type: CelType = (_OPTIONAL, self._checker.create_parameter())
        if not self._checker.assign(body_type, optional_type):
            raise CheckError(f"expected type 'optional_type' but found '{format_type(body_type)}'", node.body.at)
        return self._checker.resolve_type(optional_type)
