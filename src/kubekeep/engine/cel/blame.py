"""Which places of an object made an expression false, as far as its tree makes that certain. Never guesses.

A comparison of one place blames that place, `all` the elements that fail, a conjunction its false parts. What reads
several places at once, or none, blames nothing: the object as a whole is then the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from kubekeep.engine.cel.compile import Code, Run
from kubekeep.engine.cel.program import CALL_BUDGET, Program, started
from kubekeep.engine.cel.tree import Call, Fold, Ident, Literal, Node, Select, children
from kubekeep.engine.cel.values import BudgetError, CelError, Optional

Path: TypeAlias = tuple[str | int, ...]

_MAXIMUM_PLACES: Final = 100
_TRANSPARENT: Final = frozenset({"orValue", "value", "dyn", "optional.of"})
"""Functions whose result stands where their first argument stands."""


def places(program: Program, names: Mapping[str, Any], definitions: Mapping[str, Program]) -> tuple[Path, ...]:
    """The paths into `object` that made `program` false; none if that is not certain.

    `definitions` are the programs of `variables`.
    """
    found = _Blame(program, names, definitions).of(program.node, {"object": ()})
    return tuple(dict.fromkeys(found))[:_MAXIMUM_PLACES]


class _Blame:
    def __init__(self, program: Program, names: Mapping[str, Any], definitions: Mapping[str, Program]) -> None:
        self._program = program
        self._names = dict(names)
        self._given = frozenset(names)
        self._definitions = definitions
        self._codes: dict[int, Code] = {}
        self._left = CALL_BUDGET

    def _value(self, node: Node) -> Any:
        """What `node` computes now; None if it cannot be computed."""
        code = self._codes.get(id(node))
        if code is None:
            code = self._codes[id(node)] = self._program.part(node)
        run = Run(dict(self._names), self._left)
        try:
            return started(code, run)
        except (CelError, BudgetError):
            return None
        finally:
            self._left = max(run.left, 0)

    def of(self, node: Node, known: Mapping[str, Path]) -> list[Path]:
        """The places that made `node` false, which it is; `known` are the paths of names."""
        match node:
            case Call(function="_&&_" | "_||_", arguments=arguments):
                guilty = [part for part in arguments if self._value(part) is False]
                return self._of_all(guilty, known)
            case Call(function="_?_:_", arguments=(condition, then, otherwise)):
                return self.of(then if self._value(condition) else otherwise, known)
            case Call(function="!_", arguments=(inner,)):
                return self._of_negation(inner, known)
            case Fold(kind="all"):
                return self._of_elements(node, known, wanted=False)
            case Select() if not node.test and (definition := self._definition(node)) is not None:
                return self._within(definition, known)
            case _:
                return self._read(node, known)

    def _of_all(self, guilty: list[Node], known: Mapping[str, Path]) -> list[Path]:
        return [path for part in guilty for path in self.of(part, known)]

    def _of_negation(self, inner: Node, known: Mapping[str, Path]) -> list[Path]:
        """The places that made `inner` true."""
        match inner:
            case Call(function="_&&_", arguments=arguments):
                return [path for part in arguments for path in self._of_negation(part, known)]
            case Call(function="_||_", arguments=arguments):
                return [path for part in self._true(arguments) for path in self._of_negation(part, known)]
            case Call(function="!_", arguments=(other,)):
                return self.of(other, known)
            case Fold(kind="exists"):
                return self._of_elements(inner, known, wanted=True)
            case Select():
                return self._of_selected(inner, known)
            case _:
                return self._read(inner, known)

    def _true(self, parts: Sequence[Node]) -> list[Node]:
        return [part for part in parts if self._value(part) is True]

    def _of_selected(self, inner: Select, known: Mapping[str, Path]) -> list[Path]:
        definition = None if inner.test else self._definition(inner)
        if definition is None or self._path(inner, known) is not None:
            return self._read(inner, known)
        inside = _Blame(definition, self._names, self._definitions)
        return inside._of_negation(definition.node, {"object": known["object"]})

    def _within(self, definition: Program, known: Mapping[str, Path]) -> list[Path]:
        return _Blame(definition, self._names, self._definitions).of(definition.node, {"object": known["object"]})

    def _of_elements(self, node: Fold, known: Mapping[str, Path], *, wanted: bool) -> list[Path]:
        """The elements whose body is `wanted`, or what inside them made it so; the list if none can be told."""
        found: list[Path] = []
        for path, names in self._elements(node, known):
            before = self._names
            self._names = {**before, **names}
            if self._value(node.body) is wanted:
                inner = {**known, **({node.names[-1]: path} if path is not None else {})}
                guilty = self._of_negation(node.body, inner) if wanted else self.of(node.body, inner)
                found += guilty or ([path] if path is not None else [])
            self._names = before
        if found:
            return found
        path = self._path(node.source, known)
        return [] if path is None else [path]

    def _elements(self, node: Fold, known: Mapping[str, Path]) -> Iterator[tuple[Path | None, dict[str, Any]]]:
        """The path of each element, if it has one, with what the names of the macro stand for."""
        two = len(node.names) == 2
        source = self._value(node.source)
        if isinstance(source, dict):
            base = self._path(node.source, known)
            for key, value in source.items():
                names = {node.names[0]: key, node.names[1]: value} if two else {node.names[0]: key}
                yield None if base is None else (*base, str(key)), names
            return
        for place, (path, value) in enumerate(self._items(node.source, known)):
            yield path, {node.names[0]: place, node.names[1]: value} if two else {node.names[0]: value}

    def _items(  # noqa: PLR0911 - one case a kind of list
        self, node: Node, known: Mapping[str, Path]
    ) -> list[tuple[Path | None, Any]]:
        """The elements of a list with the path of each: of a place, or of places that were joined or filtered."""
        path = self._path(node, known)
        if path is not None:
            return self._placed(node, path)
        match node:
            case Call(function="_+_", arguments=(left, right)):
                return [*self._items(left, known), *self._items(right, known)]
            case Call(function="_?_:_", arguments=(condition, then, otherwise)):
                return self._items(then if self._value(condition) else otherwise, known)
            case Call(function="orValue", arguments=(left, right)):
                present = self._value(left)
                return self._items(left if isinstance(present, Optional) and present.present else right, known)
            case Fold(kind="filter" | "map"):
                return self._chosen(node, known)
            case Select() if (definition := self._definition(node)) is not None:
                inside = _Blame(definition, self._names, self._definitions)
                return inside._items(definition.node, {"object": known["object"]})
        return self._placed(node, None)

    def _placed(self, node: Node, path: Path | None) -> list[tuple[Path | None, Any]]:
        """The elements of a list that stands at `path`, or nowhere."""
        value = self._value(node)
        if isinstance(value, Optional):
            value = value.value
        if not isinstance(value, list):
            return []
        return [(None if path is None else (*path, place), item) for place, item in enumerate(value)]

    def _chosen(self, node: Fold, known: Mapping[str, Path]) -> list[tuple[Path | None, Any]]:
        """The elements that a filter keeps, or the parts of elements that a map takes out of them."""
        test = node.body if node.kind == "filter" else node.condition
        kept: list[tuple[Path | None, Any]] = []
        for path, value in self._items(node.source, known):
            before = self._names
            self._names = {**before, node.names[0]: value}
            if test is None or self._value(test) is True:
                inner = known if path is None else {**known, node.names[0]: path}
                kept.append((path, value) if node.kind == "filter" else self._taken(node.body, inner))
            self._names = before
        return kept

    def _taken(self, body: Node, known: Mapping[str, Path]) -> tuple[Path | None, Any]:
        return self._path(body, known), self._value(body)

    def _read(self, node: Node, known: Mapping[str, Path]) -> list[Path]:
        """The one place that `node` reads; nothing if it reads several or none."""
        found = dict.fromkeys(self._reads(node, known))
        return list(found) if len(found) == 1 and None not in found else []

    def _reads(self, node: Node, known: Mapping[str, Path]) -> Iterator[Any]:
        path = self._path(node, known)
        if path is not None:
            yield path
            return
        if isinstance(node, Fold):
            # What its body reads lies inside what it goes through, or cannot be told.
            yield self._path(node.source, known)
            return
        if isinstance(node, Select) and (definition := self._definition(node)) is not None:
            inside = _Blame(definition, self._names, self._definitions)
            yield from inside._reads(definition.node, {"object": known["object"]})
            return
        if isinstance(node, Ident) and node.name in self._names and node.name not in self._given:
            # Bound by a macro to a value that stands nowhere in the object.
            yield None
            return
        for child in children(node):
            yield from self._reads(child, known)

    def _path(self, node: Node, known: Mapping[str, Path]) -> Path | None:
        """Where the value of `node` stands in the object."""
        match node:
            case Ident(name=name):
                return known.get(name)
            case Select(operand=operand, field=field):
                if (definition := self._definition(node)) is not None:
                    inside = _Blame(definition, self._names, self._definitions)
                    return inside._path(definition.node, {"object": known["object"]})
                base = self._path(operand, known)
                return None if base is None else (*base, field)
            case Call(function="_[_]" | "_[?_]", arguments=(operand, index)):
                base = self._path(operand, known)
                key = index.value if isinstance(index, Literal) else self._value(index)
                return (*base, key) if base is not None and type(key) in (str, int) else None
            case Call(function=function, arguments=arguments) if function in _TRANSPARENT and arguments:
                return self._path(arguments[0], known)
            case _:
                return None

    def _definition(self, node: Select) -> Program | None:
        if isinstance(node.operand, Ident) and node.operand.name == "variables":
            return self._definitions.get(node.field)
        return None
