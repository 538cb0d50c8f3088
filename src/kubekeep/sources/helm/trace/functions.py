"""What functions of templates (Go's, sprig's and Helm's) do to symbols: which pass a value on, choose or compute.

A function that is not here computes something from all its arguments. Texts are never computed, nor is anything run.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from kubekeep.sources.helm.trace.symbols import (
    NOTHING,
    UNKNOWN,
    Known,
    Made,
    Parsed,
    Row,
    Several,
    Symbol,
    Symbols,
    Table,
    several,
)

Arguments = Sequence[Symbol]
Function = Callable[[Symbols, Arguments], Symbol]

NIL: Final = Known(None)
_LONGEST: Final = 4096
"""Lists and texts that templates make are not followed beyond this length."""


def call(name: str, symbols: Symbols, arguments: Arguments) -> Symbol:
    """The symbol of a call."""
    name = _PLAIN.sub(lambda match: match[1].lower(), name)
    if name in _SAME:
        return arguments[-1] if arguments else NOTHING
    function = _FUNCTIONS.get(name)
    if function is None:
        return Made(tuple(arguments))
    try:
        return function(symbols, arguments)
    except (LookupError, TypeError, ValueError):
        return Made(tuple(arguments))


_PLAIN: Final = re.compile(r"^must([A-Z])")
"""`mustToYaml` is `toYaml` that may fail."""

_SAME: Final = frozenset(
    (
        *("toYaml", "toYamlPretty", "toJson", "toPrettyJson", "toRawJson", "toToml", "indent", "nindent"),
        *("quote", "squote", "trim", "toString", "toStrings", "int", "int64", "float64", "toDecimal"),
        *("required", "sortAlpha", "uniq", "compact"),
    )
)
"""Functions that give their last argument on, in another shape or spelling, with its parts in their places."""


def _default(symbols: Symbols, arguments: Arguments) -> Symbol:
    fallback, value = arguments if len(arguments) == 2 else (arguments[0], NIL)
    truth = symbols.truth(value)
    if truth is None:
        return Several((value, fallback))
    return value if truth else fallback


def _first_true(symbols: Symbols, arguments: Arguments) -> Symbol:
    possible: list[Symbol] = []
    for argument in arguments:
        truth = symbols.truth(argument)
        if truth is not False:
            possible.append(argument)
        if truth:
            break
    return several(possible) or arguments[-1]


def _and(symbols: Symbols, arguments: Arguments) -> Symbol:
    for argument in arguments:
        truth = symbols.truth(argument)
        if truth is None:
            return Made(tuple(arguments))
        if not truth:
            return argument
    return arguments[-1]


def _ternary(symbols: Symbols, arguments: Arguments) -> Symbol:
    yes, no, condition = arguments
    truth = symbols.truth(condition)
    chosen = Several((yes, no)) if truth is None else yes if truth else no
    if next(symbols.refs(chosen), None) is not None or isinstance(chosen, Table | Row):
        return chosen
    # Whoever wants another constant changes what it is chosen by.
    return Made((chosen, condition), symbols.value(chosen))


def _dict(symbols: Symbols, arguments: Arguments) -> Symbol:
    pairs = zip(arguments[::2], arguments[1::2], strict=False)
    return Table({str(symbols.value(key)): value for key, value in pairs})


def _index(symbols: Symbols, arguments: Arguments) -> Symbol:
    found: Symbol | None = arguments[0]
    for argument in arguments[1:]:
        step = symbols.value(argument)
        if not isinstance(step, str | int):
            return Made((arguments[0],))
        found = symbols.child(found, step) if found is not None else None
    return found or NIL


def _dig(symbols: Symbols, arguments: Arguments) -> Symbol:
    *steps, fallback, mapping = arguments
    found = _index(symbols, (mapping, *steps))
    value = symbols.value(found)
    if value is UNKNOWN:
        return Several((found, fallback))
    return fallback if value is None else found


def _merge(_symbols: Symbols, arguments: Arguments) -> Symbol:
    tables = [argument for argument in arguments if isinstance(argument, Table)]
    if len(tables) == len(arguments):
        for other in tables[1:]:
            tables[0].entries = {**other.entries, **tables[0].entries}
        return tables[0]
    return Several(tuple(arguments))


def _overwrite(_symbols: Symbols, arguments: Arguments) -> Symbol:
    tables = [argument for argument in arguments if isinstance(argument, Table)]
    if len(tables) == len(arguments):
        for other in tables[1:]:
            tables[0].entries.update(other.entries)
        return tables[0]
    return Several(tuple(reversed(arguments)))


def _set(symbols: Symbols, arguments: Arguments) -> Symbol:
    mapping, key, value = arguments
    symbols.put(mapping, str(symbols.value(key)), value)
    return mapping


def _copy(_symbols: Symbols, arguments: Arguments) -> Symbol:
    symbol = arguments[0]
    return Table(dict(symbol.entries)) if isinstance(symbol, Table) else symbol


def items(symbols: Symbols, symbol: Symbol) -> list[Symbol] | None:
    """The items of a list; None if only Helm knows how many there are."""
    if isinstance(symbol, Row):
        return list(symbol.items)
    value = symbols.value(symbol)
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    return [symbols.child(symbol, number) or NIL for number in range(len(value))]


def _concat(symbols: Symbols, arguments: Arguments) -> Symbol:
    found: list[Symbol] = []
    for argument in arguments:
        some = items(symbols, argument)
        if some is None:
            return Made(tuple(arguments))
        found += some
    if len(found) > _LONGEST:
        return Made(tuple(arguments))
    return Row(tuple(found))


def _append(symbols: Symbols, arguments: Arguments) -> Symbol:
    return _concat(symbols, (arguments[0], Row((arguments[1],))))


def _prepend(symbols: Symbols, arguments: Arguments) -> Symbol:
    return _concat(symbols, (Row((arguments[1],)), arguments[0]))


def _first(symbols: Symbols, arguments: Arguments) -> Symbol:
    return symbols.child(arguments[0], 0) or NIL


def _last(symbols: Symbols, arguments: Arguments) -> Symbol:
    some = items(symbols, arguments[0])
    return some[-1] if some else Made(tuple(arguments))


def _keys(symbols: Symbols, arguments: Arguments) -> Symbol:
    value = symbols.value(arguments[0])
    names: Any = arguments[0].entries if isinstance(arguments[0], Table) else value
    if not isinstance(names, dict):
        return Made(tuple(arguments))
    return Row(tuple(Made((symbols.child(arguments[0], name) or NIL,), name) for name in sorted(names)))


def _until(symbols: Symbols, arguments: Arguments) -> Symbol:
    count = symbols.value(arguments[0])
    return Known(list(range(count))) if isinstance(count, int) and 0 <= count <= _LONGEST else NOTHING


def _pluck(symbols: Symbols, arguments: Arguments) -> Symbol:
    name = str(symbols.value(arguments[0]))
    found = (symbols.child(mapping, name) for mapping in arguments[1:])
    return Row(tuple(one for one in found if one is not None and symbols.value(one) is not None))


def _parse(_symbols: Symbols, arguments: Arguments) -> Symbol:
    match arguments[-1]:
        case Made(parts=parts):
            return Parsed(parts)
    return arguments[-1]


def _pick(_symbols: Symbols, arguments: Arguments) -> Symbol:
    return arguments[0]


def _short(value: Any) -> bool:
    return isinstance(value, str | int) and len(str(value)) < _LONGEST


def _print(symbols: Symbols, arguments: Arguments) -> Symbol:
    values = [symbols.value(argument) for argument in arguments]
    known = all(_short(value) for value in values)
    return Made(tuple(arguments), "".join(map(str, values)) if known else UNKNOWN)


def _printf(symbols: Symbols, arguments: Arguments) -> Symbol:
    layout, *values = (symbols.value(argument) for argument in arguments)
    if isinstance(layout, str) and all(_short(value) for value in values):
        parts = re.split(r"%[svd]", layout)
        if len(parts) == len(values) + 1 and "%" not in "".join(parts):
            text = parts[0] + "".join(f"{value}{part}" for value, part in zip(values, parts[1:], strict=True))
            return Made(tuple(arguments), text)
    return Made(tuple(arguments))


_Judge = Callable[[Sequence[Any]], Any]


def _judged(judge: _Judge) -> Function:
    """A function of plain values that says yes or no."""

    def function(symbols: Symbols, arguments: Arguments) -> Symbol:
        values = [symbols.value(argument) for argument in arguments]
        try:
            known = UNKNOWN if any(value is UNKNOWN for value in values) else judge(values)
        except TypeError:
            known = UNKNOWN
        return Made(tuple(arguments), known)

    return function


def _truth(wanted: bool) -> Function:  # noqa: FBT001 - one of two functions
    def function(symbols: Symbols, arguments: Arguments) -> Symbol:
        truth = symbols.truth(arguments[0])
        return Made(tuple(arguments), UNKNOWN if truth is None else truth is wanted)

    return function


def _kind(value: Any) -> str:
    """Go's reflect kind of a value read from YAML."""
    kinds = {bool: "bool", str: "string", dict: "map", list: "slice", float: "float64", int: "float64"}
    return kinds.get(type(value), "invalid")


