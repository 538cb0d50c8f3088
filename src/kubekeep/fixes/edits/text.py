"""Edits of a text, proven by parsing the result: it has the intended values and is otherwise unchanged.

Changes that cannot be made, or would affect other values, are refused with a reason. Never opens a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.fixes.edits.change import Change, EditRefusedError, apply_changes, build_tree, is_equal
from kubekeep.fixes.edits.dockerfile import DockerfileEditText, edit_dockerfile
from kubekeep.fixes.edits.editor import Editor
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.splice import Splice, apply_splices, sort_splices
from kubekeep.sources.tree import Problem

_UNPROVEN: Final = "the edit would also change another value"
_UNREADABLE: Final = "its document cannot be read"


class EditResult(msgspec.Struct, frozen=True):
    """An edited text: its sorted splices, and the reason for each refused change, by number."""

    text: str
    splices: tuple[Splice, ...]
    refused: dict[int, str]


def edit(file: ParsedText, changes: Sequence[Change]) -> EditResult:
    """Make changes, numbered from 0 in their order."""
    if isinstance(file, DockerfileEditText):
        text, splices, refused = edit_dockerfile(file, changes)
        return EditResult(text, tuple(splices), refused)
    return _TextEdit(file, changes).make()


class _TextEdit:
    """A text with its documents and changes."""

    def __init__(self, file: ParsedText, changes: Sequence[Change]) -> None:
        self._file = file
        self._text = file.text
        self._changes = changes
        self._refused: dict[int, str] = {}

    def make(self) -> EditResult:
        """Return the edited text."""
        _, splices = self._prove([number for number in range(len(self._changes)) if self._is_possible(number)])
        return EditResult(apply_splices(self._text, splices), tuple(splices), self._refused)

    def _is_possible(self, number: int) -> bool:
        document = self._changes[number].document
        is_editable = document in self._file.roots and isinstance(self._file.values[document], dict | list)
        if not is_editable:
            self._refused[number] = _UNREADABLE
        return is_editable

    def _prove(self, numbers: list[int]) -> tuple[list[int], list[Splice]]:
        """Return the numbers of the changes that can be made together and proven, and their splices.

        If the proof fails, it is repeated for both halves of the changes to isolate those that cannot be proven.
        """
        splices, refused = self._make_splices(numbers)
        if refused:
            self._refused |= refused
            return self._prove([number for number in numbers if number not in refused])
        if not numbers or self._is_proven(numbers, splices):
            return numbers, splices
        if len(numbers) == 1:
            self._refused[numbers[0]] = _UNPROVEN
            return [], []
        # Halves, not one by one: nearly always one change of hundreds is at fault, and each proof parses the text.
        half = len(numbers) // 2
        one, splices_of_one = self._prove(numbers[:half])
        other, _ = self._prove(numbers[half:])
        both = [*one, *other]
        splices, refused = self._make_splices(both)
        if not refused and self._is_proven(both, splices):
            return both, splices
        self._refused |= dict.fromkeys(other, _UNPROVEN)
        return one, splices_of_one

    def _group_by_document(self, numbers: Sequence[int]) -> Mapping[int, dict[int, Change]]:
        by_document: dict[int, dict[int, Change]] = {}
        for number in numbers:
            change = self._changes[number]
            by_document.setdefault(change.document, {})[number] = change
        return by_document

    def _make_splices(self, numbers: Sequence[int]) -> tuple[list[Splice], dict[int, str]]:
        """Return the sorted splices of changes, and the refused changes."""
        splices: list[Splice] = []
        refused: dict[int, str] = {}
        for document, changes in self._group_by_document(numbers).items():
            tree, conflicts = build_tree(changes)
            editor = Editor(self._text, self._file.get_style(document))
            editor.edit(self._file.roots[document], self._file.values[document], tree)
            splices += editor.splices
            refused |= conflicts | editor.refused
        try:
            return sort_splices(splices), refused
        except ValueError:
            # Detected by `_is_proven`, which is False for an unchanged text.
            return [], refused

    def _is_proven(self, numbers: Sequence[int], splices: Sequence[Splice]) -> bool:
        """Return True if the text with splices has the intended values and is otherwise unchanged."""
        expected = list(self._file.values)
        for document, changes in self._group_by_document(numbers).items():
            tree, _ = build_tree(changes)
            try:
                expected[document] = apply_changes(self._file.values[document], tree)
            except EditRefusedError:
                return False
        # The reader of scans, not our syntax nodes: an error in these cannot prove itself.
        values = ParsedText(apply_splices(self._text, splices), is_json=self._file.is_json).values
        return len(values) == len(expected) and all(map(_is_same, values, expected))


def _is_same(value: Any, expected: Any) -> bool:
    if isinstance(value, Problem) or isinstance(expected, Problem):
        return isinstance(value, Problem) and isinstance(expected, Problem) and value.message == expected.message
    return is_equal(value, expected)
