"""Which node of which file a person would change, for a path in an object. Never edits, and opens no file itself.

An object may stand in a file, come from a template that takes values over, or be built from a base and patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from kubekeep.fixes.edits.change import RefusedError, same
from kubekeep.fixes.edits.reading import Reading
from kubekeep.fixes.edits.syntax import Kind, Node
from kubekeep.model.location import Location, Path, Position, has_path, parse_path, value_at
from kubekeep.model.resource import FileType, Resource
from kubekeep.sources.walk import KUSTOMIZATIONS


class Target(msgspec.Struct, frozen=True):
    """A place in a file as shown to people: its document, counted from 0, and the path in that."""

    file: str
    document: int
    path: Path


def target_of(resource: Resource, path: Path, read: Callable[[str], Reading]) -> Target:
    """The place to change for `path` of `resource`; `read` reads a file by its shown name.

    Raises RefusedError where no text of a file can be changed for it, and what `read` raises.
    """
    source = resource.source
    location = resource.locate(path)
    if source is None or location is None:
        raise RefusedError("it came from no file")
    if source.lazy_source_map is None and source.origin is None and source.source_map is not None:
        _unchanged(resource, source.document, read(source.path))
        return Target(source.path, source.document, source.root + path)
    if location.setting is not None:
        return _setting(resource, path, location, read)
    if source.file_type not in {FileType.KUSTOMIZE, FileType.YAML, FileType.JSON}:
        raise RefusedError(f"a template writes it: {location}")
    return _traced(resource, path, location, read)


def _unchanged(resource: Resource, number: int, file: Reading) -> None:
    """Raises RefusedError when the file says something else than when it was scanned."""
    if not file.says(number, resource.object if resource.document is None else resource.document):
        raise RefusedError("the file has changed since it was scanned")


def _setting(resource: Resource, path: Path, location: Location, read: Callable[[str], Reading]) -> Target:
    """The key of the values file that a template took the value from, or what is to be below that."""
    setting = location.setting
    if setting is None or setting.region is None:
        raise RefusedError(f"it is set on the command line: {setting}")
    key = parse_path(setting.key)
    reached = _reached(resource, path)
    file = read(setting.file)
    found = [(number, at) for number, at in _places(file, setting.region.start) if at[-1:] == key[-1:]]
    if not found:
        raise RefusedError(f"{setting} is not found there")
    number, at = found[0]
    if reached == len(path):
        _equal(file, number, at, value_at(resource.object, path), f"a template makes it from {setting}")
    return Target(setting.file, number, at + path[_taken_over(resource, path, location, reached) :])


def _taken_over(resource: Resource, path: Path, location: Location, reached: int) -> int:
    """How many steps of `path` lead to what the template takes over at `location`.

    That is what the object has of it, or a key that the template would write if there were a value.
    """
    lengths = range(reached, len(path))
    return next((length for length in lengths if resource.locate(path[:length]) == location), len(path))


def _traced(resource: Resource, path: Path, location: Location, read: Callable[[str], Reading]) -> Target:
    """The node of a base or patch that set the value, or what is to be below that."""
    if location.file.replace("\\", "/").rpartition("/")[2] in KUSTOMIZATIONS:
        raise RefusedError(f"the kustomization itself sets it: {location}")
    if location.region is None:
        raise RefusedError(f"its place in {location.file} is not known")
    file = read(location.file)
    reached = _reached(resource, path)
    step = path[reached - 1 : reached]
    for number, at in _places(file, location.region.start):
        if _fits(at[-1:], step, is_whole=reached == len(path)):
            if reached == len(path):
                _equal(file, number, at, value_at(resource.object, path), f"it is made from {location}")
            return Target(location.file, number, at + path[reached:])
    raise RefusedError(f"it is made from {location}, which does not say it as it is")


def _fits(end: Path, step: Path, *, is_whole: bool) -> bool:
    """Whether a node is what the object has at `step`: an item may have another number, a JSON patch says `value`."""
    is_item = bool(end and step) and isinstance(end[0], int) and isinstance(step[0], int)
    return end == step or is_item or (is_whole and end == ("value",))


def _reached(resource: Resource, path: Path) -> int:
    """How many steps of `path` the object has."""
    return next(length for length in range(len(path), -1, -1) if has_path(resource.object, path[:length]))


def _equal(file: Reading, number: int, path: Path, value: Any, reason: str) -> None:
    found = file.values[number]
    if not (has_path(found, path) and same(value_at(found, path), value)):
        raise RefusedError(reason)


def _places(file: Reading, place: Position) -> Sequence[tuple[int, Path]]:
    """The documents and paths of the nodes that start at a place, the outermost first."""
    if place.line > len(file.lines):
        return []
    index = file.lines[place.line - 1] + place.column - 1
    return [(number, path) for number, root in file.roots.items() for path in _paths(root, index)]


def _paths(root: Node, index: int) -> Iterator[Path]:
    todo: list[tuple[Path, int, Node]] = [((), _head(root), root)]
    while todo:
        path, start, node = todo.pop()
        if start == index:
            yield path
        if node.kind is Kind.MAPPING:
            todo += [((*path, key.text), key.start, value) for key, value in reversed(node.entries)]
        elif node.kind is Kind.SEQUENCE:
            todo += [((*path, number), _head(item), item) for number, item in reversed([*enumerate(node.children)])]


def _head(node: Node) -> int:
    """Where a root or an item is shown to start: at its first key or item."""
    return node.children[0].start if node.children else node.start
