"""Random expressions over the object of `policies/expressions.yaml`: well formed, seldom sensible."""

from __future__ import annotations

from random import Random
from typing import Final

PLACES: Final = (
    "object",
    "oldObject",
    "object.metadata.labels",
    "object.metadata.name",
    "object.metadata.annotations.empty",
    "object.spec.replicas",
    "object.spec.ratio",
    "object.spec.list",
    "object.spec.list[0]",
    "object.spec.words",
    "object.spec.mixed",
    "object.spec.nested",
    "object.spec.nothing",
    "object.spec.missing",
    "object.spec.paused",
    "object.spec.?missing",
    "object.spec.?replicas",
    "object.spec.template.spec.containers",
    "object.spec.template.spec.containers[1].securityContext.privileged",
)
PLAIN: Final = (
    "1",
    "0",
    "-1",
    "2u",
    "1.5",
    "''",
    "'a'",
    "'web'",
    "true",
    "null",
    "[1, 2]",
    "['a']",
    "{'a': 1}",
    "b'a'",
)
RARE: Final = (
    "[]",
    "{}",
    "duration('1h')",
    "timestamp('2024-01-01T00:00:00Z')",
    "optional.of(1)",
    "optional.none()",
    "quantity('1Gi')",
    "ip('10.0.0.1')",
    "9223372036854775807",
)
OPERATORS: Final = ("+", "-", "*", "/", "%", "==", "!=", "<", "<=", ">", ">=", "&&", "||", "in")
METHODS: Final = [
    "size",
    "lowerAscii",
    "trim",
    "isSorted",
    "sum",
    "min",
    "max",
    "reverse",
    "first",
    "last",
    "distinct",
    "flatten",
    "sort",
    "hasValue",
    "value",
    "family",
    "isInteger",
    "asInteger",
    "getHours",
    "getFullYear",
    "isLoopback",
    "unwrapOpt",
]
METHODS_OF_ONE: Final = [
    "contains",
    "startsWith",
    "endsWith",
    "indexOf",
    "matches",
    "find",
    "split",
    "join",
    "includes",
    "orValue",
    "or",
    "add",
    "isGreaterThan",
    "lastIndexOf",
    "format",
    "substring",
    "compareTo",
    "charAt",
]
FUNCTIONS: Final = [
    "size",
    "string",
    "int",
    "uint",
    "double",
    "bool",
    "type",
    "dyn",
    "bytes",
    "isQuantity",
    "isIP",
    "isURL",
    "quantity",
    "duration",
    "timestamp",
    "isSemver",
    "ip",
    "optional.of",
    "lists.range",
]
MACROS: Final = ["all", "exists", "exists_one", "map", "filter", "sortBy", "optMap"]
MACROS_OF_TWO: Final = ["all", "exists", "transformList", "transformMap", "transformMapEntry"]


def expression(random: Random) -> str:
    """One expression, most often a comparison."""
    shape = random.random()
    text = _Writer(random).text(3)
    if shape < 0.5:
        return f"{text} == {_Writer(random).text(2)}"
    if shape < 0.7:
        return f"dyn({text}) == {_Writer(random).text(1)}"
    return f"type({text}) == {random.choice(('int', 'string', 'list', 'map', 'bool'))}" if shape < 0.8 else text


class _Writer:
    def __init__(self, random: Random) -> None:
        self._random = random
        self._bound: list[str] = []

    def text(self, depth: int) -> str:
        shapes = (self._binary, self._binary, self._method, self._method_of_one, self._call, self._macro, self._macro)
        more = (self._macro_of_two, self._choice, self._index, self._other)
        if depth <= 0 or self._random.random() < 0.2:
            return self._leaf()
        return self._random.choice((*shapes, *shapes, *more))(depth - 1)

    def _leaf(self) -> str:
        kind = self._random.random()
        if kind < 0.6:
            return self._random.choice(PLACES)
        if self._bound and kind < 0.8:
            return self._random.choice(self._bound)
        literal = self._random.choice((*PLAIN, *RARE))
        return literal if literal in PLAIN[:6] else f"dyn({literal})"

    def _binary(self, depth: int) -> str:
        return f"({self.text(depth)} {self._random.choice(OPERATORS)} {self.text(depth)})"

    def _method(self, depth: int) -> str:
        return f"{self.text(depth)}.{self._random.choice(METHODS)}()"

    def _method_of_one(self, depth: int) -> str:
        return f"{self.text(depth)}.{self._random.choice(METHODS_OF_ONE)}({self.text(depth)})"

    def _call(self, depth: int) -> str:
        return f"{self._random.choice(FUNCTIONS)}({self.text(depth)})"

    def _macro(self, depth: int) -> str:
        return self._bind(depth, self._random.choice(MACROS), [self._random.choice("xyz")])

    def _macro_of_two(self, depth: int) -> str:
        return self._bind(depth, self._random.choice(MACROS_OF_TWO), ["i", "j"])

    def _bind(self, depth: int, macro: str, names: list[str]) -> str:
        source = self.text(depth)
        before = self._bound
        self._bound = [*before, *names]
        body = self.text(depth)
        self._bound = before
        return f"{source}.{macro}({', '.join(names)}, {body})"

    def _choice(self, depth: int) -> str:
        return f"({self.text(depth)} ? {self.text(depth)} : {self.text(depth)})"

    def _index(self, depth: int) -> str:
        return f"{self.text(depth)}[{self.text(depth)}]"

    def _other(self, depth: int) -> str:
        shapes = (
            f"[{self.text(depth)}, {self.text(depth)}]",
            f"!{self.text(depth)}",
            f"-{self.text(depth)}",
            f"{self.text(depth)}.name",
            f"{self.text(depth)}.?name",
            f"has({self._random.choice(PLACES)})",
        )
        return self._random.choice(shapes)
