"""Whether an expression means something, and the type of each part, as when the API server stores a policy.

Never evaluates on data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.printing import check_format
from kubekeep.engine.cel.text import pattern
from kubekeep.engine.cel.tree import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, children, dotted
from kubekeep.engine.cel.types import (
    BOOL,
    DYN,
    INT,
    UNKNOWN,
    Found,
    Type,
    fit_all,
    fits,
    fresh,
    most_general,
    resolve,
    show,
)
from kubekeep.engine.cel.values import CelError, no_overload, type_name

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
        UNKNOWN,
        *(f"google.protobuf.{name}" for name in ("Timestamp", "Duration")),
    }
)
_SEARCHES: Final = frozenset({"matches", "find", "findAll"})
_A: Final[Type] = (UNKNOWN, "A")
_B: Final[Type] = (UNKNOWN, "B")


class CheckError(ValueError):
    """An expression means nothing; `at` is where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Checked:
    """What the checker found out: the type of each node, which calls name a function of a namespace."""

    def __init__(self) -> None:
        self.types: dict[int, Type] = {}
        self.global_names: dict[int, str] = {}
        self.known: Found = {}

    def type_of(self, node: Node) -> Type:
        """The type of a node that was checked."""
        return resolve(self.types[id(node)], self.known, final=True)


Objects = Mapping[str, Mapping[str, Type]]
"""The fields of each type of object by the type's name."""


def check(node: Node, variables: Mapping[str, Type], objects: Objects, functions: Functions) -> Checked:
    """The types of `node`. Raises CheckError."""
    checker = _Checker(variables, objects, functions)
    checker.check(node)
    checker.settle(node, exempt=False)
    return checker.result


