"""A text with changes made and proven: read again, it says what was intended and nothing else is different.

What cannot be made, or would change something else, is left out and told. Never opens a file.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kubekeep.fixes.edits.change import Change, RefusedError, branch_of, changed, same
from kubekeep.fixes.edits.editor import Editor
from kubekeep.fixes.edits.reading import Reading
from kubekeep.fixes.edits.splice import Splice, in_order, spliced
from kubekeep.sources.tree import Problem

_UNPROVEN: Final = "the edit would change something else too"
_UNREADABLE: Final = "its document cannot be read"


class Edited(msgspec.Struct, frozen=True):
    """A text after its changes: the splices that made it, in order, and why some changes are not in it, by number."""

    text: str
    splices: tuple[Splice, ...]
    refused: dict[int, str]


def edit(file: Reading, changes: Sequence[Change]) -> Edited:
    """Make `changes`, numbered from 0 as they come."""
    return _Text(file, changes).edited()


class _Text:
    """A text, its documents, and what is to become of them."""

    def __init__(self, file: Reading, changes: Sequence[Change]) -> None:
        self._file = file
        self._text = file.text
        self._changes = changes
        self._refused: dict[int, str] = {}

    def edited(self) -> Edited:
        """What becomes of the text."""
        _, splices = self._proven([number for number in range(len(self._changes)) if self._is_possible(number)])
        return Edited(spliced(self._text, splices), tuple(splices), self._refused)

    def _is_possible(self, number: int) -> bool:
        at = self._changes[number].document
        known = at in self._file.roots and isinstance(self._file.values[at], dict | list)
        if not known:
            self._refused[number] = _UNREADABLE
        return known

    def _proven(self, numbers: list[int]) -> tuple[list[int], list[Splice]]:
        """Those of the changes that can be made together and do what they are for, and the splices that make them."""
        splices, refused = self._made(numbers)
        if refused:
            self._refused |= refused
            return self._proven([number for number in numbers if number not in refused])
        if not numbers or self._holds(numbers, splices):
            return numbers, splices
        if len(numbers) == 1:
            self._refused[numbers[0]] = _UNPROVEN
            return [], []
        half = len(numbers) // 2
        one, splices_of_one = self._proven(numbers[:half])
        other, _ = self._proven(numbers[half:])
        both = [*one, *other]
        splices, refused = self._made(both)
        if not refused and self._holds(both, splices):
            return both, splices
        self._refused |= dict.fromkeys(other, _UNPROVEN)
        return one, splices_of_one

    def _by_document(self, numbers: Sequence[int]) -> Mapping[int, dict[int, Change]]:
        found: dict[int, dict[int, Change]] = {}
        for number in numbers:
            change = self._changes[number]
            found.setdefault(change.document, {})[number] = change
        return found

    def _made(self, numbers: Sequence[int]) -> tuple[list[Splice], dict[int, str]]:
        """The splices of these changes, in order, and what was refused of them."""
        splices: list[Splice] = []
        refused: dict[int, str] = {}
        for at, changes in self._by_document(numbers).items():
            branch, clashes = branch_of(changes)
            editor = Editor(self._text, self._file.style(at))
            editor.edit(self._file.roots[at], self._file.values[at], branch)
            splices += editor.splices
            refused |= clashes | editor.refused
        try:
            return in_order(splices), refused
        except ValueError:
            # Told apart by `_holds`, which cannot hold for a text that was not changed.
            return [], refused

    def _holds(self, numbers: Sequence[int], splices: Sequence[Splice]) -> bool:
        """Whether the text with these splices says what is intended, and all else as before."""
        wanted = list(self._file.values)
        for at, changes in self._by_document(numbers).items():
            branch, _ = branch_of(changes)
            try:
                wanted[at] = changed(self._file.values[at], branch)
            except RefusedError:
                return False
        found = Reading(spliced(self._text, splices), is_json=self._file.is_json).values
        return len(found) == len(wanted) and all(map(_alike, found, wanted))


def _alike(found: Any, wanted: Any) -> bool:
    if isinstance(found, Problem) or isinstance(wanted, Problem):
        return isinstance(found, Problem) and isinstance(wanted, Problem) and found.message == wanted.message
    return same(found, wanted)
