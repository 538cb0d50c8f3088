"""What CEL computes with, as Python values, and when two are equal. Never knows a function of a library.

int, float, str, bytes, bool, None, list and dict are themselves; what Python lacks is here.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

INT_MAX: Final = 2**63 - 1
INT_MIN: Final = -(2**63)
UINT_MAX: Final = 2**64 - 1
NUMBERS: Final = frozenset({"int", "uint", "double"})


class CelError(Exception):
    """An expression has no value on these data; the message says why, in the words of the API server."""


class UnavailableError(CelError):
    """It needs something that manifests do not tell: who asks, what the authorizer says, labels of a namespace."""


class BudgetError(Exception):
    """It would cost more than an expression may; no operator absorbs it."""


def no_overload(function: str = "") -> CelError:
    """The error of a function that does not take such values."""
    return CelError(f"no such overload{f': {function}' if function else ''}")


class Uint(int):
    """An unsigned integer."""

    __slots__ = ()


class Timestamp(msgspec.Struct, frozen=True, order=True):
    """Nanoseconds since 1970."""

    ns: int


class Duration(msgspec.Struct, frozen=True, order=True):
    """Nanoseconds."""

    ns: int


class Optional(msgspec.Struct, frozen=True, eq=False):
    """A value or nothing."""

    present: bool
    value: Any = None


NONE: Final = Optional(present=False)


class CelType(msgspec.Struct, frozen=True):
    """A type as a value."""

    name: str


class Opaque:
    """A value of a Kubernetes library; `type_name` says of which."""

    type_name: str = ""

    def is_comparable(self, other: Any) -> bool:
        """Whether asking if it equals `other` has an answer."""
        return type(other) is type(self)


class Partial(dict[str, Any]):
    """A map of which not all entries are known: asking for a `hidden` one has no answer; None hides all others."""

    about = ""
    hidden: frozenset[str] | None = None

    def hides(self, key: Any) -> bool:
        """Whether nobody can say what `key` is, or that it is not there."""
        return key not in self and (self.hidden is None or key in self.hidden)


def partial(about: str, known: dict[str, Any], hidden: frozenset[str] | None = None) -> Partial:
    """A map of `known` entries; messages call it `about`."""
    found = Partial(known)
    found.about = about
    found.hidden = hidden
    return found


_NAMES: Final[dict[type, str]] = {
    bool: "bool",
    int: "int",
    Uint: "uint",
    float: "double",
    str: "string",
    bytes: "bytes",
    type(None): "null_type",
    list: "list",
    dict: "map",
    Partial: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    Optional: "optional_type",
    CelType: "type",
}


def type_name(value: Any) -> str:
    """The name of the type of `value`, as `type(value)` and messages say it."""
    found = _NAMES.get(type(value))
    if found is not None:
        return found
    return value.type_name if isinstance(value, Opaque) else "dyn"


_SIMPLE: Final = frozenset({str, int, float, bool, bytes, type(None), Uint})


def equal(left: Any, right: Any) -> bool:  # noqa: PLR0911 - one case a type
    """Whether two values are equal: numbers of any type by their value, others only within their type.

    Raises CelError where a value of a library would have to be compared with something else.
    """
    kind, other = type(left), type(right)
    if kind is other and kind in _SIMPLE:
        return bool(left == right)
    if isinstance(left, Opaque) and not left.is_comparable(right):
        raise no_overload()
    if kind is bool or other is bool:
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and equal(left[key], right[key]) for key in left)
    if isinstance(left, Optional) and isinstance(right, Optional):
        return left.present == right.present and (not left.present or equal(left.value, right.value))
    return kind is other and bool(left == right)


def weight(value: Any) -> int:
    """How many values `value` consists of: what comparing or printing it costs."""
    count, waiting = 0, [value]
    while waiting:
        found = waiting.pop()
        count += 1
        if isinstance(found, dict):
            waiting.extend(found.values())
        elif isinstance(found, list):
            waiting.extend(found)
        elif isinstance(found, str | bytes):
            count += len(found) // 16
    return count