class _Checker:
    def __init__(self, variables: Mapping[str, Type], objects: Objects, functions: Functions) -> None:
        self.result = Checked()
        self._variables = dict(variables)
        self._objects = objects
        self._functions = functions
        self._count = 0

    def check(self, node: Node) -> Type:
        found = self._type(node)
        self.result.types[id(node)] = found
        return found

    def _type(self, node: Node) -> Type:  # noqa: PLR0911 - one case a kind of node
        match node:
            case Literal(value=value):
                return (type_name(value),)
            case Ident(name=name):
                return self._named(name, node.at)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListLiteral():
                return (
                    "list",
                    self._joined(
                        [self._element(item, place in node.optional) for place, item in enumerate(node.items)]
                    ),
                )
            case MapLiteral():
                keys = [self.check(key) for key, _, _ in node.entries]
                values = [self._element(value, optional) for _, value, optional in node.entries]
                return ("map", self._joined(keys), self._joined(values))
            case Fold():
                return _FoldChecker(self).type_of(node)

    def _named(self, name: str, at: int) -> Type:
        if name in self._variables:
            return self._variables[name]
        if name in TYPE_NAMES:
            return ("type", TYPE_NAMES[name])
        raise CheckError(f"undeclared reference to '{name}' (in container '')", at)

    def _element(self, node: Node, optional: bool) -> Type:  # noqa: FBT001 - one of two kinds
        found = self.resolved(self.check(node))
        if not optional or found == DYN:
            return found
        if found[0] != _OPTIONAL:
            raise CheckError(f"expected type 'optional_type' but found '{show(found)}'", node.at)
        return tuple(found[1])

    def resolved(self, found: Type) -> Type:
        return resolve(found, self.result.known)

    def new(self) -> Type:
        self._count += 1
        return (UNKNOWN, f"A{self._count}")

    def _joined(self, found: Sequence[Type]) -> Type:
        if not found:
            return self.new()
        joined = found[0]
        for other in found[1:]:
            joined = most_general(joined, other) if self.assignable(joined, other) else DYN
        return joined

    def assignable(self, given: Type, wanted: Type) -> bool:
        known = dict(self.result.known)
        if not fits(given, wanted, known):
            return False
        self.result.known = known
        return True

    def expect(self, node: Node, wanted: Type) -> None:
        found = self.check(node)
        if not self.assignable(found, wanted):
            raise CheckError(f"expected type '{show(wanted)}' but found '{show(self.resolved(found))}'", node.at)

    def bind(self, names: Mapping[str, Type], visit: Callable[[], Type]) -> Type:
        """What `visit` finds while `names` mean something else."""
        before = self._variables
        self._variables = {**before, **names}
        try:
            return visit()
        finally:
            self._variables = before

    def _select(self, node: Select) -> Type:
        name = dotted(node)
        if (
            name is not None
            and (name in self._variables or name in TYPE_NAMES)
            and name.partition(".")[0] not in self._variables
        ):
            return self._named(name, node.at)
        operand = self.resolved(self.check(node.operand))
        optional = operand[0] == _OPTIONAL
        found = self._field(operand[1] if optional else operand, node)
        if node.test:
            return BOOL
        return (_OPTIONAL, found) if optional or node.optional else found

    def _field(self, operand: Type, node: Select) -> Type:
        if operand == DYN or operand[0] == UNKNOWN:
            return DYN
        if operand[0] == "map":
            return tuple(operand[2])
        fields = self._objects.get(operand[0])
        if fields is None:
            raise CheckError(f"type '{show(operand)}' does not support field selection", node.at)
        if node.field not in fields:
            raise CheckError(f"undefined field '{node.field}'", node.at)
        return fields[node.field]

    def _call(self, node: Call) -> Type:
        arguments = list(node.arguments)
        name, member = node.function, node.member
        if member:
            head = dotted(arguments[0])
            full = f"{head}.{name}"
            if head is not None and full in self._functions and head.partition(".")[0] not in self._variables:
                self.result.global_names[id(node)] = full
                name, member, arguments = full, False, arguments[1:]
        types = [self.check(argument) for argument in arguments]
        if name in ("_&&_", "_||_"):
            for argument, found in zip(arguments, types, strict=True):
                if not self.assignable(found, BOOL):
                    shown = ", ".join(show(self.resolved(kind)) for kind in types)
                    raise CheckError(f"found no matching overload for '{name}' applied to '({shown})'", argument.at)
            return BOOL
        return self._overloaded(node, name, types, member=member)

    def _overloaded(self, node: Call, name: str, types: list[Type], *, member: bool) -> Type:
        overloads = _SPECIAL.get(name) or [
            (overload.parameters, overload.result)
            for overload in self._functions.named(name)
            if overload.member == member
        ]
        if not overloads and name not in self._functions:
            raise CheckError(f"undeclared reference to '{name}' (in container '')", node.at)
        result: Type | None = None
        for parameters, returned in overloads:
            self._count += 1
            number = self._count
            known = dict(self.result.known)
            if not fit_all(tuple(types), tuple(fresh(part, number) for part in parameters), known):
                continue
            self.result.known = known
            found = self.resolved(fresh(returned, number))
            result = found if result in (None, found) else DYN
        if result is None:
            shown = [show(self.resolved(found)) for found in types]
            given = f"{shown[0]}.({', '.join(shown[1:])})" if member else f"({', '.join(shown)})"
            raise CheckError(f"found no matching overload for '{name}' applied to '{given}'", node.at)
        return result

    def settle(self, node: Node, *, exempt: bool) -> None:
        """Refuse what the API server refuses though its types fit: mixed literals, constants that have no value."""
        waiting: list[tuple[Node, bool]] = [(node, exempt)]
        while waiting:
            found, free = waiting.pop()
            match found:
                case ListLiteral() | MapLiteral() if not free:
                    self._homogeneous(found)
                case Call():
                    self._constants(found)
                    free = free or found.function == "format"
            waiting.extend((child, free) for child in children(found))

    def _homogeneous(self, node: ListLiteral | MapLiteral) -> None:
        columns: list[list[tuple[Node, bool]]]
        if isinstance(node, ListLiteral):
            columns = [[(item, place in node.optional) for place, item in enumerate(node.items)]]
        else:
            columns = [[(key, False) for key, _, _ in node.entries], [(value, may) for _, value, may in node.entries]]
        for column in columns:
            kinds = [self.result.type_of(item) for item, _ in column]
            kinds = [
                kind[1] if may and kind[0] == _OPTIONAL else kind for kind, (_, may) in zip(kinds, column, strict=True)
            ]
            for kind, (item, _) in zip(kinds, column, strict=True):
                if kind != kinds[0]:
                    raise CheckError(f"expected type '{show(kinds[0])}' but found '{show(kind)}'", item.at)

    def _constants(self, node: Call) -> None:
        try:
            values = [value for argument in node.arguments for value in self._constant(argument)]
            if node.function in _SEARCHES and len(node.arguments) > 1 and isinstance(node.arguments[1], Literal):
                pattern(str(node.arguments[1].value))
            elif node.function == "_[_]":
                self._index(node.arguments[1])
            elif node.function in _CONVERSIONS and len(values) == len(node.arguments) == 1:
                self._convert(node.function, values[0])
            elif node.function == "format" and values and isinstance(node.arguments[-1], ListLiteral):
                check_format(str(values[0]), [self.result.type_of(item) for item in node.arguments[-1].items])
        except CelError as error:
            raise CheckError(str(error), node.at) from None

    def _index(self, node: Node) -> None:
        for value in self._constant(node):
            if not isinstance(value, str | int | float):
                raise CelError(f"invalid qualifier type: {type_name(value)}")

    def _constant(self, node: Node) -> list[Any]:
        """The value of a literal, or of a conversion of one; nothing for what is computed later."""
        match node:
            case Literal(value=value):
                return [value]
            case ListLiteral(items=items, optional=optional) if not optional:
                found = self._all_constant(items)
                return [found] if len(found) == len(items) else []
            case MapLiteral(entries=entries):
                parts = [part for key, item, _ in entries for part in (key, item)]
                return [{}] if len(self._all_constant(parts)) == len(parts) else []
            case _:
                return self._converted(node)

    def _all_constant(self, nodes: Sequence[Node]) -> list[Any]:
        return [value for node in nodes for value in self._constant(node)]

    def _converted(self, node: Node) -> list[Any]:
        if not isinstance(node, Call) or node.function not in (*_CONVERSIONS, "dyn") or len(node.arguments) != 1:
            return []
        return [found for value in self._constant(node.arguments[0]) for found in self._convert(node.function, value)]

    def _convert(self, name: str, value: Any) -> list[Any]:
        found = [overload for overload in self._functions.named(name) if overload.takes((type(value),))]
        if not found:
            raise no_overload(name)
        return [found[0].call(value)]


