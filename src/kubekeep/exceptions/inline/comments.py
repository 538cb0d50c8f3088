"""Comments that waive, in the text of a file: `# kubekeep:ignore C-0057 until=2027-01-01 reason=...`.

Finds them, also those that are spelt in another way, and which lines each covers; what cannot be understood is told and
covers nothing. Lines belong together by their indentation, as that is all that manifests, templates and Terraform have
in common. Knows no control, opens no file, and never waives anything: see `exceptions.inline.comment_text` and `exceptions.inline.suppressions`.
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

from kubekeep.exceptions.inline.comment_text import (
    LINE_END,
    MARKER,
    PRODUCT,
    Mark,
    Said,
    continues,
    is_marked,
    marks,
    said,
)
from kubekeep.model.location import Position, Region, line_starts

_CLOSED: Final = re.compile(r"[ \t]*\*/.*")
_OPENS: Final = re.compile(r"""(?:"[^"]*"|'[^']*'|[^\s"'#-][^#]*?)\s*:(?:\s+[&!]\S*)*\s*(?:\s#.*)?""")
_ACTION: Final = re.compile(r"(?:\{\{(?:[^}]|\}(?!\}))*\}\}\s*)+")
_INDENTED: Final = re.compile(r"\bn?indent\s+(\d{1,3})\b")
_PRINTS: Final = re.compile(r"\{\{-?+\s*+(?!if\b|else\b|end\b|with\b|range\b|define\b|block\b|/\*|\$\w+\s*:?=)")
_BLOCK_SCALAR: Final = re.compile(r"(?:.*[:\s-]\s)?(?:[&!]\S*\s+){0,2}[|>][-+0-9]*\s*(?:\s#.*)?")
_SIGNED: Final = re.compile(r"""(?:[&!]\S*\s+){0,2}["'|>]""")
_DASHES: Final = re.compile(r"\A[ \t]*(?:-[ \t]+)*")
_ALIAS: Final = re.compile(r"(?:\A|[\s\[{,:-])\*[^\s,\[\]{}*]|<<[\"']?\s*:")
_BRACKET: Final = re.compile(r"[\[\]{}#]")
_HEREDOC: Final = re.compile(r"<<-?\s*([A-Za-z_][\w-]*)\s*$")
_AMID: Final = f"{MARKER} has to be the first of its comment"
_GLUED: Final = "it is part of the value before it: a space has to stand before the #"
_UNCLOSED: Final = "/* and */ have to stand on the line of what they hold"
_TORN: Final = "what ends it has to stand on its own line"
_TRAILING: Final = (
    "it ends a block that is deeper than what follows: it has to stand before what it is for, or beside it"
)
_LONGEST: Final = 1000
"""Characters of a line after which it is text and no syntax: nobody comments there, and patterns would take long."""


class Syntax(enum.Enum):
    """How a file is written, which tells what a comment is there."""

    YAML = "YAML"
    TEMPLATE = "a template of YAML"
    TERRAFORM = "Terraform"


_BEGINS: Final = {
    Syntax.TEMPLATE: re.compile(r"(\{\{-?\s{0,9}/\*)"),
    Syntax.TERRAFORM: re.compile(r'"(?:\\.|[^"\\\r\n])*"?|(?:#|//)[^\r\n]*|(/\*)'),
}
"""How a comment that may have several lines begins, as a group, and what may hold that sign and is none."""
_SIGNS: Final = {
    Syntax.YAML: ("#",),
    Syntax.TEMPLATE: ("#", "{{/*", "{{- /*"),
    Syntax.TERRAFORM: ("#", "//", "/*"),
}
"""What the line of a comment begins with."""
_REMARK_END: Final = re.compile(r"\s{0,9}-?\}\}")


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
    if not is_marked(text):
        return ()
    lines = _Lines(text, syntax, scalars)
    found = ((mark, lines.problem(mark)) for mark in marks(text))
    return tuple(lines.comment(mark, problem) for mark, problem in found if problem is not None)


def has_aliases(text: str) -> bool:
    """Whether a text of YAML, or a template of one, seems to have aliases or merge keys; too often rather than never."""
    return _ALIAS.search(text) is not None


class _Row(msgspec.Struct):
    """A line that says something or, without an `indent`, ends a document.

    `indent` is the white space before it, and `next` the number of the next row that is not deeper.
    """

    line: int
    indent: str | None
    is_item: bool
    next: int


