"""Types of expressions, and the assignability and unification rules of the CEL checker. Does not read expressions.

A type is a tuple of its name and its parameters: `("list", ("int",))`. `("?", "A3")` is a type parameter to resolve.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

CelType: TypeAlias = tuple[Any, ...]
Substitution: TypeAlias = dict[CelType, CelType]

PARAMETER: Final = "?"
DYN: Final[CelType] = ("dyn",)
BOOL: Final[CelType] = ("bool",)
INT: Final[CelType] = ("int",)
STRING: Final[CelType] = ("string",)
NULL: Final[CelType] = ("null_type",)

_NULLABLE: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})
_PLAIN: Final = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "dyn", "null_type", "list", "map", "type"}
)
_LONG: Final = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
_WORD: Final = re.compile(r"[\w.?]+|[(),]")


def parse_type(text: str) -> CelType:
    """Return the type written as `list(map(string, A))`; a single capital is a type parameter."""
    words = _WORD.findall(text)
    cel_type, rest = _parse_tokens(words)
    if rest:
        raise ValueError(text)
    return cel_type


def _parse_tokens(words: list[str]) -> tuple[CelType, list[str]]:
    name, rest = words[0], words[1:]
    if len(name) == 1 and name.isupper():
        return (PARAMETER, name), rest
    name = _LONG.get(name, name)
    inner: list[CelType] = []
    while rest and rest[0] in ("(", ",") and (rest[0] == "(" or inner):
        if rest[0] == "," and not inner:
            break
        argument, rest = _parse_tokens(rest[1:])
        inner.append(argument)
        if rest and rest[0] == ")":
            rest = rest[1:]
            break
    return (name, *inner), rest


def format_type(cel_type: CelType) -> str:
    """Return the notation of the type in error messages."""
    if cel_type[0] == PARAMETER:
        return "dyn"
    inner = ", ".join(map(format_type, cel_type[1:]))
    return f"{cel_type[0]}({inner})" if inner else str(cel_type[0])


def instantiate(cel_type: CelType, number: int) -> CelType:
    """Return the type with its type parameters numbered, so that each use of a function has its own."""
    if cel_type[0] == PARAMETER:
        return (PARAMETER, f"{cel_type[1]}{number}")
    return (cel_type[0], *(instantiate(part, number) for part in cel_type[1:]))


def resolve(cel_type: CelType, known: Substitution, *, final: bool = False) -> CelType:
    """Return the type with known parameters replaced; with `final`, unknown parameters become `dyn`."""
    if cel_type in known:
        return resolve(known[cel_type], known, final=final)
    if cel_type[0] == PARAMETER:
        return DYN if final else cel_type
    return (cel_type[0], *(resolve(part, known, final=final) for part in cel_type[1:]))


def is_assignable(actual: CelType, expected: CelType, known: Substitution) -> bool:
    """Return True if a value of type `actual` can be used as `expected`; adds resolved parameters to `known`."""
    if expected[0] == PARAMETER:
        valid, settled = _substitute(actual, expected, known)
        if valid or settled:
            return valid
    if actual[0] == PARAMETER:
        return _substitute(expected, actual, known)[0]
    if DYN in (actual, expected):
        return True
    if NULL in (actual, expected):
        other = expected if actual == NULL else actual
        return other == NULL or is_opaque(other) or other[0] in _NULLABLE
    if actual[0] == expected[0] == "type":
        return True
    return actual[0] == expected[0] and len(actual) == len(expected) and are_assignable(actual[1:], expected[1:], known)


def are_assignable(actual: tuple[CelType, ...], expected: tuple[CelType, ...], known: Substitution) -> bool:
    """Return True if each type is assignable to the expected type at its position."""
    return len(actual) == len(expected) and all(
        is_assignable(one, other, known) for one, other in zip(actual, expected, strict=True)
    )


def is_opaque(cel_type: CelType) -> bool:
    """Return True for library types and for `optional_type`."""
    return cel_type[0] not in _PLAIN and cel_type[0] not in _NULLABLE and cel_type[0] != PARAMETER


def _substitute(actual: CelType, parameter: CelType, known: Substitution) -> tuple[bool, bool]:
    """Bind `parameter` to `actual` if possible. Returns (success, True if the parameter was already bound)."""
    if actual == parameter:
        return True, True
    before = known.get(parameter)
    if before is not None:
        if actual == before:
            return True, True
        if not is_assignable(actual, before, known):
            return False, True
        general = most_general(actual, before)
        if not _occurs(parameter, general, known):
            known[parameter] = general
        return True, True
    if _occurs(parameter, actual, known):
        return False, False
    known[parameter] = actual
    return True, False


def _occurs(parameter: CelType, within: CelType, known: Substitution) -> bool:
    if parameter == within:
        return True
    if within[0] == PARAMETER:
        return within in known and _occurs(parameter, known[within], known)
    return any(_occurs(parameter, part, known) for part in within[1:])


def most_general(one: CelType, other: CelType) -> CelType:
    """Return the less specific of two types that are assignable to each other."""
    return one if _is_general(one, other) else other


def _is_general(one: CelType, other: CelType) -> bool:
    if one == DYN or one[0] == PARAMETER:
        return True
    if other == DYN or other[0] == PARAMETER or one[0] != other[0] or len(one) != len(other):
        return False
    return one[0] == "type" or all(_is_general(a, b) for a, b in zip(one[1:], other[1:], strict=True))
