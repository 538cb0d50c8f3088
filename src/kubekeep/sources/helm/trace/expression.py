"""Parse the expressions of Go's text/template into trees. Never evaluates."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any, Final

import msgspec

from kubekeep.sources.helm.trace.template import TemplateError, unquote

MAX_NESTING: Final = 100

_TOKEN: Final = re.compile(
    r"""(?P<space>\s+)|(?P<string>"(?:[^"\\\n]|\\.)*"|`[^`]*`)|(?P<char>'(?:[^'\\\n]|\\.)*')"""
    r"""|(?P<variable>\$\w*)|(?P<number>[+-]?\.?\d[\w.]*(?:(?<=[eE])[+-]\d+)?)|(?P<field>\.[^\W\d]\w*)"""
    r"""|(?P<mark>\.|\(|\)|\||:=|=|,)|(?P<word>[^\W\d]\w*)"""
)
_WORDS: Final[dict[str, Any]] = {"true": True, "false": False, "nil": None}


class LiteralOperand(msgspec.Struct, frozen=True):
    """A constant, with the span of its text in the source."""

    value: Any
    at: int
    end: int


class Dot(msgspec.Struct, frozen=True, gc=False):
    """The current value `.`, with the span of its text in the source (empty before a field)."""

    at: int
    end: int


class Variable(msgspec.Struct, frozen=True, gc=False):
    """`$name`, with the span of its text in the source; the name of `$` itself is empty."""

    name: str
    at: int
    end: int


class FunctionName(msgspec.Struct, frozen=True, gc=False):
    """Name of a function, with the span of its text in the source."""

    name: str
    at: int
    end: int


class Chain(msgspec.Struct, frozen=True):
    """`.a.b`, `$x.a.b` or `(...).a.b`."""

    base: Operand
    names: tuple[str, ...]


class Pipeline(msgspec.Struct, frozen=True):
    """A pipeline: the value of each command is the last operand of the next one.

    `names` are the variables that it declares, or assigns if `assigns`, without the dollar sign.
    """

    names: tuple[str, ...]
    assigns: bool
    commands: tuple[tuple[Operand, ...], ...]


Operand = LiteralOperand | Dot | Variable | FunctionName | Chain | Pipeline


@lru_cache(maxsize=8192)
def parse(source: str) -> Pipeline:
    """Parse the text between the delimiters of an action. Raises TemplateError."""
    parser = _ExpressionParser(source)
    pipe = parser.parse_pipeline(0)
    if parser.kind:
        raise TemplateError(f"not an expression: {source[:80]!r}")
    return pipe


class _ExpressionParser:
    """State of the parser: `kind` and `text` of the current token (empty at the end), `spaced` if space precedes it."""

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

    def parse_pipeline(self, depth: int) -> Pipeline:
        """Parse a pipeline up to the end or a closing parenthesis."""
        if depth > MAX_NESTING:
            raise TemplateError(f"nested deeper than {MAX_NESTING} levels")
        names, assigns = self._parse_declaration()
        commands: list[tuple[Operand, ...]] = []
        while True:
            operands: list[Operand] = []
            while self.kind and self._text not in ("|", ")"):
                operands.append(self._parse_operand(depth))
            commands.append(tuple(operands))
            if self._text != "|" or self.kind != "mark":
                return Pipeline(names, assigns, tuple(commands))
            self._advance()

    def _parse_declaration(self) -> tuple[tuple[str, ...], bool]:
        match = _DECLARED.match(self._source, self._at)
        if match is None:
            return (), False
        self._end = match.end()
        self._advance()
        return tuple(name for name in match.group(1, 2) if name is not None), match[3] == "="

    def _parse_operand(self, depth: int) -> Operand:
        base = self._parse_term(depth)
        names: list[str] = []
        while self.kind == "field" and not self._spaced:
            names.append(self._text[1:])
            self._advance()
        return Chain(base, tuple(names)) if names else base

    def _parse_term(self, depth: int) -> Operand:  # noqa: PLR0911 - one for each kind of token
        kind, text, at, end = self.kind, self._text, self._at, self._end
        if text == "(" and kind == "mark":
            self._advance()
            inner = self.parse_pipeline(depth + 1)
            if self._text != ")":
                raise TemplateError("a parenthesis that is not closed")
            self._advance()
            return inner
        if kind == "field":
            # The caller reads the names of the chain, including this one.
            self._spaced = False
            return Dot(at, at)
        self._advance()
        match kind:
            case "string":
                return LiteralOperand(unquote(text), at, end)
            case "variable":
                return Variable(text[1:], at, end)
            case "number" | "char":
                return LiteralOperand(_parse_number(text), at, end)
            case "word":
                return LiteralOperand(_WORDS[text], at, end) if text in _WORDS else FunctionName(text, at, end)
            case _ if text == ".":
                return Dot(at, end)
        raise TemplateError(f"not an operand: {text[:80]!r}")


def find_value_start(source: str) -> int:
    """Return the index of the value in a pipeline that declares or assigns variables."""
    match = _DECLARED.match(source, len(source) - len(source.lstrip()))
    return match.end() if match else 0


_DECLARED: Final = re.compile(r"\$(\w+)\s*(?:,\s*\$(\w+)\s*)?(:=|=(?!=))")


def _parse_number(text: str) -> Any:
    """Convert to a number; return the text if Python has no such number syntax."""
    for read in (lambda: int(text, 0), lambda: float(text)):
        try:
            return read()
        except ValueError:
            continue
    return text


def find_include(pipe: Pipeline) -> tuple[str, Operand] | None:
    """Return the named template that a pipeline includes first, and its argument."""
    match pipe.commands[0] if pipe.commands else ():
        case (FunctionName(name="include"), LiteralOperand(value=str() as name), dot):
            return name, dot
        case (*_, Pipeline() as inner):
            return find_include(inner)
    return None


def find_indentation(pipe: Pipeline) -> int | None:
    """Return the number of columns by which a pipeline indents the named template that it includes.

    None if it includes none, or changes its text in another way.
    """
    match pipe.commands:
        case ((FunctionName(name="include"), LiteralOperand(value=str()), _), *rest):
            columns = 0
        case _:
            return None
    for command in rest:
        match command:
            case (FunctionName(name="indent" | "nindent"), LiteralOperand(value=int() as more)):
                columns += more
            case (FunctionName(name="trim"),):
                continue
            case _:
                return None
    return columns


def find_first_variable(pipe: Pipeline) -> str:
    """Return the name of the variable that a pipeline begins with, `.` for the dot, "" for neither."""
    match pipe.commands[0] if pipe.commands else ():
        case (Variable(name=name),):
            return name
        case (Dot(),):
            return "."
        case (*_, Pipeline() as inner):
            return find_first_variable(inner)
    return ""


def find_merge_target(pipe: Pipeline) -> str:
    """Return the variable whose mapping a pipeline modifies, as `merge $x ...` does; "" for none."""
    match pipe.commands:
        case ((FunctionName(name=function), Variable(name=name), *_),) if function.lower().startswith(
            ("merge", "mustmerge")
        ):
            return name
    return ""
