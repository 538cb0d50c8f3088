"""Text of an expression to tokens, with the value of every literal. Never knows the grammar."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.values import INT_MAX, UINT_MAX, Uint

MAXIMUM_CHARACTERS: Final = 100_000

_TOKEN: Final = re.compile(
    r"""(?P<space>(?:[\t\n\f\r ]|//[^\n]*)+)
    |(?P<string>(?P<prefix>[rR][bB]?|[bB][rR]?)?(?P<quote>\"\"\"|'''|"|'))
    |(?P<double>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+|\.\d+(?:[eE][+-]?\d+)?)
    |(?P<int>0[xX][0-9a-fA-F]+[uU]?|\d+[uU]?)
    |(?P<name>[_a-zA-Z][_a-zA-Z0-9]*)
    |(?P<field>`[a-zA-Z0-9_./ -]+`)
    |(?P<operator>&&|\|\||[=!<>]=|\[\?|[-+*/%<>!?:.,(){}\[\]])""",
    re.VERBOSE,
)
_ESCAPE: Final = re.compile(
    r"\\(?:([abfnrtv\\?\"'`])|[xX]([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})|([0-3][0-7]{2})|)"
)
_LETTERS: Final = {"a": "\a", "b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class CelSyntaxError(ValueError):
    """Text that is no expression; `at` is where."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class Token(msgspec.Struct, frozen=True):
    """`kind` is name, field, value, end or the operator itself; `value` is that of a literal or a name."""

    kind: str
    value: Any
    at: int


def tokens(text: str) -> Iterator[Token]:
    """The tokens of `text`, with an `end` after them. Raises CelSyntaxError."""
    if len(text) > MAXIMUM_CHARACTERS:
        raise CelSyntaxError(f"longer than {MAXIMUM_CHARACTERS} characters", 0)
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise CelSyntaxError(f"token recognition error at: {text[at]!r}", at)
        start, at = at, match.end()
        match match.lastgroup:
            case "space":
                continue
            case "name":
                yield Token("name", match[0], start)
            case "field":
                yield Token("field", match[0][1:-1], start)
            case "double":
                yield Token("value", float(match[0]), start)
            case "int":
                yield Token("value", _integer(match[0], start), start)
            case "operator":
                yield Token(match[0], match[0], start)
            case _:
                value, at = _string(text, match, start)
                yield Token("value", value, start)
    yield Token("end", None, len(text))


def _integer(text: str, at: int) -> int:
    unsigned = text[-1] in "uU"
    digits = text.rstrip("uU")
    if len(digits) > 100:
        raise CelSyntaxError("invalid int literal", at)
    value = int(digits, 16) if digits[:2] in ("0x", "0X") else int(digits)
    # The parser allows the one above the largest after a minus sign.
    if value > (UINT_MAX if unsigned else INT_MAX + 1):
        raise CelSyntaxError(f"invalid {'uint' if unsigned else 'int'} literal", at)
    return Uint(value) if unsigned else value


def _string(text: str, match: re.Match[str], start: int) -> tuple[str | bytes, int]:
    prefix, quote = (match["prefix"] or "").lower(), match["quote"]
    body = match.end()
    at = body
    while not text.startswith(quote, at):
        if at >= len(text) or (len(quote) == 1 and text[at] in "\r\n"):
            raise CelSyntaxError("unterminated string", start)
        at += 2 if text[at] == "\\" and "r" not in prefix else 1
    raw, end = text[body:at], at + len(quote)
    if "b" in prefix:
        return (raw.encode() if "r" in prefix else _bytes(raw, start)), end
    return (raw if "r" in prefix else _ESCAPE.sub(lambda found: _character(found, start), raw)), end


def _character(found: re.Match[str], at: int) -> str:
    letter, *numbers, octal = found.groups()
    if letter:
        return _LETTERS.get(letter, letter)
    code = int(octal, 8) if octal else next((int(number, 16) for number in numbers if number), -1)
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise CelSyntaxError("invalid escape in a string", at)
    return chr(code)


def _bytes(raw: str, at: int) -> bytes:
    out, last = bytearray(), 0
    for found in _ESCAPE.finditer(raw):
        out += raw[last : found.start()].encode()
        _, byte, short, long, octal = found.groups()
        if short or long:
            raise CelSyntaxError("invalid escape in bytes", at)
        code = int(byte, 16) if byte else int(octal, 8) if octal else ord(_character(found, at))
        out.append(code)
        last = found.end()
    return bytes(out + raw[last:].encode())
