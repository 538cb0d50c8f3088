"""The node of a file to edit for a path of an object. Never edits and opens no file.

An object may be written in a file, rendered from a template, or built from a base and patches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import msgspec

from kubekeep.fixes.edits.change import EditRefusedError, is_equal
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.syntax import Node, NodeKind
from kubekeep.model.location import Location, Path, Position, has_path, parse_path, value_at
from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType


class EditTarget(msgspec.Struct, frozen=True):
    """A place to edit: displayed file name, document index from 0, and path in the document."""

    file: str
    document: int
    path: Path


def find_target(resource: Resource, path: Path, read: Callable[[str], ParsedText]) -> EditTarget:
    """Return the place to edit for a path of a resource. read: parses a file by displayed name.

    Raises EditRefusedError if no text can be edited for it, and errors of `read`.
    """
    source = resource.source
    location = resource.locate(path)
    if source is None or location is None:
        raise EditRefusedError("it is not from a file")
    if source.lazy_source_map is None and source.origin is None and source.source_map is not None:
        _check_unchanged(resource, source.document, read(source.path))
        return EditTarget(source.path, source.document, source.root + path)
    if location.setting is not None:
        return _find_setting(resource, path, location, read)
    if source.file_type.is_template:
        verb = "sets it" if has_path(resource.object, path) else "must set it; the field is missing"
        raise EditRefusedError(f"a template {verb}: {location}")
    return _find_in_source(resource, source.file_type, path, location, read)


def _check_unchanged(resource: Resource, number: int, file: ParsedText) -> None:
    """Raise EditRefusedError if the file has changed since it was scanned."""
    if not file.has_value(number, resource.object if resource.document is None else resource.document):
        raise EditRefusedError("the file has changed since it was scanned")


def _find_setting(resource: Resource, path: Path, location: Location, read: Callable[[str], ParsedText]) -> EditTarget:
    """Return the key of the values file that a template took the value from, or a path below it."""
    setting = location.setting
    if setting is None or setting.region is None:
        raise EditRefusedError(f"it is set on the command line: {setting}")
    key = parse_path(setting.key)
    existing = _count_existing_steps(resource, path)
    file = read(setting.file)
    positions = [(number, at) for number, at in _find_positions(file, setting.region.start) if at[-1:] == key[-1:]]
    if not positions:
        raise EditRefusedError(f"{setting} was not found in the file")
    number, at = positions[0]
    if existing == len(path):
        _check_equal(file, number, at, value_at(resource.object, path), f"a template computes it from {setting}")
    return EditTarget(setting.file, number, at + path[_count_shared_steps(resource, path, location, existing) :])


def _count_shared_steps(resource: Resource, path: Path, location: Location, existing: int) -> int:
    """Return the length of the shortest prefix of `path` at `location`, the value that a template inserts as a whole.

    The prefix has `existing` steps or more; if none is at `location`, all of `path`.
    """
    lengths = range(existing, len(path))
    return next((length for length in lengths if resource.locate(path[:length]) == location), len(path))


def _find_in_source(
    resource: Resource, file_type: FileType, path: Path, location: Location, read: Callable[[str], ParsedText]
) -> EditTarget:
    """Return the node of a base or patch that set the value, or a path below it."""
    if location.file.replace("\\", "/").rpartition("/")[2] in file_type.fixed_files:
        raise EditRefusedError(f"the {file_type.origin} itself sets it: {location}")
    if location.region is None:
        raise EditRefusedError(f"its line in {location.file} is unknown")
    file = read(location.file)
    existing = _count_existing_steps(resource, path)
    step = path[existing - 1 : existing]
    for number, at in _find_positions(file, location.region.start):
        if _is_match(at[-1:], step, is_whole=existing == len(path)):
            if existing == len(path):
                _check_equal(file, number, at, value_at(resource.object, path), f"it is computed from {location}")
            return EditTarget(location.file, number, at + path[existing:])
    raise EditRefusedError(f"it is computed from {location}, which contains another value")


def _is_match(end: Path, step: Path, *, is_whole: bool) -> bool:
    """Return True if a node is the object's value at `step`: the index may differ, and a JSON patch uses `value`."""
    is_item = bool(end and step) and isinstance(end[0], int) and isinstance(step[0], int)
    return end == step or is_item or (is_whole and end == ("value",))


def _count_existing_steps(resource: Resource, path: Path) -> int:
    """Return the number of steps of path that exist in the object."""
    return next(length for length in range(len(path), -1, -1) if has_path(resource.object, path[:length]))


def _check_equal(file: ParsedText, number: int, path: Path, value: Any, reason: str) -> None:
    document = file.values[number]
    if not (has_path(document, path) and is_equal(value_at(document, path), value)):
        raise EditRefusedError(reason)


def _find_positions(file: ParsedText, position: Position) -> Sequence[tuple[int, Path]]:
    """Return the documents and paths of the nodes that start at a position, the outermost first."""
    if position.line > len(file.lines):
        return []
    index = file.lines[position.line - 1] + position.column - 1
    return [(number, path) for number, root in file.roots.items() for path in _find_paths(root, index)]


def _find_paths(root: Node, index: int) -> Iterator[Path]:
    todo: list[tuple[Path, int, Node]] = [((), _get_start(root), root)]
    while todo:
        path, start, node = todo.pop()
        if start == index:
            yield path
        if node.kind is NodeKind.MAPPING:
            todo += [((*path, key.text), key.start, value) for key, value in reversed(node.entries)]
        elif node.kind is NodeKind.SEQUENCE:
            todo += [
                ((*path, number), _get_start(child), child) for number, child in reversed([*enumerate(node.children)])
            ]


def _get_start(node: Node) -> int:
    """Return the displayed start of a root or item: its first key or item."""
    return node.children[0].start if node.children else node.start
