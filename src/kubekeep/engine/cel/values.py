"""Values of CEL as Python objects, and their equality. Contains no library functions.

int, float, str, bytes, bool, None, list and dict are used directly; this module defines the types that Python does not
have.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

INT_MAX: Final = 2**63 - 1
INT_MIN: Final = -(2**63)
UINT_MAX: Final = 2**64 - 1
NUMBERS: Final = frozenset({"int", "uint", "double"})


class CelError(Exception):
    """The expression has no value for this input. Messages match the wording of the API server."""


class UnavailableError(CelError):
    """The value depends on information that manifests do not contain: user info, the authorizer, namespace labels."""


class BudgetError(Exception):
    """The evaluation exceeds the cost budget. Not a CelError, so logical operators do not absorb it."""


def create_overload_error(function: str = "") -> CelError:
    """Return the error for a function that has no overload for these argument types."""
    return CelError(f"no such overload{f': {function}' if function else ''}")


class Uint(int):
    """An unsigned integer."""

    __slots__ = ()


class Timestamp(msgspec.Struct, frozen=True, order=True):
    """A point in time, in nanoseconds since 1970-01-01 UTC."""

    ns: int


class Duration(msgspec.Struct, frozen=True, order=True):
    """A length of time in nanoseconds."""

    ns: int


class OptionalValue(msgspec.Struct, frozen=True, eq=False):
    """A value of `optional_type`: present with a value, or empty."""

    is_present: bool
    value: Any = None


EMPTY_OPTIONAL: Final = OptionalValue(is_present=False)


class TypeValue(msgspec.Struct, frozen=True):
    """A type as a value, such as the result of `type(x)`."""

    name: str


class OpaqueValue:
    """Base class of the types in the Kubernetes CEL libraries; `type_name` is the CEL name of the type."""

    type_name: str = ""

    def is_comparable(self, other: Any) -> bool:
        """Return True if equality with `other` is defined."""
        return type(other) is type(self)


class PartialMap(dict[str, Any]):
    """A partially known map: reading a key in `hidden_keys` raises UnavailableError; None hides all missing keys."""

    description = ""
    hidden_keys: frozenset[str] | None = None

    def is_hidden(self, key: Any) -> bool:
        """Return True if neither the value of `key` nor its absence is known."""
        return key not in self and (self.hidden_keys is None or key in self.hidden_keys)


def create_partial_map(
    description: str, entries_by_key: dict[str, Any], hidden_keys: frozenset[str] | None = None
) -> PartialMap:
    """Return a map of the known entries; error messages call it `description`."""
    entries = PartialMap(entries_by_key)
    entries.description = description
    entries.hidden_keys = hidden_keys
    return entries


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
    PartialMap: "map",
    Timestamp: "google.protobuf.Timestamp",
    Duration: "google.protobuf.Duration",
    OptionalValue: "optional_type",
    TypeValue: "type",
}


def type_name(value: Any) -> str:
    """Return the name of the value's type, as in `type(value)` and in error messages."""
    name = _NAMES.get(type(value))
    if name is not None:
        return name
    return value.type_name if isinstance(value, OpaqueValue) else "dyn"


_SIMPLE: Final = frozenset({str, int, float, bool, bytes, type(None), Uint})


def are_equal(left: Any, right: Any) -> bool:  # noqa: PLR0911 - one case a type
    """Return True if two values are equal: numbers by value across types, other values only within their type.

    Raises CelError for a library value compared with a value of another type.
    """
    kind, other = type(left), type(right)
    if kind is other and kind in _SIMPLE:
        return bool(left == right)
    if isinstance(left, OpaqueValue) and not left.is_comparable(right):
        raise create_overload_error()
    if kind is bool or other is bool:
        return False
    if isinstance(left, int | float) and isinstance(right, int | float):
        return left == right
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(are_equal, left, right))
    if isinstance(left, dict) and isinstance(right, dict):
        return len(left) == len(right) and all(key in right and are_equal(left[key], right[key]) for key in left)
    if isinstance(left, OptionalValue) and isinstance(right, OptionalValue):
        return left.is_present == right.is_present and (not left.is_present or are_equal(left.value, right.value))
    return kind is other and bool(left == right)


def count_values(value: Any) -> int:
    """Return the number of elements in `value`, nested ones included: the cost of comparing or printing it."""
    count, waiting = 0, [value]
    while waiting:
        element = waiting.pop()
        count += 1
        if isinstance(element, dict):
            waiting.extend(element.values())
        elif isinstance(element, list):
            waiting.extend(element)
        elif isinstance(element, str | bytes):
            count += len(element) // 16
    return count
