"""Fields of an object that made an expression false, derived from its syntax tree. Never guesses.

A comparison that reads one field reports that field, `all` the failing elements, a conjunction its false operands. An
expression that reads several fields or none reports nothing: the evidence is then the object as a whole.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, TypeAlias

from kubekeep.engine.cel.compile import Activation, Code
from kubekeep.engine.cel.program import CALL_BUDGET, CelProgram, run_code
from kubekeep.engine.cel.tree import (
    CallNode,
    CelNode,
    IdentifierNode,
    LiteralNode,
    MacroNode,
    SelectNode,
    list_children,
)
from kubekeep.engine.cel.values import BudgetError, CelError, OptionalValue

Path: TypeAlias = tuple[str | int, ...]

_MAX_PATHS: Final = 100
_TRANSPARENT: Final = frozenset({"orValue", "value", "dyn", "optional.of"})
"""Functions whose result has the path of their first argument."""


def find_failing_paths(
    program: CelProgram, names: Mapping[str, Any], definitions: Mapping[str, CelProgram], *, lenient_or: bool
) -> tuple[Path, ...]:
    """Return the paths into `object` that made `program` false; () if they cannot be determined.

    `definitions` are the programs of `variables`; see `Activation` for `lenient_or`.
    """
    locator = _FailureLocator(program, names, definitions, lenient_or=lenient_or)
    paths = locator.explain_false(program.node, {"object": ()})
    return tuple(dict.fromkeys(paths))[:_MAX_PATHS]


class _FailureLocator:
    def __init__(
        self,
        program: CelProgram,
        names: Mapping[str, Any],
        definitions: Mapping[str, CelProgram],
        *,
        lenient_or: bool,
    ) -> None:
        self._program = program
        self._names = dict(names)
        self._initial_names = frozenset(names)
        self._definitions = definitions
        self._codes: dict[int, Code] = {}
        self._remaining_budget = CALL_BUDGET
        self._lenient_or = lenient_or

    def _evaluate(self, node: CelNode) -> Any:
        """Return the current value of `node`; None if it cannot be computed."""
        code = self._codes.get(id(node))
        if code is None:
            code = self._codes[id(node)] = self._program.compile_part(node)
        run = Activation(dict(self._names), self._remaining_budget, lenient_or=self._lenient_or)
        try:
            return run_code(code, run)
        except (CelError, BudgetError):
            return None
        finally:
            self._remaining_budget = max(run.remaining_budget, 0)

    def explain_false(self, node: CelNode, paths_by_name: Mapping[str, Path]) -> list[Path]:
        """Return the paths that made `node` false; `paths_by_name` maps names to their paths."""
        match node:
            case CallNode(function="_&&_" | "_||_", arguments=arguments):
                failing = [part for part in arguments if self._evaluate(part) is False]
                return self._explain_all(failing, paths_by_name)
            case CallNode(function="_?_:_", arguments=(condition, then, otherwise)):
                return self.explain_false(then if self._evaluate(condition) else otherwise, paths_by_name)
            case CallNode(function="!_", arguments=(inner,)):
                return self._explain_true(inner, paths_by_name)
            case MacroNode(kind="all"):
                return self._explain_elements(node, paths_by_name, outcome=False)
            case SelectNode() if not node.is_presence_test and (definition := self._get_definition(node)) is not None:
                return self._explain_definition(definition, paths_by_name)
            case _:
                return self._explain_read(node, paths_by_name)

    def _explain_all(self, failing: list[CelNode], paths_by_name: Mapping[str, Path]) -> list[Path]:
        return [path for part in failing for path in self.explain_false(part, paths_by_name)]

    def _explain_true(self, inner: CelNode, paths_by_name: Mapping[str, Path]) -> list[Path]:
        """Return the paths that made `inner` true."""
        match inner:
            case CallNode(function="_&&_", arguments=arguments):
                return [path for part in arguments for path in self._explain_true(part, paths_by_name)]
            case CallNode(function="_||_", arguments=arguments):
                return [path for part in self._list_true(arguments) for path in self._explain_true(part, paths_by_name)]
            case CallNode(function="!_", arguments=(other,)):
                return self.explain_false(other, paths_by_name)
            case MacroNode(kind="exists"):
                return self._explain_elements(inner, paths_by_name, outcome=True)
            case SelectNode():
                return self._explain_selection(inner, paths_by_name)
            case _:
                return self._explain_read(inner, paths_by_name)

    def _list_true(self, parts: Sequence[CelNode]) -> list[CelNode]:
        return [part for part in parts if self._evaluate(part) is True]

    def _explain_selection(self, inner: SelectNode, paths_by_name: Mapping[str, Path]) -> list[Path]:
        definition = None if inner.is_presence_test else self._get_definition(inner)
        if definition is None or self._find_path(inner, paths_by_name) is not None:
            return self._explain_read(inner, paths_by_name)
        locator = _FailureLocator(definition, self._names, self._definitions, lenient_or=self._lenient_or)
        return locator._explain_true(definition.node, {"object": paths_by_name["object"]})

    def _explain_definition(self, definition: CelProgram, paths_by_name: Mapping[str, Path]) -> list[Path]:
        return _FailureLocator(definition, self._names, self._definitions, lenient_or=self._lenient_or).explain_false(
            definition.node, {"object": paths_by_name["object"]}
        )

    def _explain_elements(self, node: MacroNode, paths_by_name: Mapping[str, Path], *, outcome: bool) -> list[Path]:
        """Return the paths that decide elements with the result `outcome`, else the paths of these elements or the list."""
        paths: list[Path] = []
        for path, names in self._iterate_elements(node, paths_by_name):
            outer_names = self._names
            self._names = {**outer_names, **names}
            if self._evaluate(node.body) is outcome:
                inner = {**paths_by_name, **({node.names[-1]: path} if path is not None else {})}
                failing = self._explain_true(node.body, inner) if outcome else self.explain_false(node.body, inner)
                paths += failing or ([path] if path is not None else [])
            self._names = outer_names
        if paths:
            return paths
        path = self._find_path(node.source, paths_by_name)
        return [] if path is None else [path]

    def _iterate_elements(
        self, node: MacroNode, paths_by_name: Mapping[str, Path]
    ) -> Iterator[tuple[Path | None, dict[str, Any]]]:
        """Yield the path of each element, or None, with the values of the names bound by the macro."""
        two = len(node.names) == 2
        source = self._evaluate(node.source)
        if isinstance(source, dict):
            base = self._find_path(node.source, paths_by_name)
            for key, value in source.items():
                names = {node.names[0]: key, node.names[1]: value} if two else {node.names[0]: key}
                yield None if base is None else (*base, str(key)), names
            return
        for index, (path, value) in enumerate(self._list_elements(node.source, paths_by_name)):
            yield path, {node.names[0]: index, node.names[1]: value} if two else {node.names[0]: value}

    def _list_elements(  # noqa: PLR0911 - one case a kind of list
        self, node: CelNode, paths_by_name: Mapping[str, Path]
    ) -> list[tuple[Path | None, Any]]:
        """Return the elements of a list with the path of each: a field, or concatenated or filtered fields."""
        path = self._find_path(node, paths_by_name)
        if path is not None:
            return self._list_at(node, path)
        match node:
            case CallNode(function="_+_", arguments=(left, right)):
                return [*self._list_elements(left, paths_by_name), *self._list_elements(right, paths_by_name)]
            case CallNode(function="_?_:_", arguments=(condition, then, otherwise)):
                return self._list_elements(then if self._evaluate(condition) else otherwise, paths_by_name)
            case CallNode(function="orValue", arguments=(left, right)):
                optional = self._evaluate(left)
                is_empty = isinstance(optional, OptionalValue) and not optional.is_present
                return self._list_elements(right if is_empty else left, paths_by_name)
            case MacroNode(kind="filter" | "map"):
                return self._list_mapped(node, paths_by_name)
            case SelectNode() if (definition := self._get_definition(node)) is not None:
                locator = _FailureLocator(definition, self._names, self._definitions, lenient_or=self._lenient_or)
                return locator._list_elements(definition.node, {"object": paths_by_name["object"]})
        return self._list_at(node, None)

    def _list_at(self, node: CelNode, path: Path | None) -> list[tuple[Path | None, Any]]:
        """Return the elements of a list with their paths below `path`, or None as path."""
        value = self._evaluate(node)
        if isinstance(value, OptionalValue):
            value = value.value
        if not isinstance(value, list):
            return []
        return [(None if path is None else (*path, index), element) for index, element in enumerate(value)]

    def _list_mapped(self, node: MacroNode, paths_by_name: Mapping[str, Path]) -> list[tuple[Path | None, Any]]:
        """Return the elements that a filter keeps, or the parts of elements that a map selects."""
        test = node.body if node.kind == "filter" else node.condition
        elements: list[tuple[Path | None, Any]] = []
        for path, value in self._list_elements(node.source, paths_by_name):
            outer_names = self._names
            self._names = {**outer_names, node.names[0]: value}
            if test is None or self._evaluate(test) is True:
                inner = paths_by_name if path is None else {**paths_by_name, node.names[0]: path}
                elements.append((path, value) if node.kind == "filter" else self._map_element(node.body, inner))
            self._names = outer_names
        return elements

    def _map_element(self, body: CelNode, paths_by_name: Mapping[str, Path]) -> tuple[Path | None, Any]:
        return self._find_path(body, paths_by_name), self._evaluate(body)

    def _explain_read(self, node: CelNode, paths_by_name: Mapping[str, Path]) -> list[Path]:
        """Return the one path that `node` reads; [] if it reads several or none."""
        paths = dict.fromkeys(self._list_reads(node, paths_by_name))
        return list(paths) if len(paths) == 1 and None not in paths else []

    def _list_reads(self, node: CelNode, paths_by_name: Mapping[str, Path]) -> Iterator[Any]:
        path = self._find_path(node, paths_by_name)
        if path is not None:
            yield path
            return
        if isinstance(node, MacroNode):
            # Fields that its body reads are inside the elements, or cannot be determined.
            yield self._find_path(node.source, paths_by_name)
            return
        if isinstance(node, SelectNode) and (definition := self._get_definition(node)) is not None:
            locator = _FailureLocator(definition, self._names, self._definitions, lenient_or=self._lenient_or)
            yield from locator._list_reads(definition.node, {"object": paths_by_name["object"]})
            return
        if isinstance(node, IdentifierNode) and node.name in self._names and node.name not in self._initial_names:
            # A macro bound the name to a value that has no path in the object.
            yield None
            return
        for child in list_children(node):
            yield from self._list_reads(child, paths_by_name)

    def _find_path(self, node: CelNode, paths_by_name: Mapping[str, Path]) -> Path | None:
        """Return the path of the value of `node` in the object, or None."""
        match node:
            case IdentifierNode(name=name):
                return paths_by_name.get(name)
            case SelectNode(operand=operand, field=field):
                if (definition := self._get_definition(node)) is not None:
                    locator = _FailureLocator(definition, self._names, self._definitions, lenient_or=self._lenient_or)
                    return locator._find_path(definition.node, {"object": paths_by_name["object"]})
                base = self._find_path(operand, paths_by_name)
                return None if base is None else (*base, field)
            case CallNode(function="_[_]" | "_[?_]", arguments=(operand, index)):
                base = self._find_path(operand, paths_by_name)
                key = index.value if isinstance(index, LiteralNode) else self._evaluate(index)
                return (*base, key) if base is not None and type(key) in (str, int) else None
            case CallNode(function=function, arguments=arguments) if function in _TRANSPARENT and arguments:
                return self._find_path(arguments[0], paths_by_name)
            case _:
                return None

    def _get_definition(self, node: SelectNode) -> CelProgram | None:
        if isinstance(node.operand, IdentifierNode) and node.operand.name == "variables":
            return self._definitions.get(node.field)
        return None
