"""Parse Go templates into trees of text, actions, branches, loops and definitions, with positions in the source.

Follows the lexer of Go's text/template (`lex.go`): delimiters, trim markers, comments, three kinds of quotes. Text
excludes the white space removed by trim markers. Expressions are kept as source, see `expression`. Also numbers the
files of a chart in Helm's order. Never renders.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import PurePosixPath
from typing import Final

import msgspec

from kubekeep.model.location import Position, Region, line_starts

MAX_LENGTH: Final = 4 * 1024 * 1024
"""Maximum length in characters; Helm accepts longer templates, but they do not occur in practice."""
MAX_NESTING: Final = 200

# Possessive, so that an action without an end fails in a single pass.
_ACTION: Final = re.compile(
    r"""\{\{(?:-(?=[ \t\r\n]))?\s*+/\*(?s:.*?)\*/(?:[ \t\r\n]+-)?\}\}"""
    r"""|\{\{(?:-(?=[ \t\r\n]))?((?:"(?:[^"\\\n]|\\.)*+"|`[^`]*+`|'(?:[^'\\\n]|\\.)*+'|[^"`'}])*+)\}\}"""
)
_WORD: Final = re.compile(r"\s*(if|with|range|else|end|define|block|template|break|continue)(?!\w)\s*")
_ELSE: Final = re.compile(r"(if|with)(?!\w)\s*")
_NAME: Final = re.compile(r"""("(?:[^"\\\n]|\\.)*"|`[^`]*`)\s*""")
_SPACE: Final = " \t\r\n"


class TemplateError(ValueError):
    """A text that is not a Go template, or exceeds the limits."""


class TextNode(msgspec.Struct, frozen=True, gc=False):
    """Literal text, trimmed; `at` is the index of its first character."""

    at: int
    text: str


class ActionNode(msgspec.Struct, frozen=True, gc=False):
    """`{{ pipeline }}`: prints a value or sets a variable. `at` and `end` include the delimiters."""

    at: int
    end: int
    source: str


class TemplateCallNode(msgspec.Struct, frozen=True, gc=False):
    """`{{ template "name" pipeline }}`, or the call made by a `block`; `source` is the pipeline, "" for none."""

    at: int
    end: int
    name: str
    source: str


class BranchCase(msgspec.Struct, frozen=True):
    """One case of a branch; `source` is its condition, None for `else`."""

    at: int
    source: str | None
    body: tuple[Node, ...]


class BranchNode(msgspec.Struct, frozen=True):
    """`if`, or `with` (`rebinds`: the value becomes the dot), and its `else` cases in order."""

    at: int
    rebinds: bool
    cases: tuple[BranchCase, ...]


class RangeNode(msgspec.Struct, frozen=True):
    """A loop; `otherwise` runs if there is no iteration."""

    at: int
    source: str
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] | None


class JumpNode(msgspec.Struct, frozen=True, gc=False):
    """`break` or `continue`."""

    word: str


Node = TextNode | ActionNode | TemplateCallNode | BranchNode | RangeNode | JumpNode


class ParsedTemplate(msgspec.Struct, frozen=True):
    """A parsed file: its own body and its definitions. Definitions with only space and comments are left out."""

    body: tuple[Node, ...]
    defines: dict[str, tuple[Node, ...]]


def walk_nodes(nodes: Sequence[Node]) -> Iterator[Node]:
    """Yield all nodes of a body, including those of branches and loops."""
    for node in nodes:
        yield node
        match node:
            case BranchNode(cases=cases):
                for case in cases:
                    yield from walk_nodes(case.body)
            case RangeNode():
                yield from walk_nodes((*node.body, *(node.otherwise or ())))


def parse_template(source: str) -> ParsedTemplate:
    """Parse a template. Raises TemplateError for a text that Go would reject."""
    if len(source) > MAX_LENGTH:
        raise TemplateError(f"longer than {MAX_LENGTH} characters")
    return _TemplateReader(source).template()


class _TemplateReader:
    """State of the parser; `_tokens` are literal texts and (start, end, content) of actions, `_next` the next index."""

    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._next = 0
        self._defines: dict[str, tuple[Node, ...]] = {}

    def template(self) -> ParsedTemplate:
        body, closing = self._parse_nodes(0)
        if closing is not None:
            raise TemplateError("an else or end that closes nothing")
        return ParsedTemplate(body, self._defines)

    def _parse_nodes(self, depth: int) -> tuple[tuple[Node, ...], tuple[str, str, int] | None]:
        """Parse nodes up to an `else` or `end`; return them with its word, its rest and its position."""
        if depth > MAX_NESTING:
            raise TemplateError(f"nested deeper than {MAX_NESTING} levels")
        nodes: list[Node] = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            if isinstance(token, TextNode):
                nodes.append(token)
                continue
            at, end, content = token
            match = _WORD.match(content)
            if match is None:
                nodes.append(ActionNode(at, end, content))
                continue
            word, rest = match[1], content[match.end() :]
            if word in ("else", "end"):
                return tuple(nodes), (word, rest, at)
            node = self._parse_keyword(word, rest, (at, end), depth)
            if node is not None:
                nodes.append(node)
        return tuple(nodes), None

    def _parse_keyword(self, word: str, rest: str, span: tuple[int, int], depth: int) -> Node | None:
        match word:
            case "if" | "with":
                return self._parse_branch(word, rest, span[0], depth)
            case "range":
                return self._parse_range(rest, span[0], depth)
            case "break" | "continue":
                return JumpNode(word)
            case "template":
                return TemplateCallNode(*span, *_parse_name(rest))
            case _:
                name, source = _parse_name(rest)
                body, _ = self._parse_nodes(depth + 1)
                if any(not isinstance(node, TextNode) or node.text.strip() for node in body):
                    self._defines[name] = body
                return TemplateCallNode(*span, name, source) if word == "block" else None

    def _parse_branch(self, word: str, source: str | None, at: int, depth: int) -> BranchNode:
        cases: list[BranchCase] = []
        while True:
            body, closing = self._parse_nodes(depth + 1)
            cases.append(BranchCase(at, source, body))
            if closing is None:
                raise TemplateError(f"{word} without end")
            kind, rest, at = closing
            if kind == "end":
                return BranchNode(cases[0].at, word == "with", tuple(cases))
            match = _ELSE.match(rest)
            source = rest[match.end() :] if match else None

    def _parse_range(self, source: str, at: int, depth: int) -> RangeNode:
        body, closing = self._parse_nodes(depth + 1)
        otherwise = None
        if closing is not None and closing[0] == "else":
            otherwise, closing = self._parse_nodes(depth + 1)
        if closing is None:
            raise TemplateError("range without end")
        return RangeNode(at, source, body, otherwise)


def _tokens(source: str) -> Iterator[TextNode | tuple[int, int, str]]:
    at, trims = 0, False
    while True:
        opening = source.find("{{", at)
        stop = len(source) if opening < 0 else opening
        start = at
        if trims:
            start = stop - len(source[at:stop].lstrip(_SPACE))
        match = _ACTION.match(source, stop) if opening >= 0 else None
        if opening >= 0 and match is None:
            raise TemplateError(f"an action that does not end, at index {opening}")
        last = stop
        if match is not None and source[stop + 2] == "-" and source[stop + 3] in _SPACE:
            last = start + len(source[start:stop].rstrip(_SPACE))
        if last > start:
            yield TextNode(start, source[start:last])
        if match is None:
            return
        at = match.end()
        content = match[1]
        if content is None:
            trims = source[at - 3] == "-"
            continue
        trims = len(content) > 1 and content[-1] == "-" and content[-2] in _SPACE
        yield stop, at, content[:-2] if trims else content


def _parse_name(rest: str) -> tuple[str, str]:
    match = _NAME.match(rest)
    if match is None:
        raise TemplateError("a template without a name")
    return unquote(match[1]), rest[match.end() :]


_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unquote(literal: str) -> str:
    """Return the text of a Go string literal."""
    if literal[0] == "`" or "\\" not in literal:
        return literal[1:-1]
    return _ESCAPE.sub(_unescape, literal[1:-1])


def _unescape(match: re.Match[str]) -> str:
    code, octal, letter = match[1] or match[2] or match[3], match[4], match[5]
    if letter is not None:
        return _LETTERS.get(letter, letter)
    number = int(code, 16) if code else int(octal, 8)
    return chr(number) if number <= 0x10FFFF else "\ufffd"


class TemplateFile:
    """One template file. `scope` are the names of its sub-charts, outermost first."""

    def __init__(self, name: str, source: str, tree: ParsedTemplate | None) -> None:
        self.name = name
        self.source = source
        self.tree = tree
        self.scope = find_scope(name)

    @property
    def prints(self) -> bool:
        """True if Helm parses its output as manifests."""
        base = PurePosixPath(self.name).name
        return self.tree is not None and not base.startswith("_") and not base.endswith("NOTES.txt")

    @property
    def body(self) -> tuple[Node, ...]:
        """Nodes outside of definitions."""
        return self.tree.body if self.tree else ()

    @property
    def chart(self) -> str:
        """Name of its chart's folder, as Helm writes it."""
        return "/charts/".join((self.name.split("/", 1)[0], *self.scope))

    def region(self, start: int, end: int) -> Region:
        """Return the region between two indexes."""
        return Region(self._position(start), self._position(end))

    def line(self, index: int) -> int:
        """Return the line of an index, from 1."""
        return bisect_right(self._lines, index)

    def _position(self, index: int) -> Position:
        line = self.line(index)
        return Position(line, index - self._lines[line - 1] + 1)

    @cached_property
    def _lines(self) -> array[int]:
        """Indexes of the starts of lines."""
        return line_starts(self.source)


class NamedTemplate(msgspec.Struct, frozen=True):
    """A named template: number of its file, body, and the numbers of other files that define the name."""

    file: int
    body: tuple[Node, ...]
    others: tuple[int, ...] = ()


class TemplateSet:
    """Template files of a chart and its sub-charts in Helm's parse order; later definitions replace earlier ones."""

    def __init__(self, templates: Mapping[str, str]) -> None:
        names = sorted(templates, key=lambda name: (name.count("/"), name), reverse=True)
        self.files = [TemplateFile(name, templates[name], _parse_or_none(templates[name])) for name in names]
        self.defines: dict[str, NamedTemplate] = {}
        for number, file in enumerate(self.files):
            for name, body in (file.tree.defines if file.tree else {}).items():
                previous = self.defines.get(name)
                others = (*previous.others, previous.file) if previous else ()
                self.defines[name] = NamedTemplate(number, body, others)


def _parse_or_none(source: str) -> ParsedTemplate | None:
    try:
        return parse_template(source)
    except TemplateError:
        return None


def find_scope(name: str) -> tuple[str, ...]:
    """Return the sub-charts of a template: `web/charts/redis/templates/x.yaml` is in ("redis",)."""
    parts = name.split("/")
    scope: list[str] = []
    at = 1
    while at + 1 < len(parts) and parts[at] == "charts":
        scope.append(parts[at + 1])
        at += 2
    return tuple(scope)
