"""Resources of Terraform modules: the objects of root modules and the modules they call.

A field known only after apply is left out of the object, listed in `Resource.unknown` and reported as `UnreadInput`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import UnassessedInput, UnreadInput
from kubekeep.model.location import Location, Path, format_path
from kubekeep.model.resource import Resource
from kubekeep.model.source import CommentSyntax, FileType, Source
from kubekeep.sources.git.root import find_repository_root
from kubekeep.sources.source import Root
from kubekeep.sources.terraform import kinds
from kubekeep.sources.terraform.evaluate import CostError, ExpressionEvaluator, ExpressionScope
from kubekeep.sources.terraform.files import ModuleFiles, is_inside, preview_module
from kubekeep.sources.terraform.functions import FUNCTIONS
from kubekeep.sources.terraform.module import ModulePaths, TerraformModule
from kubekeep.sources.terraform.names import UNKNOWN
from kubekeep.sources.terraform.objects import ObjectBuilder
from kubekeep.sources.terraform.syntax import HclBlock
from kubekeep.sources.terraform.values import LocatedList, LocatedMapping, LocatedText, UnknownValue, list_entries

TERRAFORM: Final = FileType(
    "Terraform",
    is_template=True,
    comments=(
        (".tf", CommentSyntax.TERRAFORM),
        (".tofu", CommentSyntax.TERRAFORM),
        (".tfvars", CommentSyntax.TERRAFORM),
    ),
)
MAX_INSTANCES: Final = 10_000
"""Objects and modules that one root module may create."""
_MAX_REPORTED_UNKNOWNS: Final = 10
_MANIFESTS: Final = {"kubernetes_manifest": "manifest", "kubectl_manifest": "yaml_body"}


def read_modules(folders: Sequence[Root], unsaved: Mapping[str, bytes] = {}) -> Iterator[Resource | UnreadInput]:
    """Yield the resources of all root modules among `folders`, modules that no other module calls.

    A child module is read with the arguments of each call. Modules that only call each other are read alone. Nothing
    outside the base of a root is read. Problems and unknown values are `UnreadInput`; a module without Kubernetes yields
    nothing. A module or chart that comes from elsewhere is an UnassessedInput. unsaved: contents by real path that replace
    those of files.
    """
    previews = {
        os.path.realpath(folder.path): preview_module(folder.path, _find_base(folder), unsaved) for folder in folders
    }
    by_path = {os.path.realpath(folder.path): folder for folder in folders}
    called_paths = {target for path, (_, targets) in previews.items() for target in targets if target != path}
    read_paths: set[str] = set()
    roots = [path for path in previews if path not in called_paths]
    for path in [*roots, *(path for path in previews if path in called_paths)]:
        if path in read_paths:
            continue
        tree = _reachable_modules(path, previews)
        read_paths |= tree
        if any(previews[module][0] for module in tree if module in previews) or not tree <= previews.keys():
            folder = by_path[path]
            yield from _read_root(folder, unsaved)


def _reachable_modules(path: str, previews: dict[str, tuple[bool, list[str]]]) -> set[str]:
    """Return a module and all modules it calls, directly or not."""
    modules: set[str] = set()
    pending = [path]
    while pending:
        module = pending.pop()
        if module not in modules:
            modules.add(module)
            pending.extend(previews.get(module, (False, []))[1])
    return modules


def find_root_modules(folders: Sequence[str], base: str, unsaved: Mapping[str, bytes]) -> dict[str, list[str]]:
    """Return the root modules that call each module, directly or not, by real path; a root module names itself.

    folders: real paths of modules. Modules that only call each other name themselves.
    """
    previews = {folder: preview_module(folder, base, unsaved) for folder in folders}
    called_paths = {target for path, (_, targets) in previews.items() for target in targets if target != path}
    by_module: dict[str, list[str]] = {}
    for path in previews.keys() - called_paths:
        for module in _reachable_modules(path, previews):
            by_module.setdefault(module, []).append(path)
    return {path: sorted(by_module.get(path, [path])) for path in {*by_module, *previews}}


def _find_base(folder: Root) -> str:
    """Return the folder that contains all files a module may read: that of the scan, or the repository of a named file."""
    if is_inside(folder.path, folder.base):
        return folder.base
    return find_repository_root(folder.path) or folder.path


def _read_root(folder: Root, unsaved: Mapping[str, bytes]) -> Iterator[Resource | UnreadInput]:
    files = ModuleFiles(_find_base(folder), unsaved)
    paths = ModulePaths(folder.path, folder.shown_path, folder.path, folder.shown_path)
    reader = _ModuleReader(folder.base, ExpressionEvaluator())
    try:
        module = TerraformModule(paths, files, reader.evaluator)
        yield from reader.read(module)
    except (CostError, RecursionError) as error:
        message = str(error) if isinstance(error, CostError) else "values are nested too deeply"
        yield UnreadInput(Location(folder.shown_path), f"the rest was not evaluated: {message}")


class _ModuleReader:
    """Reads one root module and its child modules."""

    def __init__(self, base: str, evaluator: ExpressionEvaluator) -> None:
        self.evaluator = evaluator
        self._base = base
        self._objects = ObjectBuilder(evaluator)
        self._documents: dict[str, int] = {}
        self._created = 0
        self._reported: set[UnreadInput] = set()

    def read(self, module: TerraformModule) -> Iterator[Resource | UnreadInput]:
        """Yield the objects of a module in the order of its files and blocks."""
        for problem in module.content.unread:
            if problem not in self._reported:
                self._reported.add(problem)
                yield problem
        for block in module.content.blocks:
            if block.type == "module":
                yield from self._read_call(module, block)
            elif block.type == "resource" and len(block.labels) == len(("type", "name")):
                yield from self._read_resource(module, block)
            elif block.type == "resource":
                yield UnreadInput(block.location, "not Terraform: a resource needs a type and a name")

    def _read_call(self, module: TerraformModule, block: HclBlock) -> Iterator[Resource | UnreadInput]:
        for scope, instance in self._list_instances(block, module.scope(block.location.file)):
            if isinstance(scope, UnreadInput):
                yield scope
                continue
            child = module.child(block, scope.bound_names, instance)
            if isinstance(child, UnknownValue):
                yield UnreadInput(block.location, f"the module was not read: {child.reason}")
            elif child is None:
                yield from self._report_once(block, "the module comes from elsewhere and was not read")
            else:
                yield from self.read(child)

    def _read_resource(self, module: TerraformModule, block: HclBlock) -> Iterator[Resource | UnreadInput]:
        kind = block.labels[0]
        if kind == "helm_release":
            yield from self._check_release(module, block)
            return
        if kind not in _MANIFESTS and (
            not kind.startswith("kubernetes_") or kind.removeprefix("kubernetes_") in kinds.CHANGE_ONLY_RESOURCES
        ):
            return
        if kind not in _MANIFESTS and kinds.find_kind(kind) is None:
            yield UnreadInput(block.location, f"not evaluated: resource type {kind} is not supported")
            return
        try:
            for scope, _ in self._list_instances(block, module.scope(block.location.file)):
                if isinstance(scope, UnreadInput):
                    yield scope
                else:
                    yield from self._read_instance(block, scope)
        except (CostError, RecursionError) as error:
            message = str(error) if isinstance(error, CostError) else "values are nested too deeply"
            yield UnreadInput(block.location, f"not evaluated: {message}")
            if self.evaluator.is_exhausted:
                raise

    def _check_release(self, module: TerraformModule, block: HclBlock) -> Iterator[UnreadInput]:
        """Report a release of a chart in this repository; record one of another chart."""
        chart = block.body.attributes.get("chart")
        name = self.evaluator.evaluate(chart.expression, module.scope(chart.location.file)) if chart else None
        if chart is not None and isinstance(name, str) and module.is_folder(name):
            yield UnreadInput(
                chart.location, f"the chart {name[:200]!r} was not rendered with the values of the release"
            )
        else:
            yield from self._report_once(block, "the chart comes from elsewhere and was not read")

    def _report_once(self, block: HclBlock, problem: str) -> Iterator[UnassessedInput]:
        """Yield a part that is not in the scanned folders, once for all instances of its block."""
        part = UnassessedInput(block.location, f"{problem}: scan its repository too")
        if part not in self._reported:
            self._reported.add(part)
            yield part

    def _list_instances(
        self, block: HclBlock, scope: ExpressionScope
    ) -> Iterator[tuple[ExpressionScope | UnreadInput, Any]]:
        """Yield the scope of each instance by `count` and `for_each`; one scope if the number is unknown."""
        attributes = block.body.attributes
        count, for_each = attributes.get("count"), attributes.get("for_each")
        if count is None and for_each is None:
            yield scope, None
            return
        attribute = count or for_each
        assert attribute is not None  # noqa: S101 - one of the two is there
        value = self.evaluator.evaluate(attribute.expression, scope)
        if isinstance(value, UnknownValue) or not isinstance(value, int | dict | list):
            reason = value.reason if isinstance(value, UnknownValue) else "it is not a number or collection"
            unknown = UnknownValue(f"it depends on {attribute.name}: {reason}")
            yield UnreadInput(attribute.location, f"the number of instances is {UNKNOWN}: {reason}"), None
            keys = LocatedMapping([("index", unknown), ("key", unknown), ("value", unknown)])
            yield scope.extend(count=keys, each=keys), None
            return
        if isinstance(value, int):
            pairs: Any = ((index, index) for index in range(value))
        else:
            pairs = ((key if isinstance(value, dict) else element, element) for key, element, _ in list_entries(value))
        for key, element in pairs:
            self._created += 1
            if self._created > MAX_INSTANCES:
                yield (
                    UnreadInput(
                        attribute.location, f"more than {MAX_INSTANCES} objects and modules: the rest was not read"
                    ),
                    None,
                )
                return
            bound_names = LocatedMapping([("index", key), ("key", key), ("value", element)])
            yield (
                scope.extend(count=bound_names, each=bound_names),
                key if isinstance(key, str | int) else repr(key),
            )

    def _read_instance(self, block: HclBlock, scope: ExpressionScope) -> Iterator[Resource | UnreadInput]:
        attribute = _MANIFESTS.get(block.labels[0])
        if attribute is None:
            value: Any = self._objects.build_typed(block, scope)
            location = block.location
        else:
            value, location = self._objects.read_manifest(block, scope, attribute)
            if isinstance(value, str):
                value = _decode_yaml(value)
        if isinstance(value, UnknownValue):
            yield UnreadInput(location, f"not evaluated: {attribute} is {UNKNOWN}: {value.reason}")
            return
        problem = _find_object_problem(value)
        if problem:
            yield UnreadInput(location, f"not evaluated: {problem}")
            return
        unknown: list[tuple[Path, UnknownValue]] = []
        plain = self._remove_unknown(value, (), unknown)
        document = self._documents.get(block.location.file, 0)
        self._documents[block.location.file] = document + 1
        source_map = TerraformSourceMap(value, location if attribute else block.location)
        source = Source(block.location.file, self._base, TERRAFORM, document, lazy_source_map=source_map)
        yield Resource(plain, source, unknown=tuple(path for path, _ in unknown))
        for path, unknown_value in unknown[:_MAX_REPORTED_UNKNOWNS]:
            unknown_location = source_map.locate(plain, path)
            yield UnreadInput(unknown_location, f"{format_path(path)} is {UNKNOWN}: {unknown_value.reason}")
        if rest := unknown[_MAX_REPORTED_UNKNOWNS:]:
            yield UnreadInput(location, f"{len(rest)} more fields of this object are {UNKNOWN}")

    def _remove_unknown(self, value: Any, path: Path, unknown: list[tuple[Path, UnknownValue]]) -> Any:
        """Return a value without `UnknownValue`s and collect their paths. A list with an unknown entry is unknown."""
        self.evaluator.spend()
        if isinstance(value, dict):
            fields = {}
            for key, child in value.items():
                unknown_child = _as_unknown(child)
                if unknown_child is None:
                    fields[key] = self._remove_unknown(child, (*path, key), unknown)
                else:
                    unknown.append(((*path, key), unknown_child))
            return fields
        if isinstance(value, list):
            return [self._remove_unknown(child, (*path, index), unknown) for index, child in enumerate(value)]
        return str(value) if isinstance(value, LocatedText) else value


class TerraformSourceMap(msgspec.Struct, frozen=True):
    """Source map of one object (a `LazySourceMap`): collections of value know the locations of their entries."""

    value: Any
    location: Location

    def locate(self, document: Any, path: Path) -> Location:
        """Return the location of path or of its nearest ancestor with a location."""
        del document
        location = self.location
        value: Any = self.value
        for step in path:
            if not isinstance(value, LocatedMapping | LocatedList):
                break
            location = value.location(step) or location
            value = _get_entry(value, step)
        return location


def _get_entry(value: Any, step: str | int) -> Any:
    """Return the entry of a collection at a step, None if there is none."""
    if isinstance(value, LocatedMapping):
        return value.get(str(step))
    return value[step] if isinstance(step, int) and step < len(value) else None


def _as_unknown(value: Any) -> UnknownValue | None:
    if isinstance(value, UnknownValue):
        return value
    if isinstance(value, list):
        return next((element for element in value if isinstance(element, UnknownValue)), None)
    return None


def _decode_yaml(text: str) -> Any:
    try:
        return FUNCTIONS["yamldecode"](text)
    except ValueError as error:
        return UnknownValue(f"not YAML: {error}", is_error=True)


def _find_object_problem(value: Any) -> str:
    """Return the reason a value is no Kubernetes object, "" if it is one."""
    if not isinstance(value, LocatedMapping):
        return "the manifest is not an object"
    for name in ("apiVersion", "kind"):
        text = value.get(name)
        if isinstance(text, UnknownValue):
            return f"{name} is {UNKNOWN}: {text.reason}"
        if not isinstance(text, str) or not text:
            return f"not a complete Kubernetes object: {name} is missing"
    return ""
