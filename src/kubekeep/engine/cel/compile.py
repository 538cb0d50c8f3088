"""A checked tree to nested Python functions, each of which computes one node. Never checks types before it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeAlias

from kubekeep.engine.cel.check import TYPE_NAMES, Checked
from kubekeep.engine.cel.functions import Functions, Implementation
from kubekeep.engine.cel.sequences import sorted_by
from kubekeep.engine.cel.tree import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select, dotted, walk
from kubekeep.engine.cel.values import (
    NONE,
    BudgetError,
    CelError,
    CelType,
    Optional,
    Partial,
    UnavailableError,
    equal,
    no_overload,
    type_name,
    weight,
)


class Run:
    """One evaluation: what names stand for, and what it may still cost."""

    __slots__ = ("left", "names")

    def __init__(self, names: dict[str, Any], budget: int) -> None:
        self.names = names
        self.left = budget

    def pay(self, cost: int) -> None:
        """Take `cost` off the budget. Raises BudgetError when there is none left."""
        self.left -= cost
        if self.left < 0:
            raise BudgetError("operation cancelled: actual cost limit exceeded")


Code: TypeAlias = Callable[[Run], Any]


class Lazy:
    """Named values that are computed when they are asked for, once: `variables`."""

    def get(self, field: str) -> Any:
        """The value of `field`. Raises CelError if it has none."""
        raise NotImplementedError


def compiled(node: Node, checked: Checked, functions: Functions) -> Code:
    """The code of `node`."""
    return _Compiler(checked, functions).code(node)


class _Compiler:
    def __init__(self, checked: Checked, functions: Functions) -> None:
        self._checked = checked
        self._functions = functions

    def code(self, node: Node) -> Code:  # noqa: PLR0911 - one case a kind of node
        match node:
            case Literal(value=value):
                return lambda _: value
            case Ident(name=name):
                return self._name(name)
            case Select():
                return self._select(node)
            case Call():
                return self._call(node)
            case ListLiteral():
                return self._list(node)
            case MapLiteral():
                return self._map(node)
            case Fold():
                return self._fold(node)

    def _name(self, name: str) -> Code:
        known = CelType(name) if name in TYPE_NAMES else None

        def read(run: Run) -> Any:
            value = run.names.get(name, known)
            if isinstance(value, UnavailableError):
                raise value
            return value

        return read

    def _select(self, node: Select) -> Code:
        name = dotted(node)
        if name in TYPE_NAMES:
            return lambda _: CelType(str(name))
        operand, field = self.code(node.operand), node.field
        if node.test:
            return lambda run: _has(operand(run), field)
        if node.optional:
            return lambda run: _optional_field(operand(run), field)
        return lambda run: _field(operand(run), field)

    def _call(self, node: Call) -> Code:
        name = self._checked.global_names.get(id(node), node.function)
        arguments = node.arguments[1:] if id(node) in self._checked.global_names else node.arguments
        codes = [self.code(argument) for argument in arguments]
        special = _SPECIAL.get(name)
        if special is not None:
            return special(codes)
        member = node.member and name == node.function
        return _dispatched(name, codes, self._functions, member=member)

    def _list(self, node: ListLiteral) -> Code:
        codes = [(self.code(item), place in node.optional) for place, item in enumerate(node.items)]
        if not node.optional:
            plain = [code for code, _ in codes]
            return lambda run: [code(run) for code in plain]
        return lambda run: [value for code, optional in codes for value in _maybe(code(run), optional=optional)]

    def _map(self, node: MapLiteral) -> Code:
        entries = [(self.code(key), self.code(value), optional) for key, value, optional in node.entries]

        def build(run: Run) -> dict[Any, Any]:
            found: dict[Any, Any] = {}
            for key, code, optional in entries:
                name = key(run)
                if not isinstance(name, str | int | float):
                    raise CelError("unsupported key type")
                for value in _maybe(code(run), optional=optional):
                    found[name] = value
            return found

        return build

    def _fold(self, node: Fold) -> Code:
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
    if isinstance(value, Optional):
        return _optional_field(value.value, field) if value.present else NONE
    if isinstance(value, Lazy):
        return value.get(field)
    if isinstance(value, UnavailableError):
        raise value
    raise no_overload()


def _missing(value: dict[str, Any], field: Any) -> CelError:
    if isinstance(value, Partial) and value.hides(field):
        return UnavailableError(f"{value.about}.{field} is not known")
    return CelError(f"no such key: {field}")


def _has(value: Any, field: str) -> bool:
    if isinstance(value, Optional):
        return value.present and _has(value.value, field)
    if isinstance(value, Lazy):
        value.get(field)
        return True
    if not isinstance(value, dict):
        raise no_overload()
    if isinstance(value, Partial) and value.hides(field):
        raise _missing(value, field)
    return field in value


def _optional_field(value: Any, field: str) -> Any:
    if isinstance(value, Optional):
        return _optional_field(value.value, field) if value.present else NONE
    if isinstance(value, dict) and (field in value or (isinstance(value, Partial) and value.hides(field))):
        return Optional(present=True, value=_field(value, field))
    if isinstance(value, list):
        raise CelError("unsupported index type 'string' in list")
    return NONE


def _index(value: Any, key: Any) -> Any:
    if isinstance(value, Optional):
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
        found = _index(value, key)
    except UnavailableError:
        raise
    except CelError:
        return NONE
    return found if isinstance(value, Optional) else Optional(present=True, value=found)


def _indexing(codes: list[Code], find: Callable[[Any, Any], Any]) -> Code:
    operand, key = codes

    def index(run: Run) -> Any:
        value = operand(run)
        # Of nothing, no element is asked for.
        return NONE if isinstance(value, Optional) and not value.present else find(value, key(run))

    return index


def _maybe(value: Any, *, optional: bool) -> Iterator[Any]:
    """The value; with `optional`, what is in it."""
    if not optional:
        yield value
    elif not isinstance(value, Optional):
        raise no_overload()
    elif value.present:
        yield value.value


def _insert(found: dict[Any, Any], key: Any, value: Any) -> None:
    if key in found:
        raise CelError(f"insert failed: key {key} already exists")
    found[key] = value


def _dispatched(name: str, codes: list[Code], functions: Functions, *, member: bool) -> Code:
    overloads = [overload for overload in functions.named(name) if overload.member == member]
    known: dict[tuple[type, ...], Implementation | None] = {}

    def call(run: Run) -> Any:
        values = [code(run) for code in codes]
        classes = tuple(map(type, values))
        try:
            implementation = known[classes]
        except KeyError:
            found = next((overload.call for overload in overloads if overload.takes(classes)), None)
            implementation = known[classes] = found
        if implementation is None:
            raise no_overload(name.strip("_"))
        for value in values:
            if isinstance(value, str | list | bytes):
                run.pay(len(value) // 16)
        return implementation(*values)

    return call


def _and(codes: list[Code]) -> Code:
    return _logical(codes, decisive=False)


def _logical(codes: list[Code], *, decisive: bool) -> Code:
    """All of `codes` until one is `decisive`, whatever others could not be computed."""

    def decide(run: Run) -> bool:
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

    def choose(run: Run) -> Any:
        value = condition(run)
        if value is True:
            return then(run)
        if value is False:
            return otherwise(run)
        raise no_overload()

    return choose


def _equality(codes: list[Code], *, wanted: bool) -> Code:
    left, right = codes

    def compare(run: Run) -> bool:
        one, other = left(run), right(run)
        if isinstance(one, list | dict):
            run.pay(weight(one))
        try:
            return equal(one, other) is wanted
        except CelError:
            # What cannot be compared is not equal, and only asking for that is no error.
            if wanted:
                raise
            return True

    return compare


def _contained(codes: list[Code]) -> Code:
    item, container = codes

    def contained(run: Run) -> bool:
        wanted, found = item(run), container(run)
        if isinstance(found, dict):
            if isinstance(found, Partial) and found.hides(wanted):
                raise _missing(found, wanted)
            return isinstance(wanted, str | int | float) and wanted in found
        if not isinstance(found, list):
            raise no_overload()
        run.pay(len(found))
        return any(equal(wanted, one) for one in found)

    return contained


_SPECIAL: Final[Mapping[str, Callable[[list[Code]], Code]]] = {
    "_&&_": _and,
    "_||_": lambda codes: _logical(codes, decisive=True),
    "_?_:_": _choose,
    "_==_": lambda codes: _equality(codes, wanted=True),
    "_!=_": lambda codes: _equality(codes, wanted=False),
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

    def rounds(self, run: Run, wanted: Any = dict | list) -> Iterator[tuple[Any, Any]]:
        """(key, value) of each element, while the names stand for it; the one name is the key of a map."""
        source = self._source(run)
        if not isinstance(source, wanted):
            raise CelError(f"got '{type_name(source)}', expected iterable type")
        single = len(self._names) == 1
        before = {name: run.names[name] for name in self._names if name in run.names}
        try:
            for key, value in list(source.items()) if isinstance(source, dict) else enumerate(source):
                run.pay(self._cost)
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
    def decide(run: Run) -> bool:
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
    def build(run: Run) -> dict[Any, Any]:
        found: dict[Any, Any] = {}
        for _ in loop.rounds(run):
            made = body(run)
            if not isinstance(made, dict):
                raise no_overload()
            for key, value in made.items():
                _insert(found, key, value)
        return found

    return build


def _sorted(loop: _Loop, body: Code) -> Code:
    def order(run: Run) -> list[Any]:
        pairs = [(value, body(run)) for _, value in loop.rounds(run, list)]
        run.pay(len(pairs))
        return sorted_by([value for value, _ in pairs], [key for _, key in pairs])

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
    def apply(run: Run) -> Any:
        found = source(run)
        if not isinstance(found, Optional):
            raise no_overload()
        if not found.present:
            return NONE
        before = run.names
        run.names = {**before, name: found.value}
        try:
            value = body(run)
        finally:
            run.names = before
        return Optional(present=True, value=value) if wrap else value

    return apply
