"""A Go template as a tree: text, actions, branches, loops and definitions, each with its place in the source.

Follows the lexer of Go's text/template (`lex.go`): delimiters, trim markers, comments, the three kinds of quotes.
Whitespace that trim markers remove is not part of any text here. Never evaluates, and never judges an expression:
the source of each is kept as it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import msgspec

MAXIMUM: Final = 4 * 1024 * 1024
"""The longest template that is read, in characters: Helm takes longer ones, but nobody writes them."""
DEPTH: Final = 200

# Possessive, so that an action that is never closed is found out in one pass.
_ACTION: Final = re.compile(
    r"""\{\{(?:-(?=[ \t\r\n]))?\s*+/\*(?s:.*?)\*/(?:[ \t\r\n]+-)?\}\}"""
    r"""|\{\{(?:-(?=[ \t\r\n]))?((?:"(?:[^"\\\n]|\\.)*+"|`[^`]*+`|'(?:[^'\\\n]|\\.)*+'|[^"`'}])*+)\}\}"""
)
_WORD: Final = re.compile(r"\s*(if|with|range|else|end|define|block|template|break|continue)(?!\w)\s*")
_ELSE: Final = re.compile(r"(if|with)(?!\w)\s*")
_NAME: Final = re.compile(r"""("(?:[^"\\\n]|\\.)*"|`[^`]*`)\s*""")
_SPACE: Final = " \t\r\n"


class TemplateError(ValueError):
    """A text that is no Go template, or one of a size that nobody writes."""


class Text(msgspec.Struct, frozen=True, gc=False):
    """Literal text, trimmed; `at` is the index of its first character."""

    at: int
    text: str


class Action(msgspec.Struct, frozen=True, gc=False):
    """`{{ pipeline }}`: prints a value or sets a variable. `at` and `end` span it with its delimiters."""

    at: int
    end: int
    source: str


class Call(msgspec.Struct, frozen=True, gc=False):
    """`{{ template "name" pipeline }}`, or the call that a `block` makes; `source` is the pipeline, empty for none."""

    at: int
    end: int
    name: str
    source: str


class Case(msgspec.Struct, frozen=True):
    """One branch; `source` is its condition, None for `else`."""

    at: int
    source: str | None
    body: tuple[Node, ...]


class Branch(msgspec.Struct, frozen=True):
    """`if` or `with` (whose value becomes the dot) and its `else` branches, in order."""

    at: int
    rebinds: bool
    cases: tuple[Case, ...]


class Range(msgspec.Struct, frozen=True):
    """A loop; `otherwise` runs when it had nothing to go through."""

    at: int
    source: str
    body: tuple[Node, ...]
    otherwise: tuple[Node, ...] | None


class Jump(msgspec.Struct, frozen=True, gc=False):
    """`break` or `continue`."""

    word: str


Node = Text | Action | Call | Branch | Range | Jump


class Template(msgspec.Struct, frozen=True):
    """A file: what it prints itself, and what it defines. A definition that only has space or comments is left out."""

    body: tuple[Node, ...]
    defines: dict[str, tuple[Node, ...]]


def inside(nodes: Sequence[Node]) -> Iterator[Node]:
    """All nodes of a body, with those of its branches and loops."""
    for node in nodes:
        yield node
        match node:
            case Branch(cases=cases):
                for case in cases:
                    yield from inside(case.body)
            case Range():
                yield from inside((*node.body, *(node.otherwise or ())))


def read(source: str) -> Template:
    """The tree of a template; raises TemplateError for a text that Go would not take."""
    if len(source) > MAXIMUM:
        raise TemplateError(f"longer than {MAXIMUM} characters")
    return _Reader(source).template()


class _Reader:
    """One source. `_tokens` are literal texts and (start, end, inside) of actions, `_next` the first not yet taken."""

    def __init__(self, source: str) -> None:
        self._tokens = list(_tokens(source))
        self._next = 0
        self._defines: dict[str, tuple[Node, ...]] = {}

    def template(self) -> Template:
        body, closing = self._nodes(0)
        if closing is not None:
            raise TemplateError("an else or end that closes nothing")
        return Template(body, self._defines)

    def _nodes(self, depth: int) -> tuple[tuple[Node, ...], tuple[str, str, int] | None]:
        """Nodes up to an `else` or `end`, and that: its word, what follows it, and its place."""
        if depth > DEPTH:
            raise TemplateError(f"nested deeper than {DEPTH} levels")
        nodes: list[Node] = []
        while self._next < len(self._tokens):
            token = self._tokens[self._next]
            self._next += 1
            if isinstance(token, Text):
                nodes.append(token)
                continue
            at, end, inside = token
            match = _WORD.match(inside)
            if match is None:
                nodes.append(Action(at, end, inside))
                continue
            word, rest = match[1], inside[match.end() :]
            if word in ("else", "end"):
                return tuple(nodes), (word, rest, at)
            node = self._keyword(word, rest, (at, end), depth)
            if node is not None:
                nodes.append(node)
        return tuple(nodes), None

    def _keyword(self, word: str, rest: str, span: tuple[int, int], depth: int) -> Node | None:
        match word:
            case "if" | "with":
                return self._branch(word, rest, span[0], depth)
            case "range":
                return self._range(rest, span[0], depth)
            case "break" | "continue":
                return Jump(word)
            case "template":
                return Call(*span, *_named(rest))
            case _:
                name, source = _named(rest)
                body, _ = self._nodes(depth + 1)
                if any(not isinstance(node, Text) or node.text.strip() for node in body):
                    self._defines[name] = body
                return Call(*span, name, source) if word == "block" else None

    def _branch(self, word: str, source: str | None, at: int, depth: int) -> Branch:
        cases: list[Case] = []
        while True:
            body, closing = self._nodes(depth + 1)
            cases.append(Case(at, source, body))
            if closing is None:
                raise TemplateError(f"{word} without end")
            kind, rest, at = closing
            if kind == "end":
                return Branch(cases[0].at, word == "with", tuple(cases))
            match = _ELSE.match(rest)
            source = rest[match.end() :] if match else None

    def _range(self, source: str, at: int, depth: int) -> Range:
        body, closing = self._nodes(depth + 1)
        otherwise = None
        if closing is not None and closing[0] == "else":
            otherwise, closing = self._nodes(depth + 1)
        if closing is None:
            raise TemplateError("range without end")
        return Range(at, source, body, otherwise)


def _tokens(source: str) -> Iterator[Text | tuple[int, int, str]]:
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
            yield Text(start, source[start:last])
        if match is None:
            return
        at = match.end()
        inside = match[1]
        if inside is None:
            trims = source[at - 3] == "-"
            continue
        trims = len(inside) > 1 and inside[-1] == "-" and inside[-2] in _SPACE
        yield stop, at, inside[:-2] if trims else inside


def _named(rest: str) -> tuple[str, str]:
    match = _NAME.match(rest)
    if match is None:
        raise TemplateError("a template without a name")
    return unquoted(match[1]), rest[match.end() :]


_ESCAPE: Final = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-7]{3})|(.))")
_LETTERS: Final = {"n": "\n", "t": "\t", "r": "\r", "a": "\a", "b": "\b", "f": "\f", "v": "\v"}


def unquoted(literal: str) -> str:
    """The text of a Go string literal."""
    if literal[0] == "`" or "\\" not in literal:
        return literal[1:-1]
    return _ESCAPE.sub(_escape, literal[1:-1])


def _escape(match: re.Match[str]) -> str:
    code, octal, letter = match[1] or match[2] or match[3], match[4], match[5]
    if letter is not None:
        return _LETTERS.get(letter, letter)
    number = int(code, 16) if code else int(octal, 8)
    return chr(number) if number <= 0x10FFFF else "\ufffd"
