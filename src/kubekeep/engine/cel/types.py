"""Types of expressions and when one fits another, as the checker of CEL decides. Never looks at an expression.

A type is a tuple: its name and its parameters, `("list", ("int",))`. `("A?", "A3")` is an unknown to be found.
"""

from __future__ import annotations

import re
from typing import Any, Final, TypeAlias

Type: TypeAlias = tuple[Any, ...]
Found: TypeAlias = dict[Type, Type]

UNKNOWN: Final = "?"
DYN: Final[Type] = ("dyn",)
BOOL: Final[Type] = ("bool",)
INT: Final[Type] = ("int",)
STRING: Final[Type] = ("string",)
NULL: Final[Type] = ("null_type",)

_NULLABLE: Final = frozenset({"google.protobuf.Timestamp", "google.protobuf.Duration"})
_PLAIN: Final = frozenset(
    {"bool", "int", "uint", "double", "string", "bytes", "dyn", "null_type", "list", "map", "type"}
)
_LONG: Final = {"timestamp": "google.protobuf.Timestamp", "duration": "google.protobuf.Duration"}
_WORD: Final = re.compile(r"[\w.?]+|[(),]")


def read(text: str) -> Type:
    """The type that `list(map(string, A))` writes; a single capital is a parameter."""
    words = _WORD.findall(text)
    found, rest = _read(words)
    if rest:
        raise ValueError(text)
    return found


def _read(words: list[str]) -> tuple[Type, list[str]]:
    name, rest = words[0], words[1:]
    if len(name) == 1 and name.isupper():
        return (UNKNOWN, name), rest
    name = _LONG.get(name, name)
    inner: list[Type] = []
    while rest and rest[0] in ("(", ",") and (rest[0] == "(" or inner):
        if rest[0] == "," and not inner:
            break
        found, rest = _read(rest[1:])
        inner.append(found)
        if rest and rest[0] == ")":
            rest = rest[1:]
            break
    return (name, *inner), rest


def show(found: Type) -> str:
    """How messages write a type."""
    if found[0] == UNKNOWN:
        return "dyn"
    inner = ", ".join(map(show, found[1:]))
    return f"{found[0]}({inner})" if inner else str(found[0])


def fresh(found: Type, number: int) -> Type:
    """The same with parameters of its own, as each use of a function needs them."""
    if found[0] == UNKNOWN:
        return (UNKNOWN, f"{found[1]}{number}")
    return (found[0], *(fresh(part, number) for part in found[1:]))


def resolve(found: Type, known: Found, *, final: bool = False) -> Type:
    """The type with what is known of its parameters; with `final`, `dyn` for the rest."""
    if found in known:
        return resolve(known[found], known, final=final)
    if found[0] == UNKNOWN:
        return DYN if final else found
    return (found[0], *(resolve(part, known, final=final) for part in found[1:]))


def fits(given: Type, wanted: Type, known: Found) -> bool:
    """Whether a value of `given` may stand where `wanted` is asked for; `known` learns parameters on the way."""
    if wanted[0] == UNKNOWN:
        valid, settled = _substitute(given, wanted, known)
        if valid or settled:
            return valid
    if given[0] == UNKNOWN:
        return _substitute(wanted, given, known)[0]
    if DYN in (given, wanted):
        return True
    if NULL in (given, wanted):
        other = wanted if given == NULL else given
        return other == NULL or is_opaque(other) or other[0] in _NULLABLE
    if given[0] == wanted[0] == "type":
        return True
    return given[0] == wanted[0] and len(given) == len(wanted) and fit_all(given[1:], wanted[1:], known)


def fit_all(given: tuple[Type, ...], wanted: tuple[Type, ...], known: Found) -> bool:
    """Whether each fits."""
    return len(given) == len(wanted) and all(fits(one, other, known) for one, other in zip(given, wanted, strict=True))


def is_opaque(found: Type) -> bool:
    """Whether it is a type of a library, or optional."""
    return found[0] not in _PLAIN and found[0] not in _NULLABLE and found[0] != UNKNOWN


def _substitute(given: Type, parameter: Type, known: Found) -> tuple[bool, bool]:
    """Whether `given` may be what `parameter` stands for, and whether that was settled before."""
    if given == parameter:
        return True, True
    before = known.get(parameter)
    if before is not None:
        if given == before:
            return True, True
        if not fits(given, before, known):
            return False, True
        general = most_general(given, before)
        if not _occurs(parameter, general, known):
            known[parameter] = general
        return True, True
    if _occurs(parameter, given, known):
        return False, False
    known[parameter] = given
    return True, False


def _occurs(parameter: Type, within: Type, known: Found) -> bool:
    if parameter == within:
        return True
    if within[0] == UNKNOWN:
        return within in known and _occurs(parameter, known[within], known)
    return any(_occurs(parameter, part, known) for part in within[1:])


def most_general(one: Type, other: Type) -> Type:
    """The less specific of two that fit each other."""
    return one if _is_general(one, other) else other


def _is_general(one: Type, other: Type) -> bool:
    if one == DYN or one[0] == UNKNOWN:
        return True
    if other == DYN or other[0] == UNKNOWN or one[0] != other[0] or len(one) != len(other):
        return False
    return one[0] == "type" or all(_is_general(a, b) for a, b in zip(one[1:], other[1:], strict=True))
