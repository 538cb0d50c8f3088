"""One rendered document traced: a path into the object becomes the place in the template and the value behind it.

Answers from what was rendered; never guesses a file.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.location import LazySourceMap, Location, Path, Region, Setting, SourceMap
from kubekeep.sources.helm.trace.documents import Alignment
from kubekeep.sources.helm.trace.layers import Ref
from kubekeep.sources.helm.trace.missing import Block
from kubekeep.sources.helm.trace.outline import Outline
from kubekeep.sources.helm.trace.rendered import Rendered
from kubekeep.sources.helm.trace.symbols import Made
from kubekeep.sources.helm.trace.units import Unit

_ENTRIES: Final = 64
_FLOW: Final = frozenset(("", "{", "*"))


class DocumentTrace:
    """Where the text of one document was written. `shown` is its template as people know it.

    `found` is what was rendered, or the outline of the template if that is all there is, or None if nothing is known;
    `at` is where the document begins in what was rendered, or `alignment` leads from its lines to those.
    """

    def __init__(
        self,
        shown: Mapping[str, str],
        template: str,
        text: str,
        found: Rendered | Outline | None = None,
        at: int = 0,
        alignment: Alignment | None = None,
    ) -> None:
        self.file = shown.get(template, template)
        self._shown = shown
        self._text = text
        self._rendered = found if isinstance(found, Rendered) else None
        self._outline = found if isinstance(found, Outline) else None
        self._at = at
        self._alignment = alignment

    def over(self, marks: SourceMap) -> LazySourceMap:
        """The trace of the document, whose nodes stand where `marks` say in its text."""
        return _Trace(self, marks)

    def index(self, index: int) -> int | None:
        """Where a character of the document is in what was rendered."""
        if self._alignment is None:
            return self._at + index
        found = self._alignment.index(index)
        return None if found is None else self._at + found

    def location(self, start: int, end: int, setting: Setting | None) -> Location:
        """The place of a stretch of the document."""
        if self._outline is not None:
            return Location(self.file, self._outline.region(start), setting)
        first, last = self.index(start), self.index(max(end - 1, start))
        if self._rendered is None or first is None:
            return Location(self.file, None, setting)
        found = self._rendered.region(first, max(last if last is not None else first, first) + 1)
        if found is None:
            return Location(self.file, None, setting)
        return self.place(*found, setting)

    def place(self, unit: Unit, region: Region, setting: Setting | None) -> Location:
        """A region of a template."""
        return Location(self._shown.get(unit.name, unit.name), region, setting)

    @property
    def rendered(self) -> Rendered | None:
        """What is known of the rendering."""
        return self._rendered

    @property
    def text(self) -> str:
        """The document."""
        return self._text


class _Trace:
    """A document's trace with the places of its nodes."""

    def __init__(self, document: DocumentTrace, marks: SourceMap) -> None:
        self._document = document
        self._marks = marks
        self._known: dict[Path, Location] = {}
        self._extents: dict[Path, tuple[int, int, int, int]] = {}

    def locate(self, document: Any, path: Path) -> Location:
        """See `model.location.Trace`."""
        found = self._known.get(path)
        if found is None:
            found = self._known[path] = self._locate(document, path)
        return found

    def _locate(self, document: Any, path: Path) -> Location:
        held, value = _held(document, path)
        setting = None
        if self._document.rendered is not None:
            if isinstance(value, dict | list) and value:
                setting = self._of_collection(self._document.rendered, document, held, value)
            else:
                setting = self._of_scalar(self._document.rendered, document, held)
        if setting is None and held != path and isinstance(value, dict):
            found = self._missing(document, held, path[len(held) :])
            if found is not None:
                return found
        start, end, *_ = self._at(document, held)
        return self._document.location(start, end, setting)

    def _missing(self, document: Any, held: Path, steps: Path) -> Location | None:
        """The line that would have written what a mapping lacks, had its branch been taken; None if there is not one."""
        rendered, text = self._document.rendered, self._document.text
        _, _, start, end = self._at(document, held)
        if rendered is None or text[start : start + 1] in _FLOW:
            return None
        last = text.rfind("\n", 0, start + len(text[start:end].rstrip())) + 1
        first, last_line = self._document.index(start), self._document.index(max(last, start))
        if first is None or last_line is None:
            return None
        found = rendered.missing(Block(first, last_line, start - text.rfind("\n", 0, start) - 1), steps)
        if found is None:
            return None
        unit, region, setting = found
        return self._document.place(unit, region, setting)

    def _at(self, document: Any, path: Path) -> tuple[int, int, int, int]:
        """The extents of a path, kept, because those of the entries around it are asked for again and again."""
        found = self._extents.get(path)
        if found is None:
            found = self._extents[path] = self._marks.extents(document, path)
        return found

    def _of_scalar(self, rendered: Rendered, document: Any, path: Path) -> Setting | None:
        """The value that a scalar, or an empty collection, was taken from."""
        _, _, value_at, value_end = self._at(document, path)
        start, end = self._document.index(value_at), self._document.index(max(value_end - 1, value_at))
        if start is None or end is None:
            return None
        text = self._document.text[value_at:value_end]
        if not text:
            end += len(self._document.text[value_at:].partition("\n")[0]) + 1
        candidates: list[tuple[Ref, Setting]] = []
        for action in rendered.actions(start, end + bool(text)):
            # Where nothing was printed, so may have been by what follows.
            if not text and not rendered.beside(action, start - 1):
                continue
            below = self._below(document, path, action)
            symbol = rendered.printed(action, below)
            found = rendered.settings(symbol) if symbol is not None else []
            if below and isinstance(symbol, Made):
                # The action printed more than this, and nobody knows from what it made which part.
                found = [
                    (ref, setting)
                    for ref, setting in found
                    if _appears(rendered.value(ref), text) or _appears(ref.path[-1] if ref.path else "", text)
                ]
            candidates += found
        shown = [setting for ref, setting in candidates if _appears(rendered.value(ref), text)]
        return next(iter(shown), candidates[0][1] if candidates else None)

    def _of_collection(self, rendered: Rendered, document: Any, path: Path, value: Any) -> Setting | None:
        """The value that a whole collection was taken from: all its entries are of the same action."""
        first, *others = _steps(value)
        action = self._action(document, (*path, first))
        if action < 0 or any(self._action(document, (*path, step)) != action for step in others):
            return None
        below = self._below(document, (*path, first), action)
        if not below:
            return None
        symbol = rendered.printed(action, below[:-1])
        found = rendered.settings(symbol, whole=True) if symbol is not None else []
        return next((setting for _, setting in found), None)

    def _action(self, document: Any, path: Path, *, of_value: bool = False) -> int:
        """The innermost action that printed the key of an entry, or the dash of an item, or its value; -1 for none."""
        rendered = self._document.rendered
        at, _, value_at, _ = self._at(document, path)
        if of_value:
            at = value_at
        elif isinstance(path[-1], int):
            # The dash, or the bracket or comma of a flow sequence.
            at = max(len(self._document.text[:at].rstrip()) - 1, 0)
        index = self._document.index(at)
        return rendered.action_at(index) if rendered is not None and index is not None else -1

    def _below(self, document: Any, path: Path, action: int) -> Path:
        """The steps from what an action printed to a path: () if the action printed no more than the value."""
        for length in range(1, len(path) + 1):
            head = path[:length]
            if self._action(document, head, of_value=True) != action:
                continue
            if self._action(document, head) != action:
                return path[length:]
            step = path[length - 1]
            if isinstance(step, int):
                # The items that an action printed follow each other, this one among them.
                own = path[: length - 1]
                first = bisect_left(
                    range(step), True, key=lambda number: self._action(document, (*own, number)) == action
                )
                return (step - first, *path[length:])
            return path[length - 1 :]
        return ()


def _held(document: Any, path: Path) -> tuple[Path, Any]:
    """The longest beginning of a path that the document has, and the value there."""
    value: Any = document
    for length, step in enumerate(path):
        if isinstance(value, dict) and step in value:  # noqa: SIM114 - two types for mypy
            value = value[step]
        elif isinstance(value, list) and isinstance(step, int) and 0 <= step < len(value):
            value = value[step]
        else:
            return path[:length], value
    return path, value


def _steps(value: dict[str, Any] | list[Any]) -> Iterator[str | int]:
    """The first entries of a collection, which speak for all, and the last."""
    steps: Sequence[str | int] = list(value) if isinstance(value, dict) else range(len(value))
    yield from steps[:_ENTRIES]
    yield from steps[max(len(steps) - 1, _ENTRIES) :]


def _appears(value: Any, text: str) -> bool:
    """Whether a value, as it would be printed, is part of a text."""
    if isinstance(value, bool):
        return str(value).lower() in text
    return isinstance(value, str | int | float) and str(value) != "" and str(value) in text
