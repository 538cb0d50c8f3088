"""Modules as resources: each object that a module and those it calls make, and what of it nobody knows before `apply`.

An unknown field is left out of the object, named in `Resource.unknown`, and told as an Unread with its place.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Path, format_path
from kubekeep.model.resource import FileType, Resource, Source
from kubekeep.sources.terraform import kinds
from kubekeep.sources.terraform.evaluate import CostError, Evaluator, Scope
from kubekeep.sources.terraform.files import Files, glance
from kubekeep.sources.terraform.functions import FUNCTIONS
from kubekeep.sources.terraform.module import Module, Where
from kubekeep.sources.terraform.objects import Objects
from kubekeep.sources.terraform.syntax import Block
from kubekeep.sources.terraform.values import Mapping, Text, Unknown, entries
from kubekeep.sources.terraform.values import Sequence as Items
from kubekeep.sources.walk import Kind, Root

MOST_INSTANCES: Final = 10_000
"""Objects that one root module may make."""
_SHOWN_UNKNOWNS: Final = 10
_MANIFESTS: Final = {"kubernetes_manifest": "manifest", "kubectl_manifest": "yaml_body"}


def read_modules(folders: Sequence[Root]) -> Iterator[Resource | Unread]:
    """The resources of all root modules among `folders`: those that no other of them calls.

    A module that is called is read with the arguments of each call. Modules that only call each other are read alone.
    """
    glances = {os.path.realpath(folder.path): glance(folder.path) for folder in folders}
    by_path = {os.path.realpath(folder.path): folder for folder in folders}
    called = {target for path, (_, targets) in glances.items() for target in targets if target != path}
    reached: set[str] = set()
    roots = [path for path in glances if path not in called]
    for path in [*roots, *(path for path in glances if path in called)]:
        if path in reached:
            continue
        below = _below(path, glances)
        reached |= below
        if any(glances[one][0] for one in below if one in glances) or not below <= glances.keys():
            folder = by_path[path]
            yield from _root(folder)


def read_module(folder: str, shown: str, base: str) -> Iterator[Resource | Unread]:
    """The resources of one root module, with those of the local modules it calls.

    `folder` is its path, `shown` the same for people, `base` the absolute folder of the scan, outside of which
    nothing is read. What cannot be read, evaluated or known is an Unread; a module without Kubernetes gives nothing.
    """
    yield from read_modules([Root(Kind.TERRAFORM, folder, shown, base)])


def _below(path: str, glances: dict[str, tuple[bool, list[str]]]) -> set[str]:
    """A module and all that it calls, as far as a glance tells."""
    seen: set[str] = set()
    todo = [path]
    while todo:
        one = todo.pop()
        if one not in seen:
            seen.add(one)
            todo.extend(glances.get(one, (False, []))[1])
    return seen


def _root(folder: Root) -> Iterator[Resource | Unread]:
    files = Files(folder.base)
    where = Where(folder.path, folder.shown, folder.path, folder.shown)
    reader = _Reader(folder.base, Evaluator())
    try:
        module = Module(where, files, reader.evaluator)
        yield from reader.module(module, {})
    except (CostError, RecursionError) as error:
        message = str(error) if isinstance(error, CostError) else "its values are nested too deep"
        yield Unread(Location(folder.shown), f"not evaluated further: {message}")


class _Reader:
    """Reads one root module and what it calls."""

    def __init__(self, base: str, evaluator: Evaluator) -> None:
        self.evaluator = evaluator
        self._base = base
        self._objects = Objects(evaluator)
        self._documents: dict[str, int] = {}
        self._made = 0
        self._told: set[Unread] = set()

    def module(self, module: Module, bound: dict[str, Any]) -> Iterator[Resource | Unread]:
        """The objects of a module, in the order of its files and blocks."""
        for problem in module.content.unread:
            if problem not in self._told:
                self._told.add(problem)
                yield problem
        for block in module.content.blocks:
            if block.type == "module":
                yield from self._call(module, block, bound)
            elif block.type == "resource" and len(block.labels) == len(("type", "name")):
                yield from self._resource(module, block)
            elif block.type == "resource":
                yield Unread(block.place, "not Terraform: a resource has a type and a name")

    def _call(self, module: Module, block: Block, bound: dict[str, Any]) -> Iterator[Resource | Unread]:
        del bound
        for inside, instance in self._instances(block, module.scope(block.place.file)):
            if isinstance(inside, Unread):
                yield inside
                continue
            child = module.child(block, inside.bound, instance)
            if isinstance(child, Unknown):
                yield Unread(block.place, f"this module was not read: {child.why}")
            elif child is not None:
                yield from self.module(child, {})

    def _resource(self, module: Module, block: Block) -> Iterator[Resource | Unread]:
        kind = block.labels[0]
        if kind == "helm_release":
            yield from self._release(module, block)
            return
        if kind not in _MANIFESTS and (
            not kind.startswith("kubernetes_") or kind.removeprefix("kubernetes_") in kinds.CHANGES_ONLY
        ):
            return
        if kind not in _MANIFESTS and kinds.kind_of(kind) is None:
            yield Unread(block.place, f"not assessed: it is not known which object {kind} makes")
            return
        try:
            for inside, _ in self._instances(block, module.scope(block.place.file)):
                if isinstance(inside, Unread):
                    yield inside
                else:
                    yield from self._instance(block, inside)
        except (CostError, RecursionError) as error:
            message = str(error) if isinstance(error, CostError) else "its values are nested too deep"
            yield Unread(block.place, f"not evaluated: {message}")
            if self.evaluator.is_exhausted:
                raise

    def _release(self, module: Module, block: Block) -> Iterator[Unread]:
        """A release of a chart of this repository; one from elsewhere is nobody's business here."""
        chart = block.body.attributes.get("chart")
        name = self.evaluator.value(chart.expression, module.scope(chart.place.file)) if chart else None
        if chart is not None and isinstance(name, str) and module.is_folder(name):
            yield Unread(chart.place, f"the chart {name[:200]!r} was not rendered with the values of this release")

    def _instances(self, block: Block, scope: Scope) -> Iterator[tuple[Scope | Unread, Any]]:
        """The scope of each object or module that `count` and `for_each` ask for; once if nobody knows how many."""
        attributes = block.body.attributes
        counted, each = attributes.get("count"), attributes.get("for_each")
        if counted is None and each is None:
            yield scope, None
            return
        chosen = counted or each
        assert chosen is not None  # noqa: S101 - one of the two is there
        value = self.evaluator.value(chosen.expression, scope)
        if isinstance(value, Unknown) or not isinstance(value, int | dict | list):
            why = value.why if isinstance(value, Unknown) else "it is no number or collection"
            unknown = Unknown(f"{chosen.name} decides it, and {why}")
            yield Unread(chosen.place, f"how many there are is not known before apply: {why}"), None
            keys = Mapping([("index", unknown), ("key", unknown), ("value", unknown)])
            yield scope.binding(count=keys, each=keys), None
            return
        if isinstance(value, int):
            pairs: Any = ((index, index) for index in range(value))
        else:
            pairs = ((key if isinstance(value, dict) else item, item) for key, item, _ in entries(value))
        for key, item in pairs:
            self._made += 1
            if self._made > MOST_INSTANCES:
                yield (
                    Unread(chosen.place, f"more than {MOST_INSTANCES} objects and modules: the rest was not read"),
                    None,
                )
                return
            bound = Mapping([("index", key), ("key", key), ("value", item)])
            yield scope.binding(count=bound, each=bound), key if isinstance(key, str | int) else repr(key)

    def _instance(self, block: Block, scope: Scope) -> Iterator[Resource | Unread]:
        attribute = _MANIFESTS.get(block.labels[0])
        if attribute is None:
            value: Any = self._objects.typed(block, scope)
            place = block.place
        else:
            value, place = self._objects.manifest(block, scope, attribute)
            if isinstance(value, str):
                value = _decoded(value)
        if isinstance(value, Unknown):
            yield Unread(place, f"not assessed: {attribute} is not known before apply: {value.why}")
            return
        wrong = _wrong(value)
        if wrong:
            yield Unread(place, f"not assessed: {wrong}")
            return
        unknown: list[tuple[Path, Unknown]] = []
        plain = self._plain(value, (), unknown)
        document = self._documents.get(block.place.file, 0)
        self._documents[block.place.file] = document + 1
        written = Written(value, place if attribute else block.place)
        source = Source(block.place.file, self._base, FileType.TERRAFORM, document, lazy_source_map=written)
        yield Resource(plain, source, unknown=tuple(path for path, _ in unknown))
        for path, what in unknown[:_SHOWN_UNKNOWNS]:
            where = written.locate(plain, path)
            yield Unread(where, f"{format_path(path)} is not known before apply: {what.why}")
        if rest := unknown[_SHOWN_UNKNOWNS:]:
            yield Unread(place, f"{len(rest)} more fields of this object are not known before apply")

    def _plain(self, value: Any, path: Path, unknown: list[tuple[Path, Unknown]]) -> Any:
        """A value without Unknowns, whose paths are collected. A list with an unknown item is unknown as a whole."""
        self.evaluator.spend()
        if isinstance(value, dict):
            made = {}
            for key, item in value.items():
                found = _as_unknown(item)
                if found is None:
                    made[key] = self._plain(item, (*path, key), unknown)
                else:
                    unknown.append(((*path, key), found))
            return made
        if isinstance(value, list):
            return [self._plain(item, (*path, index), unknown) for index, item in enumerate(value)]
        return str(value) if isinstance(value, Text) else value


