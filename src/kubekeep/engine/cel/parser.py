"""Lexer and parser of expressions, with the macros of CEL and Kubernetes expanded. Never resolves names."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.engine.cel.tree import (
    CallNode,
    CelNode,
    IdentifierNode,
    ListNode,
    LiteralNode,
    MacroNode,
    MapNode,
    SelectNode,
)
from kubekeep.engine.cel.values import INT_MAX, UINT_MAX, Uint

MAX_DEPTH: Final = 100

_CONSTANTS: Final = {"true": True, "false": False, "null": None}
_RESERVED: Final = frozenset(
    [
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "in",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)
_PRECEDENCE: Final = {
    "in": 1,
    "==": 1,
    "!=": 1,
    "<": 1,
    "<=": 1,
    ">": 1,
    ">=": 1,
    "+": 2,
    "-": 2,
    "*": 3,
    "/": 3,
    "%": 3,
}
_ONE_NAME: Final = frozenset(
    {"all", "exists", "exists_one", "existsOne", "map", "filter", "optMap", "optFlatMap", "sortBy"}
)
_TWO_NAMES: Final = frozenset(
    {"all", "exists", "exists_one", "existsOne", "transformList", "transformMap", "transformMapEntry"}
)
_CONDITIONAL: Final = frozenset({("map", 1), ("transformList", 2), ("transformMap", 2), ("transformMapEntry", 2)})


def parse(text: str) -> CelNode:
    """Parse an expression. Raises CelSyntaxError."""
    parser = _Parser(list(tokenize(text)))
    node = parser.parse_expression()
    if parser.token.kind != "end":
        raise CelSyntaxError(f"extraneous input {parser.token.value!r}", parser.token.at)
    return node


class _Parser:
    def __init__(self, tokens: list[CelToken]) -> None:
        self._tokens = tokens
        self._position = 0
        self._depth = 0

    @property
    def token(self) -> CelToken:
        return self._tokens[self._position]

    def _accept(self, *kinds: str) -> CelToken | None:
        """Consume and return the next token if it is one of `kinds`."""
        token = self.token
        if token.kind not in kinds:
            return None
        self._position += 1
        return token

    def _require(self, kind: str) -> CelToken:
        token = self._accept(kind)
        if token is None:
            raise CelSyntaxError(f"mismatched input {self.token.value!r} expecting {kind!r}", self.token.at)
        return token

    def parse_expression(self) -> CelNode:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise CelSyntaxError("nested too deeply", self.token.at)
        node = self._parse_disjunction()
        question = self._accept("?")
        if question:
            then = self._parse_disjunction()
            self._require(":")
            node = CallNode("_?_:_", (node, then, self.parse_expression()), question.at)
        self._depth -= 1
        return node

    def _parse_disjunction(self) -> CelNode:
        return self._parse_chain("||", lambda: self._parse_chain("&&", lambda: self._parse_binary(1)))

    def _parse_chain(self, operator: str, operand: Callable[[], CelNode]) -> CelNode:
        first, at = operand(), self.token.at
        operands = [first]
        while self._accept(operator):
            operands.append(operand())
        return first if len(operands) == 1 else CallNode(f"_{operator}_", tuple(operands), at)

    def _parse_binary(self, min_precedence: int) -> CelNode:
        left = self._parse_unary()
        length = 0
        while True:
            token = self.token
            operator = token.value if token.kind != "value" else ""
            precedence = _PRECEDENCE.get(operator, 0) if isinstance(operator, str) else 0
            if precedence < min_precedence or token.kind == "field":
                return left
            length += 1
            if length > MAX_DEPTH:
                raise CelSyntaxError("too many operators in a row", token.at)
            self._position += 1
            right = self._parse_binary(precedence + 1)
            left = CallNode("@in" if operator == "in" else f"_{operator}_", (left, right), token.at)

    def _parse_unary(self) -> CelNode:
        first = self.token
        count = 0
        while self._accept(first.kind) if first.kind in ("!", "-") else None:
            count += 1
        if first.kind == "-" and count % 2 and self._is_number():
            value = self.token.value
            self._position += 1
            return self._parse_member(LiteralNode(-value, first.at))
        node = self._parse_member(self._parse_primary())
        return CallNode(f"{first.kind}_", (node,), first.at) if count % 2 else node

    def _is_number(self) -> bool:
        return self.token.kind == "value" and type(self.token.value) in (int, float)

    def _parse_primary(self) -> CelNode:
        token = self.token
        self._position += 1
        match token.kind:
            case "value":
                if type(token.value) is int and token.value > INT_MAX:
                    raise CelSyntaxError("invalid int literal", token.at)
                return LiteralNode(token.value, token.at)
            case "(":
                node = self.parse_expression()
                self._require(")")
                return node
            case "[" | "[?":
                return self._parse_list(token)
            case "{":
                return self._parse_map(token)
            case "." if self.token.kind == "name":
                return self._parse_primary()
            case "name":
                return self._parse_name(token)
            case _:
                text = "<EOF>" if token.kind == "end" else token.value
                raise CelSyntaxError(f"mismatched input {text!r}", token.at)

    def _parse_name(self, token: CelToken) -> CelNode:
        if token.value in _CONSTANTS:
            return LiteralNode(_CONSTANTS[token.value], token.at)
        if token.value in _RESERVED:
            raise CelSyntaxError(f"reserved identifier: {token.value}", token.at)
        if not self._accept("("):
            return IdentifierNode(token.value, token.at)
        arguments = self._parse_arguments()
        if token.value != "has" or len(arguments) != 1:
            return CallNode(token.value, arguments, token.at)
        argument = arguments[0]
        if not isinstance(argument, SelectNode) or argument.is_optional:
            raise CelSyntaxError("invalid argument to has() macro", token.at)
        return SelectNode(argument.operand, argument.field, argument.at, is_presence_test=True)

    def _parse_arguments(self) -> tuple[CelNode, ...]:
        arguments: list[CelNode] = []
        while not self._accept(")"):
            if arguments:
                self._require(",")
            arguments.append(self.parse_expression())
        return tuple(arguments)

    def _parse_list(self, opening: CelToken) -> CelNode:
        elements: list[CelNode] = []
        optional: set[int] = set()
        is_first_optional = opening.kind == "[?"
        while not self._accept("]"):
            if elements:
                self._require(",")
                if self._accept("]"):
                    break
            if is_first_optional or self._accept("?"):
                optional.add(len(elements))
            is_first_optional = False
            elements.append(self.parse_expression())
        return ListNode(tuple(elements), frozenset(optional), opening.at)

    def _parse_map(self, opening: CelToken) -> CelNode:
        entries: list[tuple[CelNode, CelNode, bool]] = []
        while not self._accept("}"):
            if entries:
                self._require(",")
                if self._accept("}"):
                    break
            optional = self._accept("?") is not None
            key = self.parse_expression()
            self._require(":")
            entries.append((key, self.parse_expression(), optional))
        return MapNode(tuple(entries), opening.at)

    def _parse_member(self, node: CelNode) -> CelNode:
        length = 0
        while True:
            length += 1
            if length > MAX_DEPTH:
                raise CelSyntaxError("too many selections in a row", self.token.at)
            token = self._accept(".", "[", "[?")
            if token is None:
                return node
            if token.kind == ".":
                node = self._parse_selection(node)
            else:
                index = self.parse_expression()
                self._require("]")
                node = CallNode("_[?_]" if token.kind == "[?" else "_[_]", (node, index), token.at)

    def _parse_selection(self, node: CelNode) -> CelNode:
        optional = self._accept("?") is not None
        name = self._accept("name", "field")
        if name is None:
            raise CelSyntaxError(f"no viable alternative at input {self.token.value!r}", self.token.at)
        if name.kind == "name" and not optional and self._accept("("):
            return _create_method_call(node, name, self._parse_arguments())
        return SelectNode(node, name.value, name.at, is_optional=optional)


def _create_method_call(target: CelNode, name: CelToken, arguments: tuple[CelNode, ...]) -> CelNode:
    """Return a method call, or the macro with this name."""
    word = name.value
    for count, words in ((2, _TWO_NAMES), (1, _ONE_NAME)):
        has_condition = (word, count) in _CONDITIONAL and len(arguments) == count + 2
        if word in words and (has_condition or len(arguments) == count + 1):
            names = [argument.name for argument in arguments[:count] if isinstance(argument, IdentifierNode)]
            if len(names) != count or len(set(names)) != count:
                raise CelSyntaxError("argument must be a simple name", name.at)
            condition = arguments[count] if has_condition else None
            kind = "exists_one" if word == "existsOne" else word
            return MacroNode(kind, target, tuple(names), arguments[-1], name.at, condition)
    return CallNode(word, (target, *arguments), name.at, is_method=True)


MAX_CHARACTERS: Final = 100_000

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
    """The text is not an expression; `at` is the character offset of the error."""

    def __init__(self, message: str, at: int) -> None:
        super().__init__(message)
        self.at = at


class CelToken(msgspec.Struct, frozen=True):
    """A token. `kind` is name, field, value, end or the operator itself; `value` is the value of a literal, or a name."""

    kind: str
    value: Any
    at: int


def tokenize(text: str) -> Iterator[CelToken]:
    """Yield the tokens of `text`, then an `end` token. Raises CelSyntaxError."""
    if len(text) > MAX_CHARACTERS:
        raise CelSyntaxError(f"longer than {MAX_CHARACTERS} characters", 0)
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
                yield CelToken("name", match[0], start)
            case "field":
                yield CelToken("field", match[0][1:-1], start)
            case "double":
                yield CelToken("value", float(match[0]), start)
            case "int":
                yield CelToken("value", _parse_integer(match[0], start), start)
            case "operator":
                yield CelToken(match[0], match[0], start)
            case _:
                value, at = _parse_string(text, match, start)
                yield CelToken("value", value, start)
    yield CelToken("end", None, len(text))


def _parse_integer(text: str, at: int) -> int:
    is_unsigned = text[-1] in "uU"
    digits = text.rstrip("uU")
    if len(digits) > 100:
        raise CelSyntaxError("invalid int literal", at)
    value = int(digits, 16) if digits[:2] in ("0x", "0X") else int(digits)
    # One more than the maximum is allowed for the literal after a minus sign; the parser checks it.
    if value > (UINT_MAX if is_unsigned else INT_MAX + 1):
        raise CelSyntaxError(f"invalid {'uint' if is_unsigned else 'int'} literal", at)
    return Uint(value) if is_unsigned else value


def _parse_string(text: str, match: re.Match[str], start: int) -> tuple[str | bytes, int]:
    prefix, quote = (match["prefix"] or "").lower(), match["quote"]
    body = match.end()
    at = body
    while not text.startswith(quote, at):
        if at >= len(text) or (len(quote) == 1 and text[at] in "\r\n"):
            raise CelSyntaxError("unterminated string", start)
        at += 2 if text[at] == "\\" and "r" not in prefix else 1
    raw, end = text[body:at], at + len(quote)
    if "b" in prefix:
        return (raw.encode() if "r" in prefix else _decode_bytes(raw, start)), end
    return (raw if "r" in prefix else _ESCAPE.sub(lambda escape: _decode_escape(escape, start), raw)), end


def _decode_escape(match: re.Match[str], at: int) -> str:
    letter, *numbers, octal = match.groups()
    if letter:
        return _LETTERS.get(letter, letter)
    code = int(octal, 8) if octal else next((int(number, 16) for number in numbers if number), -1)
    if not 0 <= code <= 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise CelSyntaxError("invalid escape in a string", at)
    return chr(code)


def _decode_bytes(raw: str, at: int) -> bytes:
    decoded, last = bytearray(), 0
    for match in _ESCAPE.finditer(raw):
        decoded += raw[last : match.start()].encode()
        _, byte, short, long, octal = match.groups()
        if short or long:
            raise CelSyntaxError("invalid escape in bytes", at)
        code = int(byte, 16) if byte else int(octal, 8) if octal else ord(_decode_escape(match, at))
        decoded.append(code)
        last = match.end()
    return bytes(decoded + raw[last:].encode())
