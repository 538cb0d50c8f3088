"""Suppression comments in the text of a file: `# kubekeep:ignore C-0057 until=2027-01-01 reason=...`.

Finds comments, also misspelt ones, and the lines each one covers. A comment that cannot be understood is reported and
covers nothing. Lines belong together by indentation, the only structure that manifests, templates and Terraform share.
Opens no file and applies nothing: see `comment_text` and `suppressions`.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Final

import msgspec

from kubekeep.exceptions.inline.comment import MARKER, PRODUCT, SuppressionComment
from kubekeep.exceptions.inline.comment_text import (
    LINE_END,
    CommentCandidate,
    CommentFields,
    continues,
    find_candidates,
    is_marked,
    parse_comment_text,
)
from kubekeep.model.location import Position, Region, line_starts
from kubekeep.model.source import CommentSyntax

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
_EMBEDDED: Final = f"{MARKER} must be at the start of its comment"
_GLUED: Final = "it is part of the value before it: add a space before the #"
_UNCLOSED: Final = "/* and */ must be on the line of their text"
_TORN: Final = "the end of the comment must be on the same line"
_TRAILING: Final = "it is at the end of a nested block: move it before the field that it is for, or to the same line"
_LONGEST: Final = 1000
"""Length from which a line is text without comments; patterns would take long on it."""


_MULTILINE_STARTS: Final = {
    CommentSyntax.TEMPLATE: re.compile(r"(\{\{-?\s{0,9}/\*)"),
    CommentSyntax.TERRAFORM: re.compile(r'"(?:\\.|[^"\\\r\n])*"?|(?:#|//)[^\r\n]*|(/\*)'),
}
"""Start of a multi-line comment as a group, and text that may contain such a start without being one."""
_COMMENT_STARTS: Final = {
    CommentSyntax.YAML: ("#",),
    CommentSyntax.TEMPLATE: ("#", "{{/*", "{{- /*"),
    CommentSyntax.TERRAFORM: ("#", "//", "/*"),
}
"""Starts of comment lines."""
_MULTILINE_END: Final = re.compile(r"\s{0,9}-?\}\}")


def find_comments(
    text: str, syntax: CommentSyntax, scalars: Sequence[tuple[int, int]] = ()
) -> tuple[SuppressionComment, ...]:
    """Find the suppression comments of a text, in order.

    scalars: for YAML, sorted (start, end) indexes of all scalars; text inside them is no comment. In other syntaxes
    quotes, block scalars and heredocs are recognised by their lines.
    """
    if not is_marked(text):
        return ()
    if syntax is CommentSyntax.DOCKERFILE:
        # Loaded here, as few files are Dockerfiles with comments.
        from kubekeep.exceptions.inline.dockerfile_comments import find_dockerfile_comments  # noqa: PLC0415

        return find_dockerfile_comments(text)
    lines = _TextLines(text, syntax, scalars)
    candidates = ((candidate, lines.problem(candidate)) for candidate in find_candidates(text))
    return tuple(lines.comment(candidate, problem) for candidate, problem in candidates if problem is not None)


def has_aliases(text: str) -> bool:
    """Return True if YAML, or a template of it, may have aliases or merge keys.

    May return True too often, never too rarely.
    """
    return _ALIAS.search(text) is not None


class _ContentLine(msgspec.Struct):
    """A line with content or, without an `indent`, the end of a document.

    indent: its white space. next: the number of the next row that is not deeper.
    """

    line: int
    indent: str | None
    is_item: bool
    next: int


class _TextLines:
    """A text by lines, numbered from 0."""

    def __init__(self, text: str, syntax: CommentSyntax, scalars: Sequence[tuple[int, int]]) -> None:
        self._text = text
        self._syntax = syntax
        self._scalars = scalars
        self._starts = line_starts(text)
        self._rows = LINE_END.split(text)
        self._ends: dict[int, int] = {}

    def problem(self, candidate: CommentCandidate) -> str | None:
        """Return the problem of a candidate: empty if it is valid, None if it is no comment.

        Text that nobody could take for a comment is none. Text that a reader could take for a comment and a parser does
        not is a problem.
        """
        number = self._number(candidate.start)
        before = self._text[self._starts[number] : candidate.start]
        if self._syntax is CommentSyntax.YAML:
            return self._check_yaml(candidate, before[-1:])
        if self._is_in_multiline(candidate.start):
            return self._check_multiline(candidate, before)
        if number in self._literal or _in_quotes(before, '"' if self._syntax is CommentSyntax.TERRAFORM else "\"'"):
            return None
        if self._syntax is CommentSyntax.TERRAFORM:
            return (
                candidate.problem
                if candidate.opening in {"#", "//"}
                else _check_embedded(candidate, before, ("#", "//"))
            )
        if candidate.opening == "#":
            return _GLUED if before and before[-1] not in " \t" else candidate.problem
        return _check_embedded(candidate, before, ("#",))

    def _check_multiline(self, candidate: CommentCandidate, before: str) -> str | None:
        """Return the problem of a candidate inside a multi-line comment."""
        is_first = candidate.opening == "/*"
        if is_first or (not candidate.opening and before.strip() in {"", "*"}):
            return (
                candidate.problem
                if is_first and "*/" in self._text[candidate.text_start : candidate.end]
                else _UNCLOSED
            )
        return _EMBEDDED if candidate.numbered else None

    def _check_yaml(self, candidate: CommentCandidate, before: str) -> str | None:
        if self._in_scalar(candidate.start):
            return _GLUED if candidate.opening == "#" and self._is_plain(candidate.start) else None
        if candidate.opening == "#" and before in {"", " ", "\t"}:
            return candidate.problem
        return _EMBEDDED if candidate.numbered else None

    def comment(self, candidate: CommentCandidate, problem: str) -> SuppressionComment:
        """Return the parsed comment and the lines it covers."""
        number = self._number(candidate.start)
        first, last = self._find_covered(number)
        text = self._text[candidate.text_start : candidate.end]
        text = (_CLOSED.sub("", text) if candidate.opening == "/*" else text).rstrip()
        start, end = (at - self._starts[number] + 1 for at in (candidate.start, candidate.text_start + len(text)))
        region = Region(Position(number + 1, start), Position(number + 1, end))
        problem = problem or self._check_surroundings(number, start - 1)
        fields = CommentFields(problem=problem) if problem else parse_comment_text(text)
        return SuppressionComment(
            region, first + 1, last + 1, fields.names, fields.until, fields.reason, fields.problem
        )

    def _check_surroundings(self, number: int, column: int) -> str:
        """Return the problem caused by the lines around a comment and by the text before its column."""
        signs = _COMMENT_STARTS[self._syntax]
        row = self._rows[number]
        whole = tuple(sign for sign in signs if "*" not in sign)
        if row.lstrip().startswith(whole) and row[:column].strip():
            # A manifest line that was commented out together with its comment.
            return _EMBEDDED
        for following in range(number + 1, len(self._rows)):
            text = self._rows[following].strip()
            if not text.startswith(signs) or PRODUCT in text.lower():
                break
            if continues(text):
                return _TORN
        at = self._find_row(number)
        before, here = self._content[at - 1] if at else None, self._content[at]
        if here.line == number or here.indent is None or before is None or before.indent is None:
            return ""
        # A block ends here, and by its indentation the comment still belongs to that block.
        inside = self._rows[before.line]
        inner = max(before.indent, " " * (len(inside) - len(_DASHES.sub("", inside))), key=len)
        return _TRAILING if all(_is_below(lead, here.indent) for lead in (inner, _get_lead(self._rows[number]))) else ""

    def _number(self, at: int) -> int:
        return bisect_right(self._starts, at) - 1

    def _in_scalar(self, at: int) -> bool:
        """Return True if an index lies in a scalar; a comment after a block scalar indicator does not."""
        index = bisect_right(self._scalars, (at, len(self._text))) - 1
        if index < 0:
            return False
        start, end = self._scalars[index]
        sign = self._text[start : min(at, start + _LONGEST)]
        is_head = _BLOCK_SCALAR.fullmatch(sign) is not None and self._number(start) == self._number(at)
        return start <= at < end and not is_head

    def _is_plain(self, at: int) -> bool:
        """Return True if an index lies in a plain scalar: neither quoted nor a block."""
        start, _ = self._scalars[bisect_right(self._scalars, (at, len(self._text))) - 1]
        return _SIGNED.match(self._text, start, start + _LONGEST) is None

    def _is_in_multiline(self, at: int) -> bool:
        """Return True if an index lies in a multi-line comment."""
        index = bisect_right(self._multiline, (at, len(self._text))) - 1
        return index >= 0 and at < self._multiline[index][1]

    @cached_property
    def _literal(self) -> frozenset[int]:
        """Lines of block scalars and heredocs."""
        return frozenset(
            _find_heredocs(self._rows) if self._syntax is CommentSyntax.TERRAFORM else _find_block_scalars(self._rows)
        )

    @cached_property
    def _multiline(self) -> list[tuple[int, int]]:
        """Ranges of multi-line comments in templates and Terraform."""
        ranges: list[tuple[int, int]] = []
        pattern = _MULTILINE_STARTS.get(self._syntax)
        at = 0
        while pattern is not None and (match := pattern.search(self._text, at)) is not None:
            at = match.end()
            if match[1] is None or (
                self._syntax is CommentSyntax.TERRAFORM and self._number(match.start()) in self._literal
            ):
                continue
            end = self._text.find("*/", at)
            if end < 0:
                break
            at = end + 2
            if self._syntax is CommentSyntax.TEMPLATE and (close := _MULTILINE_END.match(self._text, at)) is not None:
                at = close.end()
            ranges.append((match.start(), at))
        return ranges

    @cached_property
    def _comment_lines(self) -> frozenset[int]:
        """Lines that hold nothing but a multi-line comment."""
        numbers: set[int] = set()
        for start, end in self._multiline:
            first, last = self._number(start), self._number(end - 1)
            before = self._text[self._starts[first] : start]
            after = self._rows[last][end - self._starts[last] :]
            numbers.update(range(first + bool(before.strip()), last + (not after.strip())))
        return frozenset(numbers)

    @cached_property
    def _boundaries(self) -> list[int]:
        """Lines between documents."""
        if self._syntax is CommentSyntax.TERRAFORM:
            return []
        starts = {"---", "..."}
        return [n for n, row in enumerate(self._rows) if row[:3] in starts and row[3:4] in {"", " ", "\t"}]

    @cached_property
    def _content(self) -> list[_ContentLine]:
        """Lines with content or at the end of a document; the last row is the end of the text."""
        boundaries = frozenset(self._boundaries)
        rows: list[_ContentLine] = []
        open_rows: list[_ContentLine] = []
        for number, row in enumerate((*self._rows, "")):
            is_end = number in boundaries or number == len(self._rows)
            if not is_end and not self._has_content(row, number):
                continue
            text = row.lstrip(" \t")
            indent = None if is_end else _get_indent(row)
            while open_rows and not _is_below(indent, open_rows[-1].indent):
                open_rows.pop().next = len(rows)
            here = _ContentLine(number, indent, text[:1] == "-" and text[1:2] in {"", " ", "\t"}, len(rows) + 1)
            open_rows.append(here)
            rows.append(here)
        return rows

    def _has_content(self, row: str, number: int) -> bool:
        """Return True if a line has content: it is not blank, no comment, and no template action without output."""
        text = row.strip()
        if not text or text.startswith("#") or number in self._comment_lines:
            return False
        if self._syntax is CommentSyntax.TERRAFORM:
            return not text.startswith("//")
        if len(text) > _LONGEST or not text.startswith("{{"):
            return not row.startswith("%")
        return not _ACTION.fullmatch(text) or _PRINTS.search(text) is not None

    def _find_row(self, line: int) -> int:
        """Return the number of the first row at or after a line."""
        return bisect_left(self._content, line, key=lambda row: row.line)

    def _find_covered(self, number: int) -> tuple[int, int]:
        """Return the first and last line that a comment on this line covers."""
        at = self._find_row(number)
        here = self._content[at]
        if here.line == number and here.indent is not None:
            return number, self._find_block_end(at)
        if here.line == number:
            at += 1
            here = self._content[at]
        first = self._boundaries[index - 1] if (index := bisect_right(self._boundaries, number)) else 0
        if self._syntax is not CommentSyntax.TERRAFORM and all(
            row.indent is None for row in self._content[at - 1 : at]
        ):
            # Nothing precedes it: it covers the document, which may begin at the next `---`.
            while here.indent is None and here.line < len(self._rows):
                at += 1
                here = self._content[at]
            following = bisect_right(self._boundaries, here.line)
            last = self._boundaries[following] if following < len(self._boundaries) else len(self._rows)
            return first, last - 1
        return (here.line, self._find_block_end(at)) if here.indent is not None else (number, number)

    def _find_block_end(self, at: int) -> int:
        """Return the last line of a row's block: all deeper lines, and items below a key at its own indentation."""
        rows = self._content
        start, end = rows[at], rows[at].next
        if start.line not in self._ends:
            text = self._rows[start.line].strip()
            if len(text) <= _LONGEST and _OPENS.fullmatch(text):
                while rows[end].indent == start.indent and rows[end].is_item:
                    end = rows[end].next
            self._ends[start.line] = self._find_flow_end(start.line, rows[end - 1].line)
        return self._ends[start.line]

    def _find_flow_end(self, line: int, last: int) -> int:
        """Return the last line that a line opens, at most `last`; brackets count where indentation is not reliable."""
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
        """Number of open flow brackets by line: the minimum and at its end; and the lines that reopen some."""
        lows, ends = [0] * len(self._rows), [0] * len(self._rows)
        reopened: set[int] = set()
        depth = number = 0
        for bracket in _find_flow_brackets(self._text, self._scalars) if self._syntax is CommentSyntax.YAML else ():
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