class _Lines:
    """A text by its lines, which count from 0 here."""

    def __init__(self, text: str, syntax: Syntax, scalars: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._syntax = syntax
        self._scalars = scalars
        self._starts = line_starts(text)
        self._rows = LINE_END.split(text)
        self._ends: dict[int, int] = {}

    def problem(self, mark: Mark) -> str | None:
        """What is wrong with what looks like a comment; empty if nothing is, None if it is no comment.

        Text that no person could take for a comment is none. What one could, and no parser does, is a problem.
        """
        number = self._number(mark.start)
        before = self._text[self._starts[number] : mark.start]
        if self._syntax is Syntax.YAML:
            return self._problem_of_yaml(mark, before[-1:])
        if self._is_remark(mark.start):
            return self._problem_of_remark(mark, before)
        if number in self._literal or _in_quotes(before, '"' if self._syntax is Syntax.TERRAFORM else "\"'"):
            return None
        if self._syntax is Syntax.TERRAFORM:
            return mark.problem if mark.opening in {"#", "//"} else _amid(mark, before, ("#", "//"))
        if mark.opening == "#":
            return _GLUED if before and before[-1] not in " \t" else mark.problem
        return _amid(mark, before, ("#",))

    def _problem_of_remark(self, mark: Mark, before: str) -> str | None:
        """The problem of one between the signs of a comment that may have several lines."""
        is_first = mark.opening == "/*"
        if is_first or (not mark.opening and before.strip() in {"", "*"}):
            return mark.problem if is_first and "*/" in self._text[mark.said : mark.end] else _UNCLOSED
        return _AMID if mark.numbered else None

    def _problem_of_yaml(self, mark: Mark, before: str) -> str | None:
        if self._in_scalar(mark.start):
            return _GLUED if mark.opening == "#" and self._is_plain(mark.start) else None
        if mark.opening == "#" and before in {"", " ", "\t"}:
            return mark.problem
        return _AMID if mark.numbered else None

    def comment(self, mark: Mark, problem: str) -> Comment:
        """What a comment asks for and covers."""
        number = self._number(mark.start)
        first, last = self._covered(number)
        text = self._text[mark.said : mark.end]
        text = (_CLOSED.sub("", text) if mark.opening == "/*" else text).rstrip()
        start, end = (at - self._starts[number] + 1 for at in (mark.start, mark.said + len(text)))
        place = Region(Position(number + 1, start), Position(number + 1, end))
        problem = problem or self._problem_around(number, start - 1)
        found = Said(problem=problem) if problem else said(text)
        return Comment(place, first + 1, last + 1, found.names, found.until, found.reason, found.problem)

    def _problem_around(self, number: int, column: int) -> str:
        """What the lines around a comment, and what stands before its column, have against it."""
        signs = _SIGNS[self._syntax]
        row = self._rows[number]
        whole = tuple(sign for sign in signs if "*" not in sign)
        if row.lstrip().startswith(whole) and row[:column].strip():
            # The line of a manifest that somebody has turned into a comment, with the comment that it had.
            return _AMID
        for following in range(number + 1, len(self._rows)):
            text = self._rows[following].strip()
            if not text.startswith(signs) or PRODUCT in text.lower():
                break
            if continues(text):
                return _TORN
        at = self._after(number)
        before, here = self._content[at - 1] if at else None, self._content[at]
        if here.line == number or here.indent is None or before is None or before.indent is None:
            return ""
        # A block ends here, and by its indentation the comment still belongs to that.
        inside = self._rows[before.line]
        inner = max(before.indent, " " * (len(inside) - len(_DASHES.sub("", inside))), key=len)
        return _TRAILING if all(_is_below(lead, here.indent) for lead in (inner, _lead(self._rows[number]))) else ""

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

    def _is_plain(self, at: int) -> bool:
        """Whether an index lies in a scalar that has no quotes and is no block."""
        start, _ = self._scalars[bisect_right(self._scalars, (at, len(self._text))) - 1]
        return _SIGNED.match(self._text, start, start + _LONGEST) is None

    def _is_remark(self, at: int) -> bool:
        """Whether an index lies in a comment that may have several lines."""
        found = bisect_right(self._remarks, (at, len(self._text))) - 1
        return found >= 0 and at < self._remarks[found][1]

    @cached_property
    def _literal(self) -> frozenset[int]:
        """The lines of block scalars and heredocs."""
        return frozenset(_heredocs(self._rows) if self._syntax is Syntax.TERRAFORM else _block_scalars(self._rows))

    @cached_property
    def _remarks(self) -> list[tuple[int, int]]:
        """The stretches of the comments of templates and of those of Terraform that may have several lines."""
        found: list[tuple[int, int]] = []
        pattern = _BEGINS.get(self._syntax)
        at = 0
        while pattern is not None and (match := pattern.search(self._text, at)) is not None:
            at = match.end()
            if match[1] is None or (self._syntax is Syntax.TERRAFORM and self._number(match.start()) in self._literal):
                continue
            end = self._text.find("*/", at)
            if end < 0:
                break
            at = end + 2
            if self._syntax is Syntax.TEMPLATE and (close := _REMARK_END.match(self._text, at)) is not None:
                at = close.end()
            found.append((match.start(), at))
        return found

    @cached_property
    def _silent(self) -> frozenset[int]:
        """The lines of such comments on which nothing else stands."""
        found: set[int] = set()
        for start, end in self._remarks:
            first, last = self._number(start), self._number(end - 1)
            before = self._text[self._starts[first] : start]
            after = self._rows[last][end - self._starts[last] :]
            found.update(range(first + bool(before.strip()), last + (not after.strip())))
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
            indent = None if is_end else _indent(row)
            while waiting and not _is_below(indent, waiting[-1].indent):
                waiting.pop().next = len(found)
            here = _Row(number, indent, text[:1] == "-" and text[1:2] in {"", " ", "\t"}, len(found) + 1)
            waiting.append(here)
            found.append(here)
        return found

    def _says(self, row: str, number: int) -> bool:
        """Whether a line says something: it is not blank, no comment, and no action of a template that prints nothing."""
        text = row.strip()
        if not text or text.startswith("#") or number in self._silent:
            return False
        if self._syntax is Syntax.TERRAFORM:
            return not text.startswith("//")
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
        if here.line == number and here.indent is not None:
            return number, self._block_end(at)
        if here.line == number:
            at += 1
            here = self._content[at]
        first = self._boundaries[found - 1] if (found := bisect_right(self._boundaries, number)) else 0
        if self._syntax is not Syntax.TERRAFORM and all(row.indent is None for row in self._content[at - 1 : at]):
            # Nothing is said before it: it is for the document, which may only begin at the next line of dashes.
            while here.indent is None and here.line < len(self._rows):
                at += 1
                here = self._content[at]
            following = bisect_right(self._boundaries, here.line)
            last = self._boundaries[following] if following < len(self._boundaries) else len(self._rows)
            return first, last - 1
        return (here.line, self._block_end(at)) if here.indent is not None else (number, number)

    def _block_end(self, at: int) -> int:
        """The last line of what a row opens: all that is indented deeper, and items below a key at its own indent."""
        rows = self._content
        start, end = rows[at], rows[at].next
        if start.line not in self._ends:
            text = self._rows[start.line].strip()
            if len(text) <= _LONGEST and _OPENS.fullmatch(text):
                while rows[end].indent == start.indent and rows[end].is_item:
                    end = rows[end].next
            self._ends[start.line] = self._flow_end(start.line, rows[end - 1].line)
        return self._ends[start.line]

    def _flow_end(self, line: int, last: int) -> int:
        """The last line of what a line opens, no later than `last`: brackets tell where indentation need not be true."""
        lows, ends, reopened = self._brackets
        depth = ends[line]
        if last == line or depth <= 0:
            return last
        if depth <= (ends[line - 1] if line else 0):
            return line
        end = next((number for number in range(line + 1, last + 1) if lows[number] < depth), last)
        return end - 1 if end in reopened and lows[end] < depth else end

    @cached_property
    def _brackets(self) -> tuple[list[int], list[int], frozenset[int]]:
        """By line how many brackets of flow collections are open, at the least and at its end; and which reopen some."""
        lows, ends = [0] * len(self._rows), [0] * len(self._rows)
        reopened: set[int] = set()
        depth = number = 0
        for bracket in _flow(self._text, self._scalars) if self._syntax is Syntax.YAML else ():
            line = self._number(bracket.start())
            for between in range(number + 1, line + 1):
                lows[between] = ends[between] = depth
            number = line
            if bracket[0] in "]}":
                depth -= 1
                lows[line] = min(lows[line], depth)
            else:
                reopened |= {line} if lows[line] < ends[line - 1] else set()
                depth += 1
            ends[line] = depth
        for between in range(number + 1, len(ends)):
            lows[between] = ends[between] = depth
        return lows, ends, frozenset(reopened)


def _amid(mark: Mark, before: str, signs: Sequence[str]) -> str | None:
    """The problem of what stands somewhere in a comment; None if it names no control, and only speaks of comments."""
    return _AMID if mark.numbered and any(sign in before for sign in signs) else None


def _flow(text: str, scalars: Sequence[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """The brackets of flow collections that are not empty: those in no scalar and in no comment."""
    found, at = 0, 0
    while (match := _BRACKET.search(text, at)) is not None:
        at = match.end()
        while found < len(scalars) and scalars[found][1] <= match.start():
            found += 1
        if found < len(scalars) and scalars[found][0] <= match.start():
            at = max(at, scalars[found][1])
        elif match[0] != "#":
            yield match
        elif match.start() == 0 or text[match.start() - 1] in " \t\r\n":
            end = LINE_END.search(text, at)
            at = end.start() if end else len(text)


def _lead(row: str) -> str:
    """The white space that a line begins with."""
    return row[: len(row) - len(row.lstrip(" \t"))]


def _indent(row: str) -> str:
    """How a line is indented; for a template's action, what it prints if it says so."""
    told = _INDENTED.search(row) if len(row) <= _LONGEST and row.lstrip().startswith("{{") else None
    return " " * int(told[1]) if told else _lead(row)


def _is_below(indent: str | None, above: str | None) -> bool:
    """Whether a line is deeper than another; tabs and spaces cannot be compared, and what cannot is not."""
    if indent is None or above is None:
        return indent is not None
    return len(indent) > len(above) and indent.startswith(above)


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