def _signatures(*found: tuple[tuple[Type, ...], Type]) -> list[tuple[tuple[Type, ...], Type]]:
    return list(found)


_LIST: Final[Type] = ("list", _A)
_MAP: Final[Type] = ("map", _A, _B)
_SPECIAL: Final = {
    "_==_": _signatures(((_A, _A), BOOL)),
    "_!=_": _signatures(((_A, _A), BOOL)),
    "_?_:_": _signatures(((BOOL, _A, _A), _A)),
    "@in": _signatures(((_A, _LIST), BOOL), ((_A, _MAP), BOOL)),
    "_[_]": _signatures(
        ((_LIST, INT), _A),
        ((_MAP, _A), _B),
        (((_OPTIONAL, _LIST), INT), (_OPTIONAL, _A)),
        (((_OPTIONAL, _MAP), _A), (_OPTIONAL, _B)),
    ),
    "_[?_]": _signatures(
        ((_LIST, INT), (_OPTIONAL, _A)),
        (((_OPTIONAL, _LIST), INT), (_OPTIONAL, _A)),
        ((_MAP, _A), (_OPTIONAL, _B)),
        (((_OPTIONAL, _MAP), _A), (_OPTIONAL, _B)),
    ),
}


class _FoldChecker:
    """The types of macros."""

    def __init__(self, checker: _Checker) -> None:
        self._checker = checker

    def type_of(self, node: Fold) -> Type:
        source = self._checker.resolved(self._checker.check(node.source))
        if node.kind in ("optMap", "optFlatMap"):
            return self._optional(node, source)
        names, keys = self._names(node, source)
        bound = dict(zip(node.names, names, strict=True))
        return self._checker.bind(bound, lambda: self._result(node, names, keys))

    def _names(self, node: Fold, source: Type) -> tuple[list[Type], Type]:
        """The types of the bound names, and that of the keys of a result that is a map."""
        match source[0]:
            case "list":
                keys, values = INT, source[1]
            case "map":
                keys, values = source[1], source[2]
            case "dyn" | "?":
                return [DYN] * len(node.names), DYN
            case _:
                problem = f"expression of type '{show(source)}' cannot be range of a comprehension"
                raise CheckError(f"{problem} (must be list, map, or dynamic)", node.source.at)
        if len(node.names) == 2:
            return [keys, values], keys
        return [keys if source[0] == "map" else values], keys

    def _result(self, node: Fold, names: list[Type], keys: Type) -> Type:
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
                key = self._checker.resolved(self._checker.check(node.body))
                if key != DYN and key[0] not in _SORTED:
                    raise CheckError(f"found no matching overload for 'sortBy' by '{show(key)}'", node.at)
                return DYN if DYN == keys == key else ("list", names[0])
            case "transformMap":
                return ("map", keys, self._checker.check(node.body))
            case "transformMapEntry":
                wanted: Type = ("map", self._checker.new(), self._checker.new())
                self._checker.expect(node.body, wanted)
                return wanted
            case _:
                return ("list", self._checker.check(node.body))

    def _optional(self, node: Fold, source: Type) -> Type:
        if source != DYN and source[0] != _OPTIONAL:
            problem = f"found no matching overload for 'hasValue' applied to '{show(source)}.()'"
            raise CheckError(problem, node.at)
        inner = DYN if source == DYN else source[1]
        found = self._checker.bind({node.names[0]: inner}, lambda: self._checker.check(node.body))
        if node.kind == "optMap":
            return (_OPTIONAL, found)
        wanted: Type = (_OPTIONAL, self._checker.new())
        if not self._checker.assignable(found, wanted):
            raise CheckError(f"expected type 'optional_type' but found '{show(found)}'", node.body.at)
        return self._checker.resolved(wanted)
