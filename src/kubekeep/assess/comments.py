"""Comments that waive, in the text of a file: `# kubekeep:ignore C-0057 until=2027-01-01 reason=...`.

Says what each one asks for and which lines it covers; what cannot be understood is told and covers nothing. Lines
belong together by their indentation, as that is all that manifests, templates and Terraform have in common. Knows no
control, opens no file, and never waives anything: see `assess.commented`.
"""

from __future__ import annotations

import datetime as dt
import enum
import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import msgspec

from kubekeep.model.location import Position, Region, line_starts

MARKER: Final = "kubekeep:ignore"
"""What a text without such comments does not hold."""

_LINE_END: Final = re.compile(r"\r\n?|\n")
_CLOSED: Final = re.compile(r"[ \t]*\*/.*")
_REASON: Final = re.compile(r"(?<!\S)reason=")
_LATE: Final = re.compile(r"(?<!\S)until=")
_OPENS: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'#-][^#]*?)\s*:(?:\s+[&!]\S*)*\s*(?:\s#.*)?""")
_ACTION: Final = re.compile(r"(?:\{\{(?:[^}]|\}(?!\}))*\}\}\s*)+")
_INDENTED: Final = re.compile(r"\bn?indent\s+(\d{1,3})\b")
_PRINTS: Final = re.compile(r"\{\{-?+\s*+(?!if\b|else\b|end\b|with\b|range\b|define\b|block\b|/\*|\$\w+\s*:?=)")
_BLOCK_SCALAR: Final = re.compile(r"(?:.*[:\s-]\s)?[|>][-+0-9]*\s*(?:\s#.*)?")
_HEREDOC: Final = re.compile(r"<<-?\s*([A-Za-z_][\w-]*)\s*$")
_LONGEST: Final = 1000
"""Characters of a line after which it is text and no syntax: nobody comments there, and patterns would take long."""


class Syntax(enum.Enum):
    """How a file is written, which tells what a comment is there."""

    YAML = "YAML"
    TEMPLATE = "a template of YAML"
    TERRAFORM = "Terraform"


class Comment(msgspec.Struct, frozen=True):
    """One comment: the controls that it names, and the lines from `first` to `last` that it covers, from 1.

    With a `problem` it covers nothing.
    """

    place: Region
    first: int
    last: int
    names: tuple[str, ...] = ()
    until: dt.datetime | None = None
    reason: str = ""
    problem: str = ""

    def covers(self, line: int) -> bool:
        """Whether a line is among those that it covers."""
        return not self.problem and self.first <= line <= self.last


def comments(text: str, syntax: Syntax, scalars: Sequence[tuple[int, int]] = ()) -> tuple[Comment, ...]:
    """The comments of a text that waive, in order.

    For YAML, `scalars` are the stretches of its scalars in order, by index: what stands in one is no comment. In
    other texts quotes, block scalars and heredocs are told by their lines.
    """
    if MARKER not in text:
        return ()
    lines = _Lines(text, syntax, scalars)
    return tuple(lines.comment(mark) for mark in _marks(text) if lines.is_comment(mark))


class _Mark(msgspec.Struct, frozen=True):
    """What looks like a comment: where it starts, with what, and from where to where it speaks."""

    start: int
    opening: str
    said: int
    end: int


def _marks(text: str) -> Iterator[_Mark]:
    at = text.find(MARKER)
    while at >= 0:
        back = at
        while back and text[back - 1] in " \t":
            back -= 1
        start = back
        while start and text[start - 1] == "#":
            start -= 1
        opening = "#" if start < back else text[max(back - 2, 0) : back]
        start = start if start < back else back - len(opening)
        said = at + len(MARKER)
        end = next((found.start() for found in [_LINE_END.search(text, said)] if found), len(text))
        if opening in {"#", "//", "/*"} and text[said : said + 1] in {"", " ", "\t", "\r", "\n", ","}:
            yield _Mark(start, opening, said, end)
        at = text.find(MARKER, end)


class _Row(msgspec.Struct):
    """A line that says something or, with -1 for its `indent`, ends a document.

    `next` is the number of the next row that is not deeper.
    """

    line: int
    indent: int
    is_item: bool
    next: int


