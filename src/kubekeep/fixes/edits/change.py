"""What is to become of a value: changes by path, how they fit together, and what they make of it.

Values only; texts are changed elsewhere.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path, format_path

ABSENT: Final = msgspec.UNSET
"""No value."""


class Change(msgspec.Struct, frozen=True):
    """A value to set at a path into a document; without one, what is there is to be removed.

    Mappings on the way that are missing or null are made; an index beyond the end of a list appends. `document`
    counts from 0.
    """

    document: int
    path: Path
    value: Any = ABSENT

    @property
    def removes(self) -> bool:
        """Whether it removes."""
        return self.value is ABSENT

    def __str__(self) -> str:
        return format_path(self.path)


class RefusedError(ValueError):
    """A change that cannot be made, and why."""


class Branch:
    """The changes below one value, by the next step of their paths.

    `value` is what to set here, `removes` that this is to go; `changes` are the numbers of the changes that end here.
    """

    __slots__ = ("changes", "removes", "steps", "value")

    def __init__(self) -> None:
        self.steps: dict[str | int, Branch] = {}
        self.value: Any = ABSENT
        self.removes = False
        self.changes: list[int] = []

    @property
    def is_leaf(self) -> bool:
        """Whether a change ends here, which leaves nothing to be changed below."""
        return self.removes or self.value is not ABSENT

    def numbers(self) -> list[int]:
        """The numbers of the changes here and below."""
        found = list(self.changes)
        for branch in self.steps.values():
            found += branch.numbers()
        return found

    def wants_what(self, other: Branch) -> bool:
        """Whether both ask for the same."""
        return (
            self.removes == other.removes
            and _text(self.value) == _text(other.value)
            and self.steps.keys() == other.steps.keys()
            and all(branch.wants_what(other.steps[step]) for step, branch in self.steps.items())
        )


def branch_of(changes: Mapping[int, Change]) -> tuple[Branch, dict[int, str]]:
    """The changes of one document by their numbers as a tree, and why some are not in it: others contradict them."""
    root = Branch()
    refused: dict[int, str] = {}
    for number, change in changes.items():
        branch, clash = root, False
        for step in change.path:
            clash = clash or branch.is_leaf
            branch = branch.steps.setdefault(step, Branch()) if not clash else branch
        if clash or not change.path or branch.steps:
            refused[number] = "another change replaces what it lies in, or lies below it"
        elif branch.is_leaf and (branch.removes, _text(branch.value)) != (change.removes, _text(change.value)):
            refused[number] = "another change wants something else there"
        else:
            branch.removes, branch.value = change.removes, change.value
            branch.changes.append(number)
    return root, refused


def built(branch: Branch) -> Any:
    """The value that changes make where nothing is. Raises RefusedError for those that remove."""
    if branch.removes:
        raise RefusedError("there is nothing to remove")
    if not branch.steps:
        return branch.value
    if all(isinstance(step, int) for step in branch.steps):
        return [built(branch.steps[step]) for step in sorted(branch.steps)]
    return {str(step): built(branch.steps[step]) for step in ordered(branch.steps)}


def ordered(steps: Iterable[str | int]) -> list[str | int]:
    """Steps in the order in which new keys and items are written: indexes, then keys by their text."""
    return sorted(steps, key=lambda step: (isinstance(step, str), step if isinstance(step, int) else 0, str(step)))


def changed(value: Any, branch: Branch) -> Any:
    """The value after its changes; the one given stays as it is. Raises RefusedError where they do not fit."""
    if branch.value is not ABSENT:
        return branch.value
    if not branch.steps:
        return value
    if value is None or value in ({}, []):
        return built(branch)
    if isinstance(value, dict):
        kept = {key: item for key, item in value.items() if key not in branch.steps}
        for step in value.keys() & branch.steps.keys():
            if not branch.steps[step].removes:
                kept[step] = changed(value[step], branch.steps[step])
        new = {step: built(branch.steps[step]) for step in ordered(branch.steps.keys() - value.keys())}
        return {**{key: kept[key] for key in value if key in kept}, **new}
    if isinstance(value, list):
        return _changed_list(value, branch)
    raise RefusedError("it lies below a value that is no mapping")


def _changed_list(value: list[Any], branch: Branch) -> list[Any]:
    kept = []
    for index, item in enumerate(value):
        below = branch.steps.get(index)
        if below is None:
            kept.append(item)
        elif not below.removes:
            kept.append(changed(item, below))
    if not all(isinstance(step, int) for step in branch.steps):
        raise RefusedError("it lies below a list")
    return kept + [built(branch.steps[step]) for step in ordered(branch.steps) if step not in range(len(value))]


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same to Kubernetes: numbers are no booleans, the order of keys does not count."""
    return _text(one) == _text(other)


def _text(value: Any) -> bytes:
    return b"" if value is ABSENT else msgspec.json.encode(value, order="sorted")
