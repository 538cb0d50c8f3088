"""Effects of template functions (Go's, sprig's and Helm's) on symbols: pass a value on, choose one, or compute.

Any other function computes from all its arguments. Never runs a function on values of unknown size.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from kubekeep.sources.helm.trace.symbols import (
    NOTHING,
    UNKNOWN,
    Alternatives,
    Computed,
    Constant,
    ListSymbol,
    MappingSymbol,
    ParsedOutput,
    Symbol,
    Symbols,
    create_alternatives,
)

Arguments = Sequence[Symbol]
SymbolFunction = Callable[[Symbols, Arguments], Symbol]

NIL: Final = Constant(None)
_MAX_LENGTH: Final = 4096
"""Maximum length of lists and texts made by templates that are followed."""


def call(name: str, symbols: Symbols, arguments: Arguments) -> Symbol:
    """Evaluate a function call."""
    name = _PLAIN.sub(lambda match: match[1].lower(), name)
    if name in _SAME:
        return arguments[-1] if arguments else NOTHING
    function = _FUNCTIONS.get(name)
    if function is None:
        return Computed(tuple(arguments))
    try:
        return function(symbols, arguments)
    except (LookupError, TypeError, ValueError):
        return Computed(tuple(arguments))


_PLAIN: Final = re.compile(r"^must([A-Z])")
"""Prefix of the variants that return errors, such as `mustToYaml`."""

_SAME: Final = frozenset(
    (
        *("toYaml", "toYamlPretty", "toJson", "toPrettyJson", "toRawJson", "toToml", "indent", "nindent"),
        *("quote", "squote", "trim", "toString", "toStrings", "int", "int64", "float64", "toDecimal"),
        *("required", "sortAlpha", "uniq", "compact"),
    )
)
"""Functions that return their last argument in another form, with its parts at the same paths."""


def _default(symbols: Symbols, arguments: Arguments) -> Symbol:
    fallback, value = arguments if len(arguments) == 2 else (arguments[0], NIL)
    truth = symbols.get_truth(value)
    if truth is None:
        return Alternatives((value, fallback))
    return value if truth else fallback


def _first_true(symbols: Symbols, arguments: Arguments) -> Symbol:
    possible: list[Symbol] = []
    for argument in arguments:
        truth = symbols.get_truth(argument)
        if truth is not False:
            possible.append(argument)
        if truth:
            break
    return create_alternatives(possible) or arguments[-1]


def _and(symbols: Symbols, arguments: Arguments) -> Symbol:
    for argument in arguments:
        truth = symbols.get_truth(argument)
        if truth is None:
            return Computed(tuple(arguments))
        if not truth:
            return argument
    return arguments[-1]


def _ternary(symbols: Symbols, arguments: Arguments) -> Symbol:
    yes, no, condition = arguments
    truth = symbols.get_truth(condition)
    result = Alternatives((yes, no)) if truth is None else yes if truth else no
    if next(symbols.list_refs(result), None) is not None or isinstance(result, MappingSymbol | ListSymbol):
        return result
    # To change a constant, the user changes the condition that selects it.
    return Computed((result, condition), symbols.get_value(result))


def _dict(symbols: Symbols, arguments: Arguments) -> Symbol:
    pairs = zip(arguments[::2], arguments[1::2], strict=False)
    return MappingSymbol({str(symbols.get_value(key)): value for key, value in pairs})


def _index(symbols: Symbols, arguments: Arguments) -> Symbol:
    symbol: Symbol | None = arguments[0]
    for argument in arguments[1:]:
        step = symbols.get_value(argument)
        if not isinstance(step, str | int):
            return Computed((arguments[0],))
        symbol = symbols.get_child(symbol, step) if symbol is not None else None
    return symbol or NIL


def _dig(symbols: Symbols, arguments: Arguments) -> Symbol:
    *steps, fallback, mapping = arguments
    symbol = _index(symbols, (mapping, *steps))
    value = symbols.get_value(symbol)
    if value is UNKNOWN:
        return Alternatives((symbol, fallback))
    return fallback if value is None else symbol


def _merge(_symbols: Symbols, arguments: Arguments) -> Symbol:
    tables = [argument for argument in arguments if isinstance(argument, MappingSymbol)]
    if len(tables) == len(arguments):
        for other in tables[1:]:
            tables[0].entries = {**other.entries, **tables[0].entries}
        return tables[0]
    return Alternatives(tuple(arguments))


def _overwrite(_symbols: Symbols, arguments: Arguments) -> Symbol:
    tables = [argument for argument in arguments if isinstance(argument, MappingSymbol)]
    if len(tables) == len(arguments):
        for other in tables[1:]:
            tables[0].entries.update(other.entries)
        return tables[0]
    return Alternatives(tuple(reversed(arguments)))


def _set(symbols: Symbols, arguments: Arguments) -> Symbol:
    mapping, key, value = arguments
    symbols.set_entry(mapping, str(symbols.get_value(key)), value)
    return mapping


def _copy(_symbols: Symbols, arguments: Arguments) -> Symbol:
    symbol = arguments[0]
    return MappingSymbol(dict(symbol.entries)) if isinstance(symbol, MappingSymbol) else symbol


def list_elements(symbols: Symbols, symbol: Symbol) -> list[Symbol] | None:
    """Return the elements of a list; None if their number is unknown."""
    if isinstance(symbol, ListSymbol):
        return list(symbol.items)
    value = symbols.get_value(symbol)
    if value is None:
        return []
    if not isinstance(value, list):
        return None
    return [symbols.get_child(symbol, number) or NIL for number in range(len(value))]


def _concat(symbols: Symbols, arguments: Arguments) -> Symbol:
    elements: list[Symbol] = []
    for argument in arguments:
        more = list_elements(symbols, argument)
        if more is None:
            return Computed(tuple(arguments))
        elements += more
    if len(elements) > _MAX_LENGTH:
        return Computed(tuple(arguments))
    return ListSymbol(tuple(elements))


def _append(symbols: Symbols, arguments: Arguments) -> Symbol:
    return _concat(symbols, (arguments[0], ListSymbol((arguments[1],))))


def _prepend(symbols: Symbols, arguments: Arguments) -> Symbol:
    return _concat(symbols, (ListSymbol((arguments[1],)), arguments[0]))


def _first(symbols: Symbols, arguments: Arguments) -> Symbol:
    return symbols.get_child(arguments[0], 0) or NIL


def _last(symbols: Symbols, arguments: Arguments) -> Symbol:
    elements = list_elements(symbols, arguments[0])
    return elements[-1] if elements else Computed(tuple(arguments))


def _keys(symbols: Symbols, arguments: Arguments) -> Symbol:
    value = symbols.get_value(arguments[0])
    names: Any = arguments[0].entries if isinstance(arguments[0], MappingSymbol) else value
    if not isinstance(names, dict):
        return Computed(tuple(arguments))
    return ListSymbol(tuple(Computed((symbols.get_child(arguments[0], name) or NIL,), name) for name in sorted(names)))


def _until(symbols: Symbols, arguments: Arguments) -> Symbol:
    count = symbols.get_value(arguments[0])
    return Constant(list(range(count))) if isinstance(count, int) and 0 <= count <= _MAX_LENGTH else NOTHING


def _pluck(symbols: Symbols, arguments: Arguments) -> Symbol:
    name = str(symbols.get_value(arguments[0]))
    children = (symbols.get_child(mapping, name) for mapping in arguments[1:])
    return ListSymbol(tuple(child for child in children if child is not None and symbols.get_value(child) is not None))


def _parse(_symbols: Symbols, arguments: Arguments) -> Symbol:
    match arguments[-1]:
        case Computed(parts=parts):
            return ParsedOutput(parts)
    return arguments[-1]


def _pick(_symbols: Symbols, arguments: Arguments) -> Symbol:
    return arguments[0]


def _is_short(value: Any) -> bool:
    return isinstance(value, str | int) and len(str(value)) < _MAX_LENGTH


def _print(symbols: Symbols, arguments: Arguments) -> Symbol:
    values = [symbols.get_value(argument) for argument in arguments]
    are_known = all(_is_short(value) for value in values)
    return Computed(tuple(arguments), "".join(map(str, values)) if are_known else UNKNOWN)


def _printf(symbols: Symbols, arguments: Arguments) -> Symbol:
    layout, *values = (symbols.get_value(argument) for argument in arguments)
    if isinstance(layout, str) and all(_is_short(value) for value in values):
        parts = re.split(r"%[svd]", layout)
        if len(parts) == len(values) + 1 and "%" not in "".join(parts):
            text = parts[0] + "".join(f"{value}{part}" for value, part in zip(values, parts[1:], strict=True))
            return Computed(tuple(arguments), text)
    return Computed(tuple(arguments))


_Test = Callable[[Sequence[Any]], Any]


def _predicate(test: _Test) -> SymbolFunction:
    """Make a function of plain values that returns a boolean."""

    def function(symbols: Symbols, arguments: Arguments) -> Symbol:
        values = [symbols.get_value(argument) for argument in arguments]
        try:
            result = UNKNOWN if any(value is UNKNOWN for value in values) else test(values)
        except TypeError:
            result = UNKNOWN
        return Computed(tuple(arguments), result)

    return function


def _truth_test(expected: bool) -> SymbolFunction:  # noqa: FBT001 - one of two functions
    def function(symbols: Symbols, arguments: Arguments) -> Symbol:
        truth = symbols.get_truth(arguments[0])
        return Computed(tuple(arguments), UNKNOWN if truth is None else truth is expected)

    return function


def _kind(value: Any) -> str:
    """Return Go's reflect kind of a value read from YAML."""
    kinds = {bool: "bool", str: "string", dict: "map", list: "slice", float: "float64", int: "float64"}
    return kinds.get(type(value), "invalid")


