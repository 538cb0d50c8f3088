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
_BUILTIN_TYPES: Final = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "dyn", "null_type", "list", "map", "type"}
)
_FULL_NAMES: Final = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
_TOKEN: Final = re.compile(r"[\w.?]+|[(),]")


def parse_type(text: str) -> CelType:
    """Return the type written as `list(map(string, A))`; a single capital is a type parameter."""
    words = _TOKEN.findall(text)
    cel_type, rest = _parse_tokens(words)
    if rest:
        raise ValueError(text)
    return cel_type


def _parse_tokens(words: list[str]) -> tuple[CelType, list[str]]:
    name, rest = words[0], words[1:]
    if len(name) == 1 and name.isupper():
        return (PARAMETER, name), rest
    name = _FULL_NAMES.get(name, name)
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


def resolve(cel_type: CelType, substitution: Substitution, *, final: bool = False) -> CelType:
    """Return the type with known parameters replaced; with `final`, unknown parameters become `dyn`."""
    if cel_type in substitution:
        return resolve(substitution[cel_type], substitution, final=final)
    if cel_type[0] == PARAMETER:
        return DYN if final else cel_type
    return (cel_type[0], *(resolve(part, substitution, final=final) for part in cel_type[1:]))


def is_assignable(actual: CelType, expected: CelType, substitution: Substitution) -> bool:
    """Return True if a value of type `actual` can be used as `expected`; adds resolved parameters to `substitution`."""
    if expected[0] == PARAMETER:
        is_valid, is_bound = _substitute(actual, expected, substitution)
        if is_valid or is_bound:
            return is_valid
    if actual[0] == PARAMETER:
        return _substitute(expected, actual, substitution)[0]
    if DYN in (actual, expected):
        return True
    if NULL in (actual, expected):
        other = expected if actual == NULL else actual
        return other == NULL or is_opaque(other) or other[0] in _NULLABLE
    if actual[0] == expected[0] == "type":
        return True
    return (
        actual[0] == expected[0]
        and len(actual) == len(expected)
        and are_assignable(actual[1:], expected[1:], substitution)
    )


def are_assignable(actual: tuple[CelType, ...], expected: tuple[CelType, ...], substitution: Substitution) -> bool:
    """Return True if each type is assignable to the expected type at its position."""
    return len(actual) == len(expected) and all(
        is_assignable(one, other, substitution) for one, other in zip(actual, expected, strict=True)
    )


def is_opaque(cel_type: CelType) -> bool:
    """Return True for library types and for `optional_type`."""
    return cel_type[0] not in _BUILTIN_TYPES and cel_type[0] not in _NULLABLE and cel_type[0] != PARAMETER


def _substitute(actual: CelType, parameter: CelType, substitution: Substitution) -> tuple[bool, bool]:
    """Bind `parameter` to `actual` if possible. Returns (success, True if the parameter was already bound)."""
    if actual == parameter:
        return True, True
    bound_type = substitution.get(parameter)
    if bound_type is not None:
        if actual == bound_type:
            return True, True
        if not is_assignable(actual, bound_type, substitution):
            return False, True
        general = select_more_general(actual, bound_type)
        if not _occurs(parameter, general, substitution):
            substitution[parameter] = general
        return True, True
    if _occurs(parameter, actual, substitution):
        return False, False
    substitution[parameter] = actual
    return True, False


def _occurs(parameter: CelType, container: CelType, substitution: Substitution) -> bool:
    if parameter == container:
        return True
    if container[0] == PARAMETER:
        return container in substitution and _occurs(parameter, substitution[container], substitution)
    return any(_occurs(parameter, part, substitution) for part in container[1:])


def select_more_general(one: CelType, other: CelType) -> CelType:
    """Return the less specific of two types that are assignable to each other."""
    return one if _is_general(one, other) else other


def _is_general(one: CelType, other: CelType) -> bool:
    if one == DYN or one[0] == PARAMETER:
        return True
    if other == DYN or other[0] == PARAMETER or one[0] != other[0] or len(one) != len(other):
        return False
    return one[0] == "type" or all(_is_general(a, b) for a, b in zip(one[1:], other[1:], strict=True))
