"""Terraform's functions that depend on nothing but their arguments. No files, no time, no random numbers, no network.

See https://developer.hashicorp.com/terraform/language/functions. A function that is not here gives an unknown value.
"""

from __future__ import annotations

import base64
import itertools
import json
import math
import re
from array import array
from collections.abc import Callable
from typing import Any, Final

from kubekeep.model.location import line_starts
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.terraform.values import (
    Decoded,
    Mapping,
    Sequence,
    Text,
    entries,
    to_bool,
    to_number,
    to_text,
    type_name,
)
from kubekeep.sources.tree import Document, Limits, Problem

MAXIMUM_TEXT: Final = 4 * 1024 * 1024
_LONGEST_RANGE: Final = 1024
"""Terraform's own limit."""
_DECODED: Final = Limits(bytes=MAXIMUM_TEXT, depth=100, aliased=10_000, documents=1, nodes=200_000)
_VERB: Final = re.compile(r"%(?:(%)|([-+ 0#]*)(\d*)(?:\.(\d+))?([svdqtfgexX]))")
_WIDEST: Final = 200


def decode(text: str, read: Callable[[str, array[int], Limits], Any]) -> Any:
    """The one document of a YAML or JSON text, with places if the text has lines; raises ValueError."""
    document: Document | None = None
    for found in read(text, line_starts(text), _DECODED):
        if isinstance(found, Problem):
            raise ValueError(found.message)
        document = found
    if document is None:
        return None
    lined = text if isinstance(text, Text) else None
    if lined is None:
        return plain(document.value)
    return Decoded(document.value, document.source_map, lined).value()


def plain(value: Any) -> Any:
    """A value of JSON as one of Terraform, without places."""
    if isinstance(value, dict):
        return Mapping((str(key), plain(item)) for key, item in value.items())
    if isinstance(value, list):
        return Sequence(plain(item) for item in value)
    return value


def _json_text(value: Any) -> str:
    # encoding/json escapes these, and so does Terraform.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _merge(*maps: Any) -> Mapping:
    merged = Mapping()
    for one in maps:
        if one is not None:
            _need(one, dict)
            for key, value, place in entries(one):
                merged.put(key, value, place)
    return merged


def _concat(*lists: Any) -> Sequence:
    joined = Sequence()
    for one in lists:
        _need(one, list)
        for _, value, place in entries(one):
            joined.add(value, place)
    return joined