class Written(msgspec.Struct, frozen=True):
    """Where the values of one object were written (a `Trace`): each collection of `value` knows its entries' places."""

    value: Any
    place: Location

    def locate(self, document: Any, path: Path) -> Location:
        """The place of `path`, or of its nearest ancestor that was written somewhere."""
        del document
        found = self.place
        value: Any = self.value
        for step in path:
            if not isinstance(value, Mapping | Items):
                break
            found = value.place(step) or found
            value = _entry(value, step)
        return found


def _entry(value: Any, step: str | int) -> Any:
    """What is at a step of a collection; None if nothing is."""
    if isinstance(value, Mapping):
        return value.get(str(step))
    return value[step] if isinstance(step, int) and step < len(value) else None


def _as_unknown(value: Any) -> Unknown | None:
    if isinstance(value, Unknown):
        return value
    if isinstance(value, list):
        return next((item for item in value if isinstance(item, Unknown)), None)
    return None


def _decoded(text: str) -> Any:
    try:
        return FUNCTIONS["yamldecode"](text)
    except ValueError as error:
        return Unknown(f"not YAML: {error}", failed=True)


def _wrong(value: Any) -> str:
    """Why a value is no object of Kubernetes; empty if it is one."""
    if not isinstance(value, Mapping):
        return "its manifest is no object"
    for name in ("apiVersion", "kind"):
        given = value.get(name)
        if isinstance(given, Unknown):
            return f"its {name} is not known before apply: {given.why}"
        if not isinstance(given, str) or not given:
            return f"not a complete Kubernetes object: it has no {name}"
    return ""