def _has_key(symbols: Symbols, arguments: Arguments) -> Symbol:
    mapping, key = arguments
    value = symbols.get_value(mapping)
    names = mapping.entries if isinstance(mapping, MappingSymbol) else value
    result = symbols.get_value(key) in names if isinstance(names, dict) else UNKNOWN
    return Computed((_index(symbols, arguments),), result)


_FUNCTIONS: Final[dict[str, SymbolFunction]] = {
    "default": _default,
    "coalesce": _first_true,
    "or": _first_true,
    "and": _and,
    "ternary": _ternary,
    "dict": _dict,
    "list": lambda _, arguments: ListSymbol(tuple(arguments)),
    "tuple": lambda _, arguments: ListSymbol(tuple(arguments)),
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
    "not": _truth_test(expected=False),
    "empty": _truth_test(expected=False),
    "eq": _predicate(lambda values: values[0] in values[1:]),
    "ne": _predicate(lambda values: values[0] != values[1]),
    "gt": _predicate(lambda values: values[0] > values[1]),
    "ge": _predicate(lambda values: values[0] >= values[1]),
    "lt": _predicate(lambda values: values[0] < values[1]),
    "le": _predicate(lambda values: values[0] <= values[1]),
    "kindIs": _predicate(lambda values: _kind(values[1]) == values[0]),
    "typeIs": _predicate(lambda values: _kind(values[1]) == values[0]),
    "contains": _predicate(lambda values: values[0] in values[1]),
    "hasPrefix": _predicate(lambda values: values[1].startswith(values[0]) if isinstance(values[1], str) else UNKNOWN),
    "has": _predicate(lambda values: values[0] in values[1]),
    "hasKey": _has_key,
    "lookup": lambda *_: NOTHING,
    "until": _until,
}