def _need(value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{type_name(value)} is of the wrong type")


def _to_list(value: Any) -> Sequence:
    _need(value, list)
    return _concat(value)


def _distinct(value: Any) -> Sequence:
    _need(value, list)
    unique = Sequence()
    seen = set()
    for _, item, place in entries(value):
        mark = item if isinstance(item, str) else _json_text(item)
        if (type(item), mark) not in seen:
            seen.add((type(item), mark))
            unique.add(item, place)
    return unique


def _to_set(value: Any) -> Sequence:
    unique = _distinct(value)
    if all(isinstance(item, str) for item in unique):
        ordered = Sequence()
        for index in sorted(range(len(unique)), key=unique.__getitem__):
            ordered.add(unique[index], unique.place(index))
        return ordered
    return unique


def _to_map(value: Any) -> Mapping:
    return _merge(value)


def _lookup(mapping: Any, key: Any, *default: Any) -> Any:
    _need(mapping, dict)
    if key in mapping or not default:
        return mapping[key]
    return default[0]


def _element(items: Any, index: Any) -> Any:
    _need(items, list)
    return items[int(to_number(index)) % len(items)]


def _flatten(items: Any) -> Sequence:
    _need(items, list)
    flat = Sequence()
    todo = [iter(list(entries(items)))]
    while todo:
        for _, item, place in todo[-1]:
            if isinstance(item, list):
                todo.append(iter(list(entries(item))))
                break
            flat.add(item, place)
            if len(flat) > _DECODED.nodes:
                raise ValueError("a list of too many items")
        else:
            todo.pop()
    return flat


def _range(*limits: Any) -> Sequence:
    numbers = [int(to_number(limit)) for limit in limits]
    found = range(*numbers)
    if len(found) > _LONGEST_RANGE:
        raise ValueError(f"a range of more than {_LONGEST_RANGE} numbers")
    return Sequence(found)


def _format(template: Any, *values: Any) -> str:
    left = iter(values)

    def verb(match: re.Match[str]) -> str:
        if match[1]:
            return "%"
        width, digits = int(match[3] or 0), int(match[4] or 0)
        if max(width, digits) > _WIDEST:
            raise ValueError("too wide a format")
        return _formatted(match, next(left))

    return _VERB.sub(verb, to_text(template))


def _formatted(match: re.Match[str], value: Any) -> str:
    flags, width, kind = match[2], match[3], match[5]
    precision = f".{match[4]}" if match[4] else ""
    if kind in "sv":
        return f"%{flags.replace('0', '')}{width}{precision}s" % (
            _json_text(value) if kind == "v" and _is_large(value) else to_text(value)
        )
    if kind == "q":
        return json.dumps(to_text(value), ensure_ascii=False)
    if kind == "t":
        return to_text(to_bool(value))
    number = to_number(value)
    return f"%{flags}{width}{precision}{kind}" % (int(number) if kind in "dxX" else number)


def _is_large(value: Any) -> bool:
    return isinstance(value, dict | list)


def _replace(text: Any, old: Any, new: Any) -> str:
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        raise ValueError("replacement by a pattern is not evaluated here")
    found, wanted, instead = to_text(text), to_text(old), to_text(new)
    _need_room(len(found) + (found.count(wanted) * len(instead)))
    return found.replace(wanted, instead)


def _need_room(size: int) -> None:
    """Refuse a text that would be too large, before it is made."""
    if size > MAXIMUM_TEXT:
        raise ValueError("too large a text")


def _join(separator: Any, *lists: Any) -> str:
    items = [to_text(item) for one in lists for item in _to_list(one)]
    _need_room(sum(map(len, items)) + len(items) * len(to_text(separator)))
    return to_text(separator).join(items)


def _indent(spaces: Any, text: Any) -> str:
    count = int(to_number(spaces))
    if count > _WIDEST:
        raise ValueError("too wide an indent")
    _need_room(len(text) + text.count("\n") * count)
    return to_text(text).replace("\n", "\n" + " " * count)


def _coalesce(*values: Any) -> Any:
    return next(value for value in values if value not in (None, ""))


def _contains(items: Any, wanted: Any) -> bool:
    _need(items, list)
    return wanted in items


def _zipmap(keys: Any, values: Any) -> Mapping:
    return Mapping(zip(map(to_text, keys), values, strict=True))


def _substr(text: Any, offset: Any, length: Any) -> str:
    start, count = int(to_number(offset)), int(to_number(length))
    found = to_text(text)[start:]
    return found if count < 0 else found[:count]


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": lambda value: abs(to_number(value)),
    "base64decode": lambda text: base64.b64decode(to_text(text), validate=True).decode(),
    "base64encode": lambda text: base64.b64encode(to_text(text).encode()).decode(),
    "ceil": lambda value: math.ceil(to_number(value)),
    "chomp": lambda text: to_text(text).rstrip("\r\n"),
    "coalesce": _coalesce,
    "compact": lambda items: Sequence(item for item in _to_list(items) if item not in (None, "")),
    "concat": _concat,
    "contains": _contains,
    "distinct": _distinct,
    "element": _element,
    "endswith": lambda text, end: to_text(text).endswith(to_text(end)),
    "flatten": _flatten,
    "floor": lambda value: math.floor(to_number(value)),
    "format": _format,
    "indent": _indent,
    "join": _join,
    "jsondecode": lambda text: decode(text, json_text.documents),
    "jsonencode": _json_text,
    "keys": lambda mapping: Sequence(sorted(_to_map(mapping))),
    "length": len,
    "lookup": _lookup,
    "lower": lambda text: to_text(text).lower(),
    "max": lambda *values: max(map(to_number, values)),
    "merge": _merge,
    "min": lambda *values: min(map(to_number, values)),
    "nonsensitive": lambda value: value,
    "one": lambda items: items[0] if len(items) == 1 else None,
    "range": _range,
    "replace": _replace,
    "reverse": lambda items: Sequence(reversed(_to_list(items))),
    "sensitive": lambda value: value,
    "setunion": lambda *sets: _to_set(_concat(*sets)),
    "sort": lambda items: Sequence(sorted(map(to_text, _to_list(items)))),
    "split": lambda separator, text: Sequence(to_text(text).split(to_text(separator)) if separator else to_text(text)),
    "startswith": lambda text, start: to_text(text).startswith(to_text(start)),
    "substr": _substr,
    "title": lambda text: re.sub(r"\b[a-z]", lambda match: match[0].upper(), to_text(text)),
    "tobool": lambda value: None if value is None else to_bool(value),
    "tolist": _to_list,
    "tomap": _to_map,
    "tonumber": lambda value: None if value is None else to_number(value),
    "toset": _to_set,
    "tostring": lambda value: None if value is None else to_text(value),
    "trim": lambda text, characters: to_text(text).strip(to_text(characters)),
    "trimprefix": lambda text, prefix: to_text(text).removeprefix(to_text(prefix)),
    "trimspace": lambda text: to_text(text).strip(),
    "trimsuffix": lambda text, suffix: to_text(text).removesuffix(to_text(suffix)),
    "upper": lambda text: to_text(text).upper(),
    "values": lambda mapping: Sequence(mapping[key] for key in sorted(_to_map(mapping))),
    "yamldecode": lambda text: decode(text, yaml_text.documents),
    "zipmap": _zipmap,
    "slice": lambda items, start, end: Sequence(itertools.islice(_to_list(items), start, end)),
}

SHALLOW: Final = frozenset(
    ("concat", "element", "flatten", "length", "lookup", "merge", "one", "tolist", "tomap", "values")
)
"""What may take a collection that is known but for some of its items."""
