"""Templates with their parts: quoted strings, heredocs and whole files. Splits and joins; evaluates nothing itself."""

from __future__ import annotations

import re
from typing import Any, Final

import msgspec

from kubekeep.sources.terraform.syntax import HclSyntaxError, parse_expression

_SPECIAL: Final = re.compile(r"\$\$\{|%%\{|\$\{|%\{")
_ESCAPE: Final = re.compile(r'\\(?:([nrt"\\])|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8}))')
_ESCAPED: Final = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_BRACES: Final = re.compile(r'\\.|\$\{|[{}"]', re.DOTALL)


class Part(msgspec.Struct, frozen=True):
    """Literal text, or an expression (`lines` line ends stood in it), or a directive (`expression` is None then)."""

    text: str = ""
    expression: Any = None
    lines: int = 0
    directive: bool = False


def split(template: str) -> list[Part]:
    """The parts of a template without escapes: a heredoc's or a file's. Raises HclSyntaxError."""
    found: list[Part] = []
    at = 0
    while match := _SPECIAL.search(template, at):
        if match.start() > at:
            found.append(Part(template[at : match.start()]))
        if len(match[0]) == len("$${"):
            found.append(Part(match[0][1:]))
            at = match.end()
            continue
        end = _closing(template, match.end())
        inner = template[match.end() : end]
        if match[0] == "%{":
            found.append(Part(directive=True, lines=inner.count("\n")))
        else:
            found.append(Part(expression=parse_expression(inner), lines=inner.count("\n")))
        at = end + 1
    if at < len(template):
        found.append(Part(template[at:]))
    return found


def _closing(text: str, at: int) -> int:
    """The index of the brace that closes an interpolation, past the strings and braces inside."""
    inside = ["{"]
    while match := _BRACES.search(text, at):
        piece, at = match[0], match.end()
        in_text = inside[-1] == '"'
        if piece == '"':
            if in_text:
                inside.pop()
            else:
                inside.append(piece)
        elif piece == "${" or (piece == "{" and not in_text):
            inside.append("{")
        elif piece == "}" and not in_text:
            inside.pop()
            if not inside:
                return match.start()
    raise HclSyntaxError("an interpolation without end")


def unescaped(text: str) -> str:
    """The characters of a quoted string's literal part."""
    return _ESCAPE.sub(_character, text) if "\\" in text else text


def _character(match: re.Match[str]) -> str:
    if match[1]:
        return _ESCAPED[match[1]]
    code = int(match[2] or match[3], 16)
    return chr(code) if code <= 0x10FFFF and not 0xD800 <= code < 0xE000 else "\ufffd"


def heredoc(token: str) -> tuple[str, int]:
    """The template of a heredoc token, and the indentation that `<<-` takes from each line."""
    head, _, rest = token.rstrip("\n").rpartition("\n")[0].partition("\n")
    body = rest.replace("\r\n", "\n")
    if not rest and "\n" not in token.rstrip("\n").rpartition("\n")[0]:
        return "", 0
    lines = body.split("\n")
    indent = 0
    if head.startswith("<<-"):
        indent = min((len(line) - len(line.lstrip(" \t")) for line in lines if line.strip()), default=0)
        lines = [line[indent:] for line in lines]
    return "".join(f"{line}\n" for line in lines), indent
