"""One Terraform module with its names: variables, locals, resources, the modules it calls. Values are made when asked for."""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, Final

import msgspec

from kubekeep.model.location import Location
from kubekeep.model.paths import display_path
from kubekeep.sources.terraform import types
from kubekeep.sources.terraform.evaluate import Evaluator, Scope
from kubekeep.sources.terraform.files import Content, Files
from kubekeep.sources.terraform.syntax import Attribute, Block, Body
from kubekeep.sources.terraform.values import Mapping, Sequence, Text, Unknown

DEEPEST_CALL: Final = 16
"""How deep modules may call each other."""


class Given(msgspec.Struct, frozen=True):
    """The argument of a module call: its value and where it was set."""

    value: Any
    place: Location


class Where(msgspec.Struct, frozen=True):
    """A module's folder, how it is shown, and the folder of the root module, to which paths in it are relative."""

    folder: str
    shown: str
    root: str
    root_shown: str


class Module:
    """A module in use: with its arguments, or as the root with the values files beside it."""

    def __init__(
        self, where: Where, files: Files, evaluator: Evaluator, given: dict[str, Given] | None = None, depth: int = 0
    ) -> None:
        self.where = where
        self.depth = depth
        self.content: Content = files.content(where.folder, where.shown)
        self._files = files
        self._evaluator = evaluator
        self._given = given
        self._values: dict[tuple[str, ...], Any] = {}
        self._pending: set[tuple[str, ...]] = set()
        self._children: dict[tuple[str, Any], Module | Unknown] = {}
        self._blocks = {(block.type, *block.labels): block for block in self.content.blocks}
        self._locals = {
            name: attribute
            for block in self.content.blocks
            if block.type == "locals"
            for name, attribute in block.body.attributes.items()
        }
        self._tfvars = {name: item for body in self.content.values for name, item in body.attributes.items()}

    def scope(self, file: str) -> Scope:
        """The scope of an expression in one of its files."""
        return Scope(self, file)

    def reference(self, root: str, steps: list[str | int]) -> tuple[Any, int] | None:
        """The value of `var.x`, `local.x`, `path.x`, `module.x.y` or of a resource's argument. See `Names`."""
        names = [str(step) for step in steps]
        if root == "path" and names:
            return self._path(names[0]), 1
        if root == "var" and names:
            return self._once(("var", names[0]), lambda: self._variable(names[0])), 1
        if root == "local" and names and names[0] in self._locals:
            attribute = self._locals[names[0]]
            return self._once(("local", names[0]), lambda: self._attribute(attribute)), 1
        if root == "module" and len(names) > 1:
            return self._output(names[0], names[1])
        if len(names) > 1 and ("resource", root, names[0]) in self._blocks:
            return self._argument(self._blocks["resource", root, names[0]], steps[1:])
        return None

    def place_of_name(self, root: str, name: str) -> Location | None:
        """Where a variable or local was set: in the call, a values file, or as the default."""
        if root == "local":
            attribute = self._locals.get(name)
            return attribute.place if attribute else None
        if root != "var":
            return None
        if self._given is not None and name in self._given:
            return self._given[name].place
        attribute = self._tfvars.get(name) if self._given is None else None
        block = self._blocks.get(("variable", name))
        if attribute is None and block is not None:
            attribute = block.body.attributes.get("default")
        return attribute.place if attribute else None

    def file(self, path: str) -> Text:
        """A file by its path from the root module's folder."""
        shown = os.path.normpath(os.path.join(self.where.root_shown, path))
        try:
            return self._files.lined(os.path.join(self.where.root, path), display_path(shown))
        except ValueError as error:
            raise ValueError(f"{path[:200]!r} cannot be read: {error}") from None

    def is_folder(self, path: str) -> bool:
        """Whether a path from the root module's folder is a folder below the scanned one."""
        folder = os.path.join(self.where.root, path)
        return "\0" not in path and self._files.is_inside(folder) and os.path.isdir(folder)  # noqa: PTH112

    def child(self, block: Block, bound: dict[str, Any], instance: Any = None) -> Module | Unknown | None:
        """The local module that a `module` block calls; None for one from elsewhere, Unknown for one that cannot be read."""
        key = (block.labels[0] if block.labels else "", instance)
        if key not in self._children:
            found = self._called(block, bound)
            if found is None:
                return None
            self._children[key] = found
        return self._children[key]

    def _called(self, block: Block, bound: dict[str, Any]) -> Module | Unknown | None:
        scope = Scope(self, block.place.file, bound)
        source = block.body.attributes.get("source")
        path = self._evaluator.value(source.expression, scope) if source else None
        if not isinstance(path, str) or not path.startswith(("./", "../", ".")):
            return None
        folder = os.path.normpath(os.path.join(self.where.folder, path))
        if "\0" in path or not self._files.is_inside(folder):
            return Unknown(f"its source {path[:200]!r} lies outside the scanned folder")
        if not os.path.isdir(folder):  # noqa: PTH112
            return Unknown(f"its source {path[:200]!r} is no folder")
        if self.depth >= DEEPEST_CALL:
            return Unknown(f"modules call each other more than {DEEPEST_CALL} deep")
        given = {
            name: Given(self._evaluator.value(item.expression, scope), item.place)
            for name, item in block.body.attributes.items()
            if name not in ("source", "version", "count", "for_each", "providers", "depends_on")
        }
        shown = os.path.normpath(os.path.join(self.where.shown, path))
        where = Where(folder, shown, self.where.root, self.where.root_shown)
        return Module(where, self._files, self._evaluator, given, self.depth + 1)

    def _once(self, name: tuple[str, ...], make: Callable[[], Any]) -> Any:
        if name in self._values:
            return self._values[name]
        if name in self._pending:
            return Unknown(f"{'.'.join(name)[:80]} refers to itself", failed=True)
        self._pending.add(name)
        try:
            value = self._values[name] = make()
        finally:
            self._pending.discard(name)
        return value

    def _attribute(self, attribute: Attribute) -> Any:
        return self._evaluator.value(attribute.expression, self.scope(attribute.place.file))

    def _variable(self, name: str) -> Any:
        block = self._blocks.get(("variable", name))
        value = self._set_value(name, block)
        constraint = block.body.attributes.get("type") if block is not None else None
        if constraint is None or isinstance(value, Unknown):
            return value
        scope = self.scope(constraint.place.file)
        return types.conform(value, constraint.expression, lambda item: self._evaluator.value(item, scope))

    def _set_value(self, name: str, block: Block | None) -> Any:
        if self._given is not None and name in self._given:
            return self._given[name].value
        if self._given is None and name in self._tfvars:
            return self._attribute(self._tfvars[name])
        default = block.body.attributes.get("default") if block is not None else None
        if default is None:
            return Unknown(f"var.{name} has no value here")
        return self._attribute(default)

    def _path(self, name: str) -> Any:
        if name == "module":
            return os.path.relpath(self.where.folder, self.where.root)
        return "." if name in ("root", "cwd") else Unknown(f"path.{name} is unknown", failed=True)

    def _output(self, name: str, output: str) -> tuple[Any, int]:
        block = self._blocks.get(("module", name))
        repeated = block is not None and block.body.attributes.keys() & {"count", "for_each"}
        found = None if block is None or repeated else self.child(block, {})
        if isinstance(found, Module):
            wanted = found.content.blocks and found._blocks.get(("output", output))  # noqa: SLF001 - of the same class
            if isinstance(wanted, Block) and "value" in wanted.body.attributes:
                attribute = wanted.body.attributes["value"]
                return found._once(("output", output), lambda: found._attribute(attribute)), 2  # noqa: SLF001
        return Unknown(f"module.{name}.{output} is known only to Terraform"), 2

    def _argument(self, block: Block, steps: list[str | int]) -> tuple[Any, int] | None:
        """An argument of another resource, as far as it is written down; what the provider computes is unknown."""
        bound, used = self._instance(block, steps[0])
        if bound is None or len(steps) <= used:
            return None
        name, scope = str(steps[used]), Scope(self, block.place.file, bound)
        key = (*block.labels, *map(str, steps[:used]), name)
        bodies = [inner.body for inner in block.body.blocks if inner.type == name]
        if name in block.body.attributes:
            attribute = block.body.attributes[name]
            value = self._once(key, lambda: self._evaluator.value(attribute.expression, scope))
        elif bodies:
            value = self._once(key, lambda: self._written(bodies, scope))
        else:
            return None
        return value, len(("name", "argument")) + used

    def _instance(self, block: Block, step: str | int) -> tuple[dict[str, Any] | None, int]:
        """What `count` and `each` are in the instance that a step names, and how many steps that took."""
        counted, each = (block.body.attributes.get(name) for name in ("count", "for_each"))
        if counted is None and each is None:
            return {}, 0
        if counted is not None and isinstance(step, int):
            return {"count": Mapping([("index", step)])}, 1
        over = None if each is None else self._once((*block.labels, "for_each"), lambda: self._attribute(each))
        if isinstance(over, dict) and step in over:
            return {"each": Mapping([("key", step), ("value", over[str(step)])])}, 1
        if isinstance(over, list) and step in over:
            return {"each": Mapping([("key", step), ("value", step)])}, 1
        return None, 1

    def _written(self, bodies: list[Body], scope: Scope) -> Sequence:
        """Blocks as a list of objects with what is written in them."""
        return Sequence(
            Mapping((key, self._evaluator.value(item.expression, scope)) for key, item in body.attributes.items())
            for body in bodies
        )
