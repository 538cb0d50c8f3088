"""Functions on lists, sets of them and optional values. Never changes the list it is given."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator
from typing import Any, Final

from kubekeep.engine.cel.functions import Functions
from kubekeep.engine.cel.operators import whole
from kubekeep.engine.cel.values import (
    NONE,
    NUMBERS,
    CelError,
    Duration,
    Optional,
    Timestamp,
    Uint,
    equal,
    no_overload,
    type_name,
)

SEQUENCES: Final = Functions()

_SUMMED: Final = ("int", "uint", "double", "duration")
_COMPARED: Final = ("int", "uint", "double", "bool", "string", "bytes", "timestamp", "duration")
_LONGEST_RANGE: Final = 100_000


def _comparable(items: list[Any]) -> list[Any]:
    """The items, if they can be ordered among each other. Raises CelError."""
    kinds = {type_name(item) for item in items}
    ordered = all(isinstance(item, bool | int | float | str | bytes | Timestamp | Duration) for item in items)
    if not ordered or (len(kinds) > 1 and not kinds <= NUMBERS):
        raise no_overload()
    return items


@SEQUENCES.member("isSorted", *(f"list({kind}) -> bool" for kind in _COMPARED))
def _is_sorted(items: list[Any]) -> bool:
    _comparable(items)
    return all(one <= other for one, other in itertools.pairwise(items))


@SEQUENCES.member("sum", *(f"list({kind}) -> {kind}" for kind in _SUMMED))
def _sum(items: list[Any]) -> Any:
    kinds = {type_name(item) for item in items}
    if not kinds:
        return 0
    if len(kinds) > 1 or not kinds <= {*NUMBERS, "google.protobuf.Duration"}:
        raise no_overload()
    first = items[0]
    if isinstance(first, Duration):
        return Duration(whole(sum(item.ns for item in items)))
    if isinstance(first, float):
        return float(sum(items))
    total = sum(map(int, items))
    return Uint(total) if isinstance(first, Uint) else whole(total)


def _extreme(name: str, choose: Callable[[list[Any]], Any]) -> None:
    @SEQUENCES.member(name, *(f"list({kind}) -> {kind}" for kind in _COMPARED))
    def extreme(items: list[Any]) -> Any:
        if not items:
            raise CelError(f"{name} called on empty list")
        return choose(_comparable(items))


_extreme("min", min)
_extreme("max", max)


@SEQUENCES.member("indexOf", "list(A), A -> int")
def _index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place, item in enumerate(items) if _same(item, wanted)), -1)


def _same(one: Any, other: Any) -> bool:
    """Whether two values are equal; what cannot be compared is not."""
    try:
        return equal(one, other)
    except CelError:
        return False


@SEQUENCES.member("lastIndexOf", "list(A), A -> int")
def _last_index_of(items: list[Any], wanted: Any) -> int:
    return next((place for place in reversed(range(len(items))) if _same(items[place], wanted)), -1)


@SEQUENCES.member("includes", "dyn, dyn -> bool")
def _includes(target: Any, wanted: Any) -> bool:
    return any(_same(item, wanted) for item in target) if isinstance(target, list) else _same(target, wanted)


@SEQUENCES.member("slice", "list(A), int, int -> list(A)")
def _slice(items: list[Any], start: int, end: int) -> list[Any]:
    if start < 0 or end < 0:
        raise CelError(f"cannot slice({start}, {end}), negative indexes not supported")
    if start > end:
        raise CelError(f"cannot slice({start}, {end}), start index must be less than or equal to end index")
    if end > len(items):
        raise CelError(f"cannot slice({start}, {end}), list is length {len(items)}")
    return items[start:end]


@SEQUENCES.member("flatten", "list(list(A)) -> list(A)", "list(dyn), int -> list(dyn)")
def _flatten(items: list[Any], depth: int = 1) -> list[Any]:
    if depth < 0:
        raise CelError("level must be non-negative")
    return list(_flat(items, min(depth, 100)))


def _flat(items: list[Any], depth: int) -> Iterator[Any]:
    for item in items:
        if depth and isinstance(item, list):
            yield from _flat(item, depth - 1)
        else:
            yield item


@SEQUENCES.function("lists.range", "int -> list(int)")
def _range(count: int) -> list[int]:
    if count > _LONGEST_RANGE:
        raise CelError("range too large")
    return list(range(count))


@SEQUENCES.member("distinct", "list(A) -> list(A)")
def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if not any(_same(item, other) for other in found):
            found.append(item)
    return found


SEQUENCES.member("reverse", "list(A) -> list(A)")(lambda items: items[::-1])
SEQUENCES.member("first", "list(A) -> optional_type(A)")(
    lambda items: Optional(present=True, value=items[0]) if items else NONE
)
SEQUENCES.member("last", "list(A) -> optional_type(A)")(
    lambda items: Optional(present=True, value=items[-1]) if items else NONE
)


@SEQUENCES.member("sort", *(f"list({kind}) -> list({kind})" for kind in _COMPARED))
def _sort(items: list[Any]) -> list[Any]:
    return sorted_by(items, items)


def sorted_by(items: list[Any], keys: list[Any]) -> list[Any]:
    """The items in the order of their keys. Raises CelError for keys that have none."""
    if len({type_name(key) for key in keys}) > 1:
        raise CelError("list elements must have the same type")
    _comparable(keys)
    order = sorted(range(len(items)), key=functools.partial(list.__getitem__, keys))
    return [items[place] for place in order]


def _contained(items: list[Any], others: list[Any]) -> bool:
    return all(any(_same(item, other) for other in items) for item in others)


SEQUENCES.function("sets.contains", "list(A), list(A) -> bool")(_contained)
SEQUENCES.function("sets.equivalent", "list(A), list(A) -> bool")(
    lambda items, others: _contained(items, others) and _contained(others, items)
)
SEQUENCES.function("sets.intersects", "list(A), list(A) -> bool")(
    lambda items, others: any(_same(item, other) for item in items for other in others)
)

SEQUENCES.function("optional.of", "A -> optional_type(A)")(lambda value: Optional(present=True, value=value))
SEQUENCES.function("optional.none", "-> optional_type(A)")(lambda: NONE)
SEQUENCES.member("hasValue", "optional_type(A) -> bool")(lambda found: found.present)
SEQUENCES.member("orValue", "optional_type(A), A -> A")(lambda found, other: found.value if found.present else other)
SEQUENCES.member("or", "optional_type(A), optional_type(A) -> optional_type(A)")(
    lambda found, other: found if found.present else other
)


@SEQUENCES.function("optional.ofNonZeroValue", "A -> optional_type(A)")
def _non_zero(value: Any) -> Optional:
    zero = value is None or (isinstance(value, bool | int | float | str | bytes | list | dict) and not value)
    zero = zero or (isinstance(value, Duration) and value.ns == 0)
    return NONE if zero else Optional(present=True, value=value)


@SEQUENCES.member("value", "optional_type(A) -> A")
def _value(found: Optional) -> Any:
    if not found.present:
        raise CelError("optional.none() dereference")
    return found.value


@SEQUENCES.function("optional.unwrap", "list(optional_type(A)) -> list(A)")
@SEQUENCES.member("unwrapOpt", "list(optional_type(A)) -> list(A)")
def _unwrap(items: list[Any]) -> list[Any]:
    if not all(isinstance(item, Optional) for item in items):
        raise no_overload("unwrapOpt")
    return [item.value for item in items if item.present]