def _check_embedded(candidate: CommentCandidate, before: str, signs: Sequence[str]) -> str | None:
    """Return the problem of a candidate inside another comment, None if it names no control."""
    return _EMBEDDED if candidate.numbered and any(sign in before for sign in signs) else None


def _find_flow_brackets(text: str, scalars: Sequence[tuple[int, int]]) -> Iterator[re.Match[str]]:
    """Yield the brackets of flow collections, outside of scalars and comments."""
    index, at = 0, 0
    while (match := _BRACKET.search(text, at)) is not None:
        at = match.end()
        while index < len(scalars) and scalars[index][1] <= match.start():
            index += 1
        if index < len(scalars) and scalars[index][0] <= match.start():
            at = max(at, scalars[index][1])
        elif match[0] != "#":
            yield match
        elif match.start() == 0 or text[match.start() - 1] in " \t\r\n":
            end = LINE_END.search(text, at)
            at = end.start() if end else len(text)


def _get_lead(row: str) -> str:
    """Return the leading white space of a line."""
    return row[: len(row) - len(row.lstrip(" \t"))]


def _get_indent(row: str) -> str:
    """Return the indentation of a line; for a template action with `indent`, of its output."""
    match = _INDENTED.search(row) if len(row) <= _LONGEST and row.lstrip().startswith("{{") else None
    return " " * int(match[1]) if match else _get_lead(row)


def _is_below(indent: str | None, above: str | None) -> bool:
    """Return True if a line is deeper than another; False if tabs and spaces make them incomparable."""
    if indent is None or above is None:
        return indent is not None
    return len(indent) > len(above) and indent.startswith(above)


def _in_quotes(before: str, quotes: str) -> bool:
    """Return True if a position is quoted, judging by the text before it; a quote inside a word opens none."""
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


def _find_block_scalars(rows: Sequence[str]) -> Iterator[int]:
    """Yield the lines of block scalars, by indentation."""
    within: int | None = None
    for number, row in enumerate(rows):
        indent = len(row) - len(row.lstrip(" \t"))
        if within is not None and (not row.strip() or indent > within):
            yield number
            continue
        opens = len(row) <= _LONGEST and not row.lstrip().startswith("#") and _BLOCK_SCALAR.fullmatch(row)
        within = indent if opens else None


def _find_heredocs(rows: Sequence[str]) -> Iterator[int]:
    """Yield the lines of heredocs and their ends."""
    end = ""
    for number, row in enumerate(rows):
        if end:
            yield number
            end = "" if row.strip() == end else end
        elif len(row) <= _LONGEST and (match := _HEREDOC.search(row)) is not None:
            end = match[1]
