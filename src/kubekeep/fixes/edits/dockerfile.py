"""Edits of a Dockerfile: the keyword of an instruction, and words of commands. Each edit is proven by reading the result.

Other values are refused: they may be quoted, or in a JSON list. Never opens a file.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from kubekeep.fixes.edits.change import Change, EditRefusedError
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.edits.splice import Splice, apply_splices, sort_splices
from kubekeep.model.location import Path, value_at
from kubekeep.sources.dockerfile.document import DockerfileDocument, build_document
from kubekeep.sources.dockerfile.errors import DockerfileError

_NOT_WRITTEN: Final = "it is quoted, or computed from another value"
_UNPROVEN: Final = "the edit would also change another instruction"
_CHANGED_KEYS: Final = frozenset({"line", "text", "commands", "instruction"})
"""Fields of an instruction that an edit changes. Without whole lines, the lines of later instructions change."""


class DockerfileEditText(ParsedText):
    """The text of a Dockerfile."""

    @cached_property
    def document(self) -> DockerfileDocument | None:
        """The object with its source map; None if the text is invalid."""
        try:
            return build_document(self.text, "")
        except DockerfileError:
            return None

    def has_value(self, number: int, value: Any) -> bool:
        """Return True if the text has the stages of this object."""
        return number == 0 and self.document is not None and self.document.value["stages"] == value.get("stages")


def edit_dockerfile(file: DockerfileEditText, changes: Sequence[Change]) -> tuple[str, list[Splice], dict[int, str]]:
    """Return the edited text, its sorted splices, and the reason for each refused change, by number."""
    splices: list[Splice] = []
    edited: frozenset[Path] = frozenset()
    refused: dict[int, str] = {}
    for number, change in enumerate(changes):
        try:
            splice = _make_splice(file, change, number)
            ordered = sort_splices([*splices, splice])
            _check_made(file, _read(file, [splice]), change)
            _check_others(file, _read(file, ordered), edited | {change.path[:4]})
        except (EditRefusedError, ValueError, LookupError) as error:
            refused[number] = str(error) if isinstance(error, EditRefusedError) else _NOT_WRITTEN
        else:
            splices, edited = ordered, edited | {change.path[:4]}
    return apply_splices(file.text, splices), splices, refused


def _read(file: DockerfileEditText, splices: Sequence[Splice]) -> DockerfileDocument:
    """Return the object after an edit. Raises EditRefusedError if the result is invalid."""
    document = DockerfileEditText(apply_splices(file.text, splices)).document
    if document is None:
        raise EditRefusedError(_UNPROVEN)
    return document


def _make_splice(file: DockerfileEditText, change: Change, number: int) -> Splice:
    document = file.document
    if document is None:
        raise EditRefusedError("the file cannot be read")
    value = value_at(document.value, change.path)
    *_, start, end = document.source_map.find_extents(document.value, change.path)
    written = file.text[start:end]
    if change.path[-1:] == ("instruction",) and isinstance(change.value, str) and written.upper() == value:
        new = change.value.lower() if written.islower() else change.value
        return Splice(start, end, new, (number,))
    is_word = change.path[-2:-1] == ("command",) and _get_form(document, change.path) == "shell"
    if change.removes and is_word and written == value:
        return Splice(*_find_removed(file, start, end), "", (number,))
    raise EditRefusedError(_NOT_WRITTEN)


def _get_form(document: DockerfileDocument, path: Path) -> str:
    """Return the form of the instruction with a command."""
    instruction = value_at(document.value, path[: path.index("commands")])
    return str(instruction.get("form"))


def _find_removed(file: DockerfileEditText, start: int, end: int) -> tuple[int, int]:
    """Return the range of a word with the white space before it, or of its whole line if that has nothing else."""
    text = file.text
    line_start = text.rfind("\n", 0, start) + 1
    line_end = text.find("\n", end)
    if line_end >= 0 and not text[line_start:start].strip() and text[end:line_end].strip() in ("\\", "`"):
        return line_start, line_end + 1
    while start > line_start and text[start - 1] in " \t":
        start -= 1
    return start, end


def _check_others(file: DockerfileEditText, after: DockerfileDocument, edited: frozenset[Path]) -> None:
    """Raise EditRefusedError if an instruction that is not in `edited` has changed."""
    before = file.document.value if file.document is not None else {"stages": []}
    for stage, (one, other) in enumerate(itertools.zip_longest(before["stages"], after.value["stages"])):
        if one is None or other is None:
            raise EditRefusedError(_UNPROVEN)
        for index, pair in enumerate(itertools.zip_longest(one["instructions"], other["instructions"])):
            skipped = _CHANGED_KEYS if ("stages", stage, "instructions", index) in edited else frozenset({"line"})
            if None in pair or _without(pair[0], skipped) != _without(pair[1], skipped):
                raise EditRefusedError(_UNPROVEN)


def _check_made(file: DockerfileEditText, after: DockerfileDocument, change: Change) -> None:
    """Raise EditRefusedError if the change is not made, or has changed another word of the command."""
    before = value_at(file.document.value if file.document is not None else {}, change.path[:-1])
    now = value_at(after.value, change.path[:-1])
    if change.removes:
        at = int(change.path[-1])
        is_made = now == [*before[:at], *before[at + 1 :]]
    else:
        is_made = now[change.path[-1]] == change.value
    if not is_made:
        raise EditRefusedError(_UNPROVEN)


def _without(instruction: Mapping[str, Any], skipped: frozenset[str]) -> dict[str, Any]:
    """Return an instruction without some fields, also of the instruction after ONBUILD."""
    return {
        key: _without(value, skipped) if key == "trigger" else value
        for key, value in instruction.items()
        if key not in skipped
    }
