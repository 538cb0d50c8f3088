"""The expressions of Go's text/template as trees. Never evaluates them."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from kubekeep.sources.helm.trace.template import TemplateError, unquoted

DEPTH: Final = 100

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<char>'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<variable>\$\w*)|(?P<number>[+-]?\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?)|(?P<field>\.[^\W\d]\w*)"""
    r"""|(?P<mark>\.|\(|\)|\||:=|=|,)|(?P<word>[^\W\d]\w*)"""
)
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "nil": None}


class Literal(msgspec.Struct, frozen=True):
    """A constant, with the span of its text in the source."""

    value: Any
    at: int
    end: int


class Dot(msgspec.Struct, frozen=True, gc=False):
    """`.`: what the template is about, with the span of its text in the source; of no width before a field."""

    at: int
    end: int


class Variable(msgspec.Struct, frozen=True, gc=False):
    """`$name`, with the span of its text in the source; the name of `$` itself is empty."""

    name: str
    at: int
    end: int


class Function(msgspec.Struct, frozen=True, gc=False):
    """The name of a function, with the span of its text in the source."""

    name: str
    at: int
    end: int


class Chain(msgspec.Struct, frozen=True):
    """`.a.b`, `$x.a.b` or `(...).a.b`."""

    base: Operand
    names: tuple[str, ...]


class Pipe(msgspec.Struct, frozen=True):
    """A pipeline: each command is a list of operands, the value of the one before is the last operand of the next.

    `names` are the variables that it declares, or sets if `assigns`, without their dollar.
    """

    names: tuple[str, ...]
    assigns: bool
    commands: tuple[tuple[Operand, ...], ...]


Operand = Literal | Dot | Variable | Function | Chain | Pipe


@lru_cache(maxsize=8192)
def parse(source: str) -> Pipe:
    """The tree of what stands between the delimiters; raises TemplateError for what is no expression."""
    parser = _Parser(source)
    pipe = parser.pipe(0)
    if parser.kind:
        raise TemplateError(f"not an expression: {source[:80]!r}")
    return pipe


class _Parser:
    """One source; `kind` and `text` are the token at hand, empty at the end, `spaced` whether space precedes it."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._end = 0
        self.kind = ""
        self._advance()

    def _advance(self) -> None:
        self._spaced = False
        while True:
            self._at = self._end
            match = _TOKEN.match(self._source, self._at)
            if match is None:
                if self._at < len(self._source):
                    raise TemplateError(f"not an expression: {self._source[:80]!r}")
                self.kind, self._text = "", ""
                return
            self._end = match.end()
            self.kind, self._text = match.lastgroup or "", match[0]
            if self.kind != "space":
                return
            self._spaced = True

    def pipe(self, depth: int) -> Pipe:
        """A pipeline up to the end or a closing parenthesis."""
        if depth > DEPTH:
            raise TemplateError(f"nested deeper than {DEPTH} levels")
        names, assigns = self._declared()
        commands: list[tuple[Operand, ...]] = []
        while True:
            operands: list[Operand] = []
            while self.kind and self._text not in ("|", ")"):
                operands.append(self._operand(depth))
            commands.append(tuple(operands))
            if self._text != "|" or self.kind != "mark":
                return Pipe(names, assigns, tuple(commands))
            self._advance()

    def _declared(self) -> tuple[tuple[str, ...], bool]:
        match = _DECLARED.match(self._source, self._at)
        if match is None:
            return (), False
        self._end = match.end()
        self._advance()
        return tuple(name for name in match.group(1, 2) if name is not None), match[3] == "="

    def _operand(self, depth: int) -> Operand:
        base = self._term(depth)
        names: list[str] = []
        while self.kind == "field" and not self._spaced:
            names.append(self._text[1:])
            self._advance()
        return Chain(base, tuple(names)) if names else base

    def _term(self, depth: int) -> Operand:  # noqa: PLR0911 - one for each kind of token
        kind, text, at, end = self.kind, self._text, self._at, self._end
        if text == "(" and kind == "mark":
            self._advance()
            inner = self.pipe(depth + 1)
            if self._text != ")":
                raise TemplateError("a parenthesis that is not closed")
            self._advance()
            return inner
        if kind == "field":
            # The names of the chain, this one first, are read by the caller.
            self._spaced = False
            return Dot(at, at)
        self._advance()
        match kind:
            case "string":
                return Literal(unquoted(text), at, end)
            case "variable":
                return Variable(text[1:], at, end)
            case "number" | "char":
                return Literal(_number(text), at, end)
            case "word":
                return Literal(_WORDS[text], at, end) if text in _WORDS else Function(text, at, end)
            case _ if text == ".":
                return Dot(at, end)
        raise TemplateError(f"not an operand: {text[:80]!r}")


def after_declaration(source: str) -> int:
    """Where the value begins in the source of a pipeline that declares or sets variables."""
    match = _DECLARED.match(source, len(source) - len(source.lstrip()))
    return match.end() if match else 0


_DECLARED: Final = re.compile(r"\$(\w+)\s*(?:,\s*\$(\w+)\s*)?(:=|=(?!=))")


def _number(text: str) -> Any:
    """The number, or the text itself where Python writes numbers in another way."""
    for read in (lambda: int(text, 0), lambda: float(text)):
        try:
            return read()
        except ValueError:
            continue
    return text


def included(pipe: Pipe) -> tuple[str, Operand] | None:
    """The named template that a pipeline includes first of all, and what it hands to it."""
    match pipe.commands[0] if pipe.commands else ():
        case (Function(name="include"), Literal(value=str() as name), dot):
            return name, dot
        case (*_, Pipe() as inner):
            return included(inner)
    return None


def indentation(pipe: Pipe) -> int | None:
    """How far a pipeline moves the lines of the named template that it includes to the right.

    None if it includes none, or does more to its text.
    """
    match pipe.commands:
        case ((Function(name="include"), Literal(value=str()), _), *rest):
            columns = 0
        case _:
            return None
    for command in rest:
        match command:
            case (Function(name="indent" | "nindent"), Literal(value=int() as more)):
                columns += more
            case (Function(name="trim"),):
                continue
            case _:
                return None
    return columns


def first_variable(pipe: Pipe) -> str:
    """The name of the variable that a pipeline begins with, `.` if with the dot, empty if with none."""
    match pipe.commands[0] if pipe.commands else ():
        case (Variable(name=name),):
            return name
        case (Dot(),):
            return "."
        case (*_, Pipe() as inner):
            return first_variable(inner)
    return ""


def merged_into(pipe: Pipe) -> str:
    """The variable whose mapping a pipeline changes, as `merge $x ...` does; empty if it changes none."""
    match pipe.commands:
        case ((Function(name=function), Variable(name=name), *_),) if function.lower().startswith(
            ("merge", "mustmerge")
        ):
            return name
    return ""
