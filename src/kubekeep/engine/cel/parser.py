"""Tokens to a tree, by precedence, with the macros of CEL and Kubernetes taken apart. Never looks up a name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from kubekeep.engine.cel.tokens import CelSyntaxError, Token, tokens
from kubekeep.engine.cel.tree import Call, Fold, Ident, ListLiteral, Literal, MapLiteral, Node, Select
from kubekeep.engine.cel.values import INT_MAX

MAXIMUM_DEPTH: Final = 100

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


def parse(text: str) -> Node:
    """The tree of an expression. Raises CelSyntaxError."""
    parser = _Parser(list(tokens(text)))
    node = parser.expression()
    if parser.token.kind != "end":
        raise CelSyntaxError(f"extraneous input {parser.token.value!r}", parser.token.at)
    return node


class _Parser:
    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._next = 0
        self._depth = 0

    @property
    def token(self) -> Token:
        return self._tokens[self._next]

    def _take(self, *kinds: str) -> Token | None:
        """The next token if it is one of `kinds`, which is then behind."""
        token = self.token
        if token.kind not in kinds:
            return None
        self._next += 1
        return token

    def _need(self, kind: str) -> Token:
        found = self._take(kind)
        if found is None:
            raise CelSyntaxError(f"mismatched input {self.token.value!r} expecting {kind!r}", self.token.at)
        return found

    def expression(self) -> Node:
        self._depth += 1
        if self._depth > MAXIMUM_DEPTH:
            raise CelSyntaxError("nested too deeply", self.token.at)
        node = self._any()
        question = self._take("?")
        if question:
            then = self._any()
            self._need(":")
            node = Call("_?_:_", (node, then, self.expression()), question.at)
        self._depth -= 1
        return node

    def _any(self) -> Node:
        return self._chain("||", lambda: self._chain("&&", lambda: self._binary(1)))

    def _chain(self, operator: str, operand: Callable[[], Node]) -> Node:
        first, at = operand(), self.token.at
        found = [first]
        while self._take(operator):
            found.append(operand())
        return first if len(found) == 1 else Call(f"_{operator}_", tuple(found), at)

    def _binary(self, least: int) -> Node:
        left = self._unary()
        length = 0
        while True:
            token = self.token
            operator = token.value if token.kind != "value" else ""
            precedence = _PRECEDENCE.get(operator, 0) if isinstance(operator, str) else 0
            if precedence < least or token.kind == "field":
                return left
            length += 1
            if length > MAXIMUM_DEPTH:
                raise CelSyntaxError("too many operators in a row", token.at)
            self._next += 1
            right = self._binary(precedence + 1)
            left = Call("@in" if operator == "in" else f"_{operator}_", (left, right), token.at)

    def _unary(self) -> Node:
        first = self.token
        count = 0
        while self._take(first.kind) if first.kind in ("!", "-") else None:
            count += 1
        if first.kind == "-" and count % 2 and self._is_number():
            value = self.token.value
            self._next += 1
            return self._member(Literal(-value, first.at))
        node = self._member(self._primary())
        return Call(f"{first.kind}_", (node,), first.at) if count % 2 else node

    def _is_number(self) -> bool:
        return self.token.kind == "value" and type(self.token.value) in (int, float)

    def _primary(self) -> Node:
        token = self.token
        self._next += 1
        match token.kind:
            case "value":
                if type(token.value) is int and token.value > INT_MAX:
                    raise CelSyntaxError("invalid int literal", token.at)
                return Literal(token.value, token.at)
            case "(":
                node = self.expression()
                self._need(")")
                return node
            case "[" | "[?":
                return self._list(token)
            case "{":
                return self._map(token)
            case "." if self.token.kind == "name":
                return self._primary()
            case "name":
                return self._name(token)
            case _:
                shown = "<EOF>" if token.kind == "end" else token.value
                raise CelSyntaxError(f"mismatched input {shown!r}", token.at)

    def _name(self, token: Token) -> Node:
        if token.value in _CONSTANTS:
            return Literal(_CONSTANTS[token.value], token.at)
        if token.value in _RESERVED:
            raise CelSyntaxError(f"reserved identifier: {token.value}", token.at)
        if not self._take("("):
            return Ident(token.value, token.at)
        arguments = self._arguments()
        if token.value != "has" or len(arguments) != 1:
            return Call(token.value, arguments, token.at)
        asked = arguments[0]
        if not isinstance(asked, Select) or asked.optional:
            raise CelSyntaxError("invalid argument to has() macro", token.at)
        return Select(asked.operand, asked.field, asked.at, test=True)

    def _arguments(self) -> tuple[Node, ...]:
        found: list[Node] = []
        while not self._take(")"):
            if found:
                self._need(",")
            found.append(self.expression())
        return tuple(found)

    def _list(self, opening: Token) -> Node:
        items: list[Node] = []
        optional: set[int] = set()
        marked = opening.kind == "[?"
        while not self._take("]"):
            if items:
                self._need(",")
                if self._take("]"):
                    break
            if marked or self._take("?"):
                optional.add(len(items))
            marked = False
            items.append(self.expression())
        return ListLiteral(tuple(items), frozenset(optional), opening.at)

    def _map(self, opening: Token) -> Node:
        entries: list[tuple[Node, Node, bool]] = []
        while not self._take("}"):
            if entries:
                self._need(",")
                if self._take("}"):
                    break
            optional = self._take("?") is not None
            key = self.expression()
            self._need(":")
            entries.append((key, self.expression(), optional))
        return MapLiteral(tuple(entries), opening.at)

    def _member(self, node: Node) -> Node:
        length = 0
        while True:
            length += 1
            if length > MAXIMUM_DEPTH:
                raise CelSyntaxError("too many selections in a row", self.token.at)
            token = self._take(".", "[", "[?")
            if token is None:
                return node
            if token.kind == ".":
                node = self._selected(node)
            else:
                index = self.expression()
                self._need("]")
                node = Call("_[?_]" if token.kind == "[?" else "_[_]", (node, index), token.at)

    def _selected(self, node: Node) -> Node:
        optional = self._take("?") is not None
        name = self._take("name", "field")
        if name is None:
            raise CelSyntaxError(f"no viable alternative at input {self.token.value!r}", self.token.at)
        if name.kind == "name" and not optional and self._take("("):
            return _method(node, name, self._arguments())
        return Select(node, name.value, name.at, optional=optional)


def _method(target: Node, name: Token, arguments: tuple[Node, ...]) -> Node:
    """A method, or the macro that looks like one."""
    word = name.value
    for count, words in ((2, _TWO_NAMES), (1, _ONE_NAME)):
        conditional = (word, count) in _CONDITIONAL and len(arguments) == count + 2
        if word in words and (conditional or len(arguments) == count + 1):
            bound = [argument.name for argument in arguments[:count] if isinstance(argument, Ident)]
            if len(bound) != count or len(set(bound)) != count:
                raise CelSyntaxError("argument must be a simple name", name.at)
            condition = arguments[count] if conditional else None
            kind = "exists_one" if word == "existsOne" else word
            return Fold(kind, target, tuple(bound), arguments[-1], name.at, condition)
    return Call(word, (target, *arguments), name.at, member=True)
