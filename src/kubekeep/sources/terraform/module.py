"""A Terraform module and its names: variables, locals, resources, child modules. Values are evaluated on request."""

# Paths keep the form given by the user, hence os.path instead of pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.paths import display_path
from kubekeep.sources.terraform.evaluate import ExpressionEvaluator, ExpressionScope
from kubekeep.sources.terraform.files import ModuleContent, ModuleFiles
from kubekeep.sources.terraform.syntax import (
    Expression,
    HclAttribute,
    HclBlock,
    HclBody,
    list_children,
    read_word,
    unwrap,
)
from kubekeep.sources.terraform.values import (
    LocatedList,
    LocatedMapping,
    LocatedText,
    UnknownValue,
    list_entries,
    to_bool,
    to_number,
    to_text,
)

MAX_CALL_DEPTH: Final = 16
"""Maximum depth of module calls."""


class ModuleArgument(msgspec.Struct, frozen=True):
    """Argument of a module call: its value and location."""

    value: Any
    location: Location


class ModulePaths(msgspec.Struct, frozen=True):
    """Folder of a module, its path for locations, and the same of the root module, the base of relative paths."""

    folder: str
    shown_path: str
    root: str
    root_shown: str


class TerraformModule:
    """A module instance: a child with its arguments, or the root with its values files."""

    def __init__(
        self,
        paths: ModulePaths,
        files: ModuleFiles,
        evaluator: ExpressionEvaluator,
        arguments: dict[str, ModuleArgument] | None = None,
        depth: int = 0,
    ) -> None:
        self.paths = paths
        self.depth = depth
        self.content: ModuleContent = files.read_module(paths.folder, paths.shown_path)
        self._files = files
        self._evaluator = evaluator
        self._arguments = arguments
        self._values: dict[tuple[str, ...], Any] = {}
        self._pending: set[tuple[str, ...]] = set()
        self._children: dict[tuple[str, Any], TerraformModule | UnknownValue] = {}
        self._blocks = {(block.type, *block.labels): block for block in self.content.blocks}
        self._locals = {
            name: attribute
            for block in self.content.blocks
            if block.type == "locals"
            for name, attribute in block.body.attributes.items()
        }
        self._tfvars = {name: attribute for body in self.content.values for name, attribute in body.attributes.items()}

    def scope(self, file: str) -> ExpressionScope:
        """Return the scope of expressions in one of its files."""
        return ExpressionScope(self, file)

    def resolve(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """Return the value of `var.x`, `local.x`, `path.x`, `module.x.y` or a resource argument. See `NameResolver`."""
        names = [str(step) for step in steps]
        if root == "path" and names:
            return self._evaluate_path(names[0]), 1
        if root == "var" and names:
            return self._evaluate_once(("var", names[0]), lambda: self._evaluate_variable(names[0])), 1
        if root == "local" and names and names[0] in self._locals:
            attribute = self._locals[names[0]]
            return self._evaluate_once(("local", names[0]), lambda: self._evaluate_attribute(attribute)), 1
        if root == "module" and len(names) > 1:
            return self._evaluate_output(names[0], names[1])
        if len(names) > 1 and ("resource", root, names[0]) in self._blocks:
            return self._evaluate_argument(self._blocks["resource", root, names[0]], steps[1:])
        return None

    def locate_name(self, root: str, name: str) -> Location | None:
        """Return the location that sets a variable or local: the call, a values file, or the default."""
        if root == "local":
            attribute = self._locals.get(name)
            return attribute.location if attribute else None
        if root != "var":
            return None
        if self._arguments is not None and name in self._arguments:
            return self._arguments[name].location
        attribute = self._tfvars.get(name) if self._arguments is None else None
        block = self._blocks.get(("variable", name))
        if attribute is None and block is not None:
            attribute = block.body.attributes.get("default")
        return attribute.location if attribute else None

    def read_file(self, path: str) -> LocatedText:
        """Return the text of a file by its path from the root module; raises ValueError."""
        shown_path = os.path.normpath(os.path.join(self.paths.root_shown, path))
        try:
            return self._files.read_lines(os.path.join(self.paths.root, path), display_path(shown_path))
        except ValueError as error:
            raise ValueError(f"{path[:200]!r} cannot be read: {error}") from None

    def is_folder(self, path: str) -> bool:
        """Return True if a path from the root module is a folder in the scanned folder."""
        folder = os.path.join(self.paths.root, path)
        return "\0" not in path and self._files.is_inside(folder) and os.path.isdir(folder)  # noqa: PTH112

    def child(
        self, block: HclBlock, bound_names: dict[str, Any], instance: Any = None
    ) -> TerraformModule | UnknownValue | None:
        """Return the local module of a `module` block; None for a remote one, `UnknownValue` if it cannot be read."""
        key = (block.labels[0] if block.labels else "", instance)
        if key not in self._children:
            child = self._load_child(block, bound_names)
            if child is None:
                return None
            self._children[key] = child
        return self._children[key]

    def _load_child(self, block: HclBlock, bound_names: dict[str, Any]) -> TerraformModule | UnknownValue | None:
        scope = ExpressionScope(self, block.location.file, bound_names)
        source = block.body.attributes.get("source")
        path = self._evaluator.evaluate(source.expression, scope) if source else None
        if not isinstance(path, str) or not path.startswith(("./", "../", ".")):
            return None
        folder = os.path.normpath(os.path.join(self.paths.folder, path))
        if "\0" in path or not self._files.is_inside(folder):
            return UnknownValue(f"source {path[:200]!r} is outside the scanned folder")
        if not os.path.isdir(folder):  # noqa: PTH112
            return UnknownValue(f"source {path[:200]!r} is not a folder")
        if self.depth >= MAX_CALL_DEPTH:
            return UnknownValue(f"module calls are nested deeper than {MAX_CALL_DEPTH} levels")
        arguments = {
            name: ModuleArgument(self._evaluator.evaluate(attribute.expression, scope), attribute.location)
            for name, attribute in block.body.attributes.items()
            if name not in ("source", "version", "count", "for_each", "providers", "depends_on")
        }
        shown_path = os.path.normpath(os.path.join(self.paths.shown_path, path))
        paths = ModulePaths(folder, shown_path, self.paths.root, self.paths.root_shown)
        return TerraformModule(paths, self._files, self._evaluator, arguments, self.depth + 1)

    def _evaluate_once(self, name: tuple[str, ...], evaluate: Callable[[], Any]) -> Any:
        if name in self._values:
            return self._values[name]
        if name in self._pending:
            return UnknownValue(f"{'.'.join(name)[:80]} refers to itself", is_error=True)
        self._pending.add(name)
        try:
            value = self._values[name] = evaluate()
        finally:
            self._pending.discard(name)
        return value

    def _evaluate_attribute(self, attribute: HclAttribute) -> Any:
        return self._evaluator.evaluate(attribute.expression, self.scope(attribute.location.file))

    def _evaluate_variable(self, name: str) -> Any:
        block = self._blocks.get(("variable", name))
        value = self._evaluate_setting(name, block)
        constraint = block.body.attributes.get("type") if block is not None else None
        if constraint is None or isinstance(value, UnknownValue):
            return value
        scope = self.scope(constraint.location.file)
        return conform(value, constraint.expression, lambda expression: self._evaluator.evaluate(expression, scope))

    def _evaluate_setting(self, name: str, block: HclBlock | None) -> Any:
        if self._arguments is not None and name in self._arguments:
            return self._arguments[name].value
        if self._arguments is None and name in self._tfvars:
            return self._evaluate_attribute(self._tfvars[name])
        default = block.body.attributes.get("default") if block is not None else None
        if default is None:
            return UnknownValue(f"var.{name} has no value")
        return self._evaluate_attribute(default)

    def _evaluate_path(self, name: str) -> Any:
        if name == "module":
            return os.path.relpath(self.paths.folder, self.paths.root)
        return "." if name in ("root", "cwd") else UnknownValue(f"path.{name} is unknown", is_error=True)

    def _evaluate_output(self, name: str, output: str) -> tuple[Any, int]:
        block = self._blocks.get(("module", name))
        is_repeated = block is not None and block.body.attributes.keys() & {"count", "for_each"}
        child = None if block is None or is_repeated else self.child(block, {})
        if isinstance(child, TerraformModule):
            output_block = child.content.blocks and child._blocks.get(("output", output))  # noqa: SLF001 - of the same class
            if isinstance(output_block, HclBlock) and "value" in output_block.body.attributes:
                attribute = output_block.body.attributes["value"]
                return child._evaluate_once(("output", output), lambda: child._evaluate_attribute(attribute)), 2  # noqa: SLF001
        return UnknownValue(f"module.{name}.{output} is computed by Terraform"), 2

    def _evaluate_argument(self, block: HclBlock, steps: list[str | int]) -> tuple[Any, int] | None:
        """Return the value of an argument set in another resource; None for values computed by the provider."""
        bound_names, used_steps = self._bind_instance(block, steps[0])
        if bound_names is None or len(steps) <= used_steps:
            return None
        name, scope = str(steps[used_steps]), ExpressionScope(self, block.location.file, bound_names)
        key = (*block.labels, *map(str, steps[:used_steps]), name)
        bodies = [inner.body for inner in block.body.blocks if inner.type == name]
        if name in block.body.attributes:
            attribute = block.body.attributes[name]
            value = self._evaluate_once(key, lambda: self._evaluator.evaluate(attribute.expression, scope))
        elif bodies:
            value = self._evaluate_once(key, lambda: self._evaluate_blocks(bodies, scope))
        else:
            return None
        return value, len(("name", "argument")) + used_steps

    def _bind_instance(self, block: HclBlock, step: str | int) -> tuple[dict[str, Any] | None, int]:
        """Return the values of `count` and `each` in the instance a step selects, and the number of steps used."""
        count, for_each = (block.body.attributes.get(name) for name in ("count", "for_each"))
        if count is None and for_each is None:
            return {}, 0
        if count is not None and isinstance(step, int):
            return {"count": LocatedMapping([("index", step)])}, 1
        collection = (
            None
            if for_each is None
            else self._evaluate_once((*block.labels, "for_each"), lambda: self._evaluate_attribute(for_each))
        )
        if isinstance(collection, dict) and step in collection:
            return {"each": LocatedMapping([("key", step), ("value", collection[str(step)])])}, 1
        if isinstance(collection, list) and step in collection:
            return {"each": LocatedMapping([("key", step), ("value", step)])}, 1
        return None, 1

    def _evaluate_blocks(self, bodies: list[HclBody], scope: ExpressionScope) -> LocatedList:
        """Evaluate blocks as a list of objects."""
        return LocatedList(
            LocatedMapping(
                (key, self._evaluator.evaluate(attribute.expression, scope))
                for key, attribute in body.attributes.items()
            )
            for body in bodies
        )


Evaluate = Callable[[Expression], Any]

_SCALARS: dict[str, Callable[[Any], Any]] = {"string": to_text, "number": to_number, "bool": to_bool}


def conform(value: Any, constraint: Expression, evaluate: Evaluate) -> Any:
    """Convert a value to a type constraint such as `list(object({a = optional(string, "x")}))`.

    A value that does not fit is returned unchanged.
    """
    node = unwrap(constraint)
    node_type = getattr(node, "data", "")
    if node_type == "identifier" and read_word(node) in _SCALARS:
        try:
            return value if value is None else _SCALARS[read_word(node)](value)
        except (ValueError, TypeError):
            return value
    if node_type != "function_call":
        return value
    arguments = _list_arguments(node)
    return (
        _convert_collection(value, read_word(next(list_children(node))), arguments[0], evaluate) if arguments else value
    )


def _convert_collection(value: Any, name: str, inner: Expression, evaluate: Evaluate) -> Any:
    if name == "object" and isinstance(value, LocatedMapping):
        return _convert_object(value, unwrap(inner), evaluate)
    if name == "map" and isinstance(value, LocatedMapping):
        mapping = LocatedMapping()
        for key, child, location in list_entries(value):
            mapping.put(key, conform(child, inner, evaluate), location)
        return mapping
    if name in ("list", "set") and isinstance(value, LocatedList):
        converted = LocatedList()
        for _, child, location in list_entries(value):
            converted.add(conform(child, inner, evaluate), location)
        return converted
    return value


def _convert_object(value: LocatedMapping, members: Any, evaluate: Evaluate) -> LocatedMapping:
    mapping = LocatedMapping()
    for key, child, location in list_entries(value):
        mapping.put(key, child, location)
    for member in members.children:
        if getattr(member, "data", "") != "object_elem":
            continue
        name = read_word(unwrap(member.children[0].children[0]))
        constraint = unwrap(member.children[-1])
        is_optional = (
            getattr(constraint, "data", "") == "function_call"
            and read_word(next(list_children(constraint))) == "optional"
        )
        arguments = _list_arguments(constraint) if is_optional else []
        if is_optional and mapping.get(name) is None:
            mapping.put(name, evaluate(arguments[1]) if len(arguments) > 1 else None, None)
        if name in mapping:
            inner = arguments[0] if arguments else constraint
            mapping.put(name, conform(mapping[name], inner, evaluate), mapping.location(name))
    return mapping


def _list_arguments(node: Any) -> list[Any]:
    arguments = next((part for part in list_children(node) if getattr(part, "data", "") == "arguments"), None)
    return [] if arguments is None else [part for part in list_children(arguments) if hasattr(part, "data")]
