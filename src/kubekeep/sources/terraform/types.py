"""Type constraints of variables: what Terraform makes of a value that is given for one. Converts; never refuses a value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kubekeep.sources.terraform.syntax import Expression, parts, unwrapped, word
from kubekeep.sources.terraform.values import Mapping, Sequence, entries, to_bool, to_number, to_text

Evaluate = Callable[[Expression], Any]

_SCALARS: dict[str, Callable[[Any], Any]] = {"string": to_text, "number": to_number, "bool": to_bool}


def conform(value: Any, constraint: Expression, evaluate: Evaluate) -> Any:
    """The value as `constraint` (`list(object({a = optional(string, "x")}))`) makes it; itself where it does not fit."""
    node = unwrapped(constraint)
    data = getattr(node, "data", "")
    if data == "identifier" and word(node) in _SCALARS:
        try:
            return value if value is None else _SCALARS[word(node)](value)
        except (ValueError, TypeError):
            return value
    if data != "function_call":
        return value
    inner = _arguments(node)
    return _collection(value, word(next(parts(node))), inner[0], evaluate) if inner else value


def _collection(value: Any, name: str, inner: Expression, evaluate: Evaluate) -> Any:
    if name == "object" and isinstance(value, Mapping):
        return _object(value, unwrapped(inner), evaluate)
    if name == "map" and isinstance(value, Mapping):
        made = Mapping()
        for key, item, place in entries(value):
            made.put(key, conform(item, inner, evaluate), place)
        return made
    if name in ("list", "set") and isinstance(value, Sequence):
        items = Sequence()
        for _, item, place in entries(value):
            items.add(conform(item, inner, evaluate), place)
        return items
    return value


def _object(value: Mapping, members: Any, evaluate: Evaluate) -> Mapping:
    made = Mapping()
    for key, item, place in entries(value):
        made.put(key, item, place)
    for member in members.children:
        if getattr(member, "data", "") != "object_elem":
            continue
        name = word(unwrapped(member.children[0].children[0]))
        constraint = unwrapped(member.children[-1])
        optional = getattr(constraint, "data", "") == "function_call" and word(next(parts(constraint))) == "optional"
        arguments = _arguments(constraint) if optional else []
        if optional and made.get(name) is None:
            made.put(name, evaluate(arguments[1]) if len(arguments) > 1 else None, None)
        if name in made:
            inner = arguments[0] if arguments else constraint
            made.put(name, conform(made[name], inner, evaluate), made.place(name))
    return made


def _arguments(node: Any) -> list[Any]:
    given = next((part for part in parts(node) if getattr(part, "data", "") == "arguments"), None)
    return [] if given is None else [part for part in parts(given) if hasattr(part, "data")]