class _Lines:
    """A text by its lines, which count from 0 here."""

    def __init__(self, text: str, syntax: Syntax, scalars: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._syntax = syntax
        self._scalars = scalars
        self._starts = line_starts(text)
        self._rows = _LINE_END.split(text)
        self._ends: dict[int, int] = {}

    def is_comment(self, mark: _Mark) -> bool:
        """Whether what looks like a comment is one."""
        number = self._number(mark.start)
        before = self._rows[number][: mark.start - self._starts[number]]
        if self._syntax is Syntax.TERRAFORM:
            return number not in self._literal and not _in_quotes(before, '"')
        if mark.opening == "/*":
            return self._syntax is Syntax.TEMPLATE and re.search(r"\{\{-?\s*\Z", before[-20:]) is not None
        if mark.opening != "#" or (before and before[-1] not in " \t"):
            return False
        if self._syntax is Syntax.YAML:
            return not self._in_scalar(mark.start)
        return number not in self._literal and not _in_quotes(before, "\"'")

    def comment(self, mark: _Mark) -> Comment:
        """What a comment asks for and covers."""
        number = self._number(mark.start)
        first, last = self._covered(number)
        said = self._text[mark.said : mark.end]
        said = (_CLOSED.sub("", said) if mark.opening == "/*" else said).rstrip()
        start, end = (at - self._starts[number] + 1 for at in (mark.start, mark.said + len(said)))
        place = Region(Position(number + 1, start), Position(number + 1, end))
        names, until, reason, problem = _parsed(said)
        return Comment(place, first + 1, last + 1, names, until, reason, problem)

    def _number(self, at: int) -> int:
        return bisect_right(self._starts, at) - 1

    def _in_scalar(self, at: int) -> bool:
        """Whether an index lies in a scalar; a comment behind the sign of a block scalar does not."""
        found = bisect_right(self._scalars, (at, len(self._text))) - 1
        if found < 0:
            return False
        start, end = self._scalars[found]
        sign = self._text[start : min(at, start + _LONGEST)]
        is_head = _BLOCK_SCALAR.fullmatch(sign) is not None and self._number(start) == self._number(at)
        return start <= at < end and not is_head

    @cached_property
    def _literal(self) -> frozenset[int]:
        """The lines of block scalars and heredocs."""
        return frozenset(_heredocs(self._rows) if self._syntax is Syntax.TERRAFORM else _block_scalars(self._rows))

    @cached_property
    def _remarks(self) -> frozenset[int]:
        """The lines of comments of templates."""
        found: set[int] = set()
        at = self._text.find("{{") if self._syntax is Syntax.TEMPLATE else -1
        while at >= 0:
            end = at + 2
            if re.match(r"\{\{-?\s{0,9}/\*", self._text[at : at + 20]):
                end = self._text.find("*/", at)
                if end < 0:
                    break
                found.update(range(self._number(at), self._number(end) + 1))
            at = self._text.find("{{", end)
        return frozenset(found)

    @cached_property
    def _boundaries(self) -> list[int]:
        """The lines between documents."""
        if self._syntax is Syntax.TERRAFORM:
            return []
        starts = {"---", "..."}
        return [n for n, row in enumerate(self._rows) if row[:3] in starts and row[3:4] in {"", " ", "\t"}]

    @cached_property
    def _content(self) -> list[_Row]:
        """The lines that say something or end a document; the last row stands for the end of the text."""
        boundaries = frozenset(self._boundaries)
        found: list[_Row] = []
        waiting: list[_Row] = []
        for number, row in enumerate((*self._rows, "")):
            is_end = number in boundaries or number == len(self._rows)
            if not is_end and not self._says(row, number):
                continue
            text = row.lstrip(" \t")
            indent = -1 if is_end else _indent(row)
            while waiting and waiting[-1].indent >= indent:
                waiting.pop().next = len(found)
            here = _Row(number, indent, text[:1] == "-" and text[1:2] in {"", " ", "\t"}, len(found) + 1)
            waiting.append(here)
            found.append(here)
        return found

    def _says(self, row: str, number: int) -> bool:
        """Whether a line says something: it is not blank, no comment, and no action of a template that prints nothing."""
        text = row.strip()
        if not text or text.startswith("#") or number in self._remarks:
            return False
        if self._syntax is Syntax.TERRAFORM:
            return not text.startswith(("//", "/*"))
        if len(text) > _LONGEST or not text.startswith("{{"):
            return not row.startswith("%")
        return not _ACTION.fullmatch(text) or _PRINTS.search(text) is not None

    def _after(self, line: int) -> int:
        """The number of the first row on or after a line."""
        return bisect_left(self._content, line, key=lambda row: row.line)

    def _covered(self, number: int) -> tuple[int, int]:
        """The first and last line that a comment on this line covers."""
        at = self._after(number)
        here = self._content[at]
        if here.line == number and here.indent >= 0:
            return number, self._block_end(at)
        if here.line == number:
            at += 1
            here = self._content[at]
        first = self._boundaries[found - 1] if (found := bisect_right(self._boundaries, number)) else 0
        if self._syntax is not Syntax.TERRAFORM and all(row.indent < 0 for row in self._content[at - 1 : at]):
            # Nothing is said before it: it is for the document, which may only begin at the next line of dashes.
            while here.indent < 0 and here.line < len(self._rows):
                at += 1
                here = self._content[at]
            following = bisect_right(self._boundaries, here.line)
            last = self._boundaries[following] if following < len(self._boundaries) else len(self._rows)
            return first, last - 1
        return (here.line, self._block_end(at)) if here.indent >= 0 else (number, number)

    def _block_end(self, at: int) -> int:
        """The last line of what a row opens: all that is indented deeper, and items below a key at its own indent."""
        rows = self._content
        start, end = rows[at], rows[at].next
        if start.line not in self._ends:
            text = self._rows[start.line].strip()
            if len(text) <= _LONGEST and _OPENS.fullmatch(text):
                while rows[end].indent == start.indent and rows[end].is_item:
                    end = rows[end].next
            self._ends[start.line] = rows[end - 1].line
        return self._ends[start.line]


def _indent(row: str) -> int:
    """How far a line is indented; for a template's action, what it prints if it says so."""
    told = _INDENTED.search(row) if len(row) <= _LONGEST and row.lstrip().startswith("{{") else None
    return int(told[1]) if told else len(row) - len(row.lstrip(" \t"))


def _in_quotes(before: str, quotes: str) -> bool:
    """Whether a place is within quotes, going by what stands before it on its line; a quote in a word opens none."""
    quote = last = ""
    for char in _ACTION.sub("", before) if len(before) <= _LONGEST else before:
        if quote:
            if char == quote and not (quote == '"' and last == "\\"):
                quote = ""
            last = "" if last == "\\" else char
        elif char in quotes and not last.isalnum():
            quote = char
        else:
            last = char
    return bool(quote)


def _block_scalars(rows: Sequence[str]) -> Iterator[int]:
    """The lines of block scalars, by their indentation."""
    within: int | None = None
    for number, row in enumerate(rows):
        indent = len(row) - len(row.lstrip(" \t"))
        if within is not None and (not row.strip() or indent > within):
            yield number
            continue
        opens = len(row) <= _LONGEST and not row.lstrip().startswith("#") and _BLOCK_SCALAR.fullmatch(row)
        within = indent if opens else None


def _heredocs(rows: Sequence[str]) -> Iterator[int]:
    """The lines of heredocs and the ends of these."""
    end = ""
    for number, row in enumerate(rows):
        if end:
            yield number
            end = "" if row.strip() == end else end
        elif len(row) <= _LONGEST and (match := _HEREDOC.search(row)) is not None:
            end = match[1]


def _parsed(text: str) -> tuple[tuple[str, ...], dt.datetime | None, str, str]:
    """Names, day, reason and what is wrong with the text behind the marker."""
    reason, match = "", _REASON.search(text)
    if match is not None:
        text, reason = text[: match.start()], text[match.end() :].strip()
        if reason[:1] in {'"', "'"}:
            said, closed, rest = reason[1:].partition(reason[0])
            if not closed:
                return (), None, "", "the quote of its reason is not closed"
            text, reason = f"{text} {rest}", said
        elif _LATE.search(reason):
            return (), None, reason, "until= has to stand before reason=, or the reason in quotes"
    until: dt.datetime | None = None
    names: list[str] = []
    for word in re.split(r"[\s,]+", text.strip(" \t,")):
        key, is_option, value = word.partition("=")
        if not is_option:
            names += [word] if word else []
        elif key != "until":
            return (), None, reason, f"{key}= is not known: until= and reason= are"
        else:
            try:
                until = _moment(value)
            except ValueError:
                return (), None, reason, f"until={value} is no day, as in until=2027-01-31"
    return tuple(dict.fromkeys(names)), until, reason, ""


def _moment(text: str) -> dt.datetime:
    """The end of a day, or a moment of RFC 3339; UTC if it does not say. Raises ValueError."""
    try:
        return dt.datetime.combine(dt.date.fromisoformat(text), dt.time(23, 59, 59), dt.UTC)
    except ValueError:
        found = dt.datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=dt.UTC)