def _has_key(symbols: Symbols, arguments: Arguments) -> Symbol:
    mapping, key = arguments
    value = symbols.value(mapping)
    names = mapping.entries if isinstance(mapping, Table) else value
    known = symbols.value(key) in names if isinstance(names, dict) else UNKNOWN
    return Made((_index(symbols, arguments),), known)


_FUNCTIONS: Final[dict[str, Function]] = {
    "default": _default,
    "coalesce": _first_true,
    "or": _first_true,
    "and": _and,
    "ternary": _ternary,
    "dict": _dict,
    "list": lambda _, arguments: Row(tuple(arguments)),
    "tuple": lambda _, arguments: Row(tuple(arguments)),
    "index": _index,
    "get": _index,
    "dig": _dig,
    "merge": _merge,
    "mergeOverwrite": _overwrite,
    "set": _set,
    "deepCopy": _copy,
    "concat": _concat,
    "append": _append,
    "push": _append,
    "prepend": _prepend,
    "first": _first,
    "last": _last,
    "keys": _keys,
    "pluck": _pluck,
    "fromYaml": _parse,
    "fromYamlArray": _parse,
    "fromJson": _parse,
    "fromJsonArray": _parse,
    "fromToml": _parse,
    "pick": _pick,
    "omit": _pick,
    "print": _print,
    "printf": _printf,
    "not": _truth(wanted=False),
    "empty": _truth(wanted=False),
    "eq": _judged(lambda values: values[0] in values[1:]),
    "ne": _judged(lambda values: values[0] != values[1]),
    "gt": _judged(lambda values: values[0] > values[1]),
    "ge": _judged(lambda values: values[0] >= values[1]),
    "lt": _judged(lambda values: values[0] < values[1]),
    "le": _judged(lambda values: values[0] <= values[1]),
    "kindIs": _judged(lambda values: _kind(values[1]) == values[0]),
    "typeIs": _judged(lambda values: _kind(values[1]) == values[0]),
    "contains": _judged(lambda values: values[0] in values[1]),
    "hasPrefix": _judged(lambda values: values[1].startswith(values[0]) if isinstance(values[1], str) else UNKNOWN),
    "has": _judged(lambda values: values[0] in values[1]),
    "hasKey": _has_key,
    "lookup": lambda *_: NOTHING,
    "until": _until,
}
