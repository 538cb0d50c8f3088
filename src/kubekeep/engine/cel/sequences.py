"""Functions on lists, sets and optional values. Never modifies a list in place."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubekeep.engine.cel.functions import FunctionRegistry
from kubekeep.engine.cel.operators import check_int
from kubekeep.engine.cel.values import (
    EMPTY_OPTIONAL,
    NUMBERS,
    CelError,
    Duration,
    OptionalValue,
    Timestamp,
    Uint,
    are_equal,
    create_overload_error,
    type_name,
)

SEQUENCES: Final = FunctionRegistry()

_SUMMABLE_TYPES: Final = ("int", "uint", "double", "duration")
_ORDERED_TYPES: Final = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_MAX_RANGE: Final = 100_000


def _check_comparable(values: list[Any]) -> list[Any]:
    """Return the values if they can be ordered. Raises CelError."""
    kinds = {type_name(value) for value in values}
    ordered = all(isinstance(value, bool | int | float | str | bytes | Timestamp | Duration) for value in values)
    if not ordered or (len(kinds) > 1 and not kinds <= NUMBERS):
        raise create_overload_error()
    return values


@SEQUENCES.member("isSorted", *(f"list({kind}) -> bool" for kind in _ORDERED_TYPES))
def _is_sorted(values: list[Any]) -> bool:
    _check_comparable(values)
    return all(one <= other for one, other in itertools.pairwise(values))


@SEQUENCES.member("sum", *(f"list({kind}) -> {kind}" for kind in _SUMMABLE_TYPES))
def _sum(values: list[Any]) -> Any:
    kinds = {type_name(value) for value in values}
    if not kinds:
        return 0
    if len(kinds) > 1 or not kinds <= {*NUMBERS, "google.protobuf.Duration"}:
        raise create_overload_error()
    first = values[0]
    if isinstance(first, Duration):
        return Duration(check_int(sum(value.ns for value in values)))
    if isinstance(first, float):
        return float(sum(values))
    total = sum(map(int, values))
    return Uint(total) if isinstance(first, Uint) else check_int(total)


def _declare_extreme(name: str, choose: Callable[[list[Any]], Any]) -> None:
    @SEQUENCES.member(name, *(f"list({kind}) -> {kind}" for kind in _ORDERED_TYPES))
    def extreme(values: list[Any]) -> Any:
        if not values:
            raise CelError(f"{name} called on empty list")
        return choose(_check_comparable(values))


_declare_extreme("min", min)
_declare_extreme("max", max)


@SEQUENCES.member("indexOf", "list(A), A -> int")
def _index_of(values: list[Any], element: Any) -> int:
    return next((index for index, value in enumerate(values) if _is_same(value, element)), -1)


def _is_same(one: Any, other: Any) -> bool:
    """Return True if two values are equal; values that cannot be compared are not."""
    try:
        return are_equal(one, other)
    except CelError:
        return False


@SEQUENCES.member("lastIndexOf", "list(A), A -> int")
def _last_index_of(values: list[Any], element: Any) -> int:
    return next((index for index in reversed(range(len(values))) if _is_same(values[index], element)), -1)


@SEQUENCES.member("includes", "dyn, dyn -> bool")
def _includes(target: Any, element: Any) -> bool:
    return any(_is_same(value, element) for value in target) if isinstance(target, list) else _is_same(target, element)


@SEQUENCES.member("slice", "list(A), int, int -> list(A)")
def _slice(values: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(values):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(values)}")
    return values[start:end]


@SEQUENCES.member("flatten", "list(list(A)) -> list(A)", "list(dyn), int -> list(dyn)")
def _flatten(values: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    return list(_iterate_flat(values, min(depth, 100)))


def _iterate_flat(values: list[Any], depth: int) -> Iterator[Any]:
    for value in values:
        if depth and isinstance(value, list):
            yield from _iterate_flat(value, depth - 1)
        else:
            yield value


@SEQUENCES.function("lists.range", "int -> list(int)")
def _range(count: int) -> list[int]:
    if count > _MAX_RANGE:
        raise CelError("range too large")
    return list(range(count))


@SEQUENCES.member("distinct", "list(A) -> list(A)")
def _distinct(values: list[Any]) -> list[Any]:
    distinct: list[Any] = []
    for value in values:
        if not any(_is_same(value, other) for other in distinct):
            distinct.append(value)
    return distinct


SEQUENCES.member("reverse", "list(A) -> list(A)")(lambda values: values[::-1])
SEQUENCES.member("first", "list(A) -> optional_type(A)")(
    lambda values: OptionalValue(is_present=True, value=values[0]) if values else EMPTY_OPTIONAL
)
SEQUENCES.member("last", "list(A) -> optional_type(A)")(
    lambda values: OptionalValue(is_present=True, value=values[-1]) if values else EMPTY_OPTIONAL
)


@SEQUENCES.member("sort", *(f"list({kind}) -> list({kind})" for kind in _ORDERED_TYPES))
def _sort(values: list[Any]) -> list[Any]:
    return sort_by_keys(values, values)


def sort_by_keys(values: list[Any], keys: list[Any]) -> list[Any]:
    """Return the values in the order of their keys. Raises CelError for keys that cannot be ordered."""
    if len({type_name(key) for key in keys}) > 1:
        raise CelError("list elements must have the same type")
    _check_comparable(keys)
    order = sorted(range(len(values)), key=functools.partial(list.__getitem__, keys))
    return [values[index] for index in order]


def _contains_all(values: list[Any], others: list[Any]) -> bool:
    return all(any(_is_same(value, other) for other in values) for value in others)


SEQUENCES.function("sets.contains", "list(A), list(A) -> bool")(_contains_all)
SEQUENCES.function("sets.equivalent", "list(A), list(A) -> bool")(
    lambda values, others: _contains_all(values, others) and _contains_all(others, values)
)
SEQUENCES.function("sets.intersects", "list(A), list(A) -> bool")(
    lambda values, others: any(_is_same(value, other) for value in values for other in others)
)

SEQUENCES.function("optional.of", "A -> optional_type(A)")(lambda value: OptionalValue(is_present=True, value=value))
SEQUENCES.function("optional.none", "-> optional_type(A)")(lambda: EMPTY_OPTIONAL)
SEQUENCES.member("hasValue", "optional_type(A) -> bool")(lambda optional: optional.is_present)


@SEQUENCES.function("optional.ofNonZeroValue", "A -> optional_type(A)")
def _non_zero(value: Any) -> OptionalValue:
    zero = value is None or (isinstance(value, bool | int | float | str | bytes | list | dict) and not value)
    zero = zero or (isinstance(value, Duration) and value.ns == 0)
    return EMPTY_OPTIONAL if zero else OptionalValue(is_present=True, value=value)


@SEQUENCES.member("value", "optional_type(A) -> A")
def _value(optional: OptionalValue) -> Any:
    if not optional.is_present:
        raise CelError("optional.none() dereference")
    return optional.value


@SEQUENCES.function("optional.unwrap", "list(optional_type(A)) -> list(A)")
@SEQUENCES.member("unwrapOpt", "list(optional_type(A)) -> list(A)")
def _unwrap(optionals: list[Any]) -> list[Any]:
    if not all(isinstance(optional, OptionalValue) for optional in optionals):
        raise create_overload_error("unwrapOpt")
    return [optional.value for optional in optionals if optional.is_present]
