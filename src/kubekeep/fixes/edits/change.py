"""Changes of values by path: their combination as a tree, and the changed value. Never edits a text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, format_path

ABSENT: Final = msgspec.UNSET
"""Stands for no value, to remove one."""


class Change(msgspec.Struct, frozen=True):
    """A value to set at a path of a document, or to remove if `value` is ABSENT.

    Missing or null mappings on the path are created; an index beyond the end of a list appends. document: index from 0.
    """

    document: int
    path: Path
    value: Any = ABSENT

    @property
    def removes(self) -> bool:
        """True if the value is removed."""
        return self.value is ABSENT

    def __str__(self) -> str:
        return format_path(self.path)


class EditRefusedError(ValueError):
    """A change that cannot be made; the message is the reason."""


class ChangeTree:
    """The changes below one value, by the next step of their paths.

    value: the value to set here. removes: this value is removed. changes: numbers of the changes that end here.
    """

    __slots__ = ("changes", "removes", "steps", "value")

    def __init__(self) -> None:
        self.steps: dict[str | int, ChangeTree] = {}
        self.value: Any = ABSENT
        self.removes = False
        self.changes: list[int] = []

    @property
    def is_leaf(self) -> bool:
        """True if a change ends here, so that no value below can be changed."""
        return self.removes or self.value is not ABSENT

    def list_numbers(self) -> list[int]:
        """Return the numbers of the changes here and below."""
        numbers = list(self.changes)
        for subtree in self.steps.values():
            numbers += subtree.list_numbers()
        return numbers

    def equals(self, other: ChangeTree) -> bool:
        """Return True if both trees make the same changes."""
        return (
            self.removes == other.removes
            and _encode(self.value) == _encode(other.value)
            and self.steps.keys() == other.steps.keys()
            and all(subtree.equals(other.steps[step]) for step, subtree in self.steps.items())
        )


def build_tree(changes: Mapping[int, Change]) -> tuple[ChangeTree, dict[int, str]]:
    """Return the changes of one document as a tree, and the reason for each change in conflict with another, by number."""
    root = ChangeTree()
    refused: dict[int, str] = {}
    for number, change in changes.items():
        tree, has_conflict = root, False
        for step in change.path:
            has_conflict = has_conflict or tree.is_leaf
            tree = tree.steps.setdefault(step, ChangeTree()) if not has_conflict else tree
        if has_conflict or not change.path or tree.steps:
            refused[number] = "another change replaces its parent or a value below it"
        elif tree.is_leaf and (tree.removes, _encode(tree.value)) != (change.removes, _encode(change.value)):
            refused[number] = "another change sets a different value"
        else:
            tree.removes, tree.value = change.removes, change.value
            tree.changes.append(number)
    return root, refused


def build_value(tree: ChangeTree) -> Any:
    """Build the value that changes create at an absent path. Raises EditRefusedError for removals."""
    if tree.removes:
        raise EditRefusedError("there is nothing to remove")
    if not tree.steps:
        return tree.value
    if all(isinstance(step, int) for step in tree.steps):
        return [build_value(tree.steps[step]) for step in sorted(tree.steps)]
    return {str(step): build_value(tree.steps[step]) for step in sort_steps(tree.steps)}


def sort_steps(steps: Iterable[str | int]) -> list[str | int]:
    """Sort steps in the order in which new keys and items are written: indexes, then keys by text."""
    return sorted(steps, key=lambda step: (isinstance(step, str), step if isinstance(step, int) else 0, str(step)))


def apply_changes(value: Any, tree: ChangeTree) -> Any:
    """Return a copy of the value with its changes. Raises EditRefusedError if they do not fit."""
    if tree.value is not ABSENT:
        return tree.value
    if not tree.steps:
        return value
    if value is None or value in ({}, []):
        return build_value(tree)
    if isinstance(value, dict):
        changed = {key: child for key, child in value.items() if key not in tree.steps}
        for step in value.keys() & tree.steps.keys():
            if not tree.steps[step].removes:
                changed[step] = apply_changes(value[step], tree.steps[step])
        new = {step: build_value(tree.steps[step]) for step in sort_steps(tree.steps.keys() - value.keys())}
        return {**{key: changed[key] for key in value if key in changed}, **new}
    if isinstance(value, list):
        return _apply_to_list(value, tree)
    raise EditRefusedError("it is below a value that is not a mapping")


def _apply_to_list(value: list[Any], tree: ChangeTree) -> list[Any]:
    elements = []
    for index, child in enumerate(value):
        subtree = tree.steps.get(index)
        if subtree is None:
            elements.append(child)
        elif not subtree.removes:
            elements.append(apply_changes(child, subtree))
    if not all(isinstance(step, int) for step in tree.steps):
        raise EditRefusedError("it is below a list")
    return elements + [
        build_value(tree.steps[step]) for step in sort_steps(tree.steps) if step not in range(len(value))
    ]


def is_equal(one: Any, other: Any) -> bool:
    """Return True if Kubernetes treats two values as equal: numbers differ from booleans, key order is ignored."""
    return _encode(one) == _encode(other)


def _encode(value: Any) -> bytes:
    return b"" if value is ABSENT else msgspec.json.encode(value, order="sorted")
