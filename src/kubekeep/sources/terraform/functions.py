"""Terraform functions that depend only on their arguments: no files, time, random numbers or network.

See https://developer.hashicorp.com/terraform/language/functions. Other functions give unknown values.
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
    DecodedDocument,
    LocatedList,
    LocatedMapping,
    LocatedText,
    list_entries,
    to_bool,
    to_number,
    to_text,
    type_name,
)
from kubekeep.sources.tree import Document, Limits, Problem

MAX_TEXT: Final = 4 * 1024 * 1024
_MAX_RANGE: Final = 1024
"""Terraform's own limit."""
_DECODE_LIMITS: Final = Limits(bytes=MAX_TEXT, depth=100, aliased=10_000, documents=1, nodes=200_000)
_VERB: Final = re.compile(r"%(?:(%)|([-+ 0#]*)(\d*)(?:\.(\d+))?([svdqtfgexX]))")
_MAX_WIDTH: Final = 200


def decode(text: str, read: Callable[[str, array[int], Limits], Any]) -> Any:
    """Decode a text with one YAML or JSON document, with locations if the text has lines; raises ValueError."""
    document: Document | None = None
    for result in read(text, line_starts(text), _DECODE_LIMITS):
        if isinstance(result, Problem):
            raise ValueError(result.message)
        document = result
    if document is None:
        return None
    located = text if isinstance(text, LocatedText) else None
    if located is None:
        return to_value(document.value)
    return DecodedDocument(document.value, document.source_map, located).value()


def to_value(value: Any) -> Any:
    """Convert a JSON value to a Terraform value without locations."""
    if isinstance(value, dict):
        return LocatedMapping((str(key), to_value(child)) for key, child in value.items())
    if isinstance(value, list):
        return LocatedList(to_value(child) for child in value)
    return value


def _json_text(value: Any) -> str:
    # Escaped by encoding/json, hence by Terraform.
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _merge(*mappings: Any) -> LocatedMapping:
    merged = LocatedMapping()
    for mapping in mappings:
        if mapping is not None:
            _require_type(mapping, dict)
            for key, value, location in list_entries(mapping):
                merged.put(key, value, location)
    return merged


def _concat(*lists: Any) -> LocatedList:
    joined = LocatedList()
    for elements in lists:
        _require_type(elements, list)
        for _, value, location in list_entries(elements):
            joined.add(value, location)
    return joined


def _require_type(value: Any, kind: type) -> None:
    if not isinstance(value, kind):
        raise ValueError(f"{type_name(value)} is of the wrong type")


def _to_list(value: Any) -> LocatedList:
    _require_type(value, list)
    return _concat(value)


def _distinct(value: Any) -> LocatedList:
    _require_type(value, list)
    unique = LocatedList()
    seen = set()
    for _, element, location in list_entries(value):
        key = element if isinstance(element, str) else _json_text(element)
        if (type(element), key) not in seen:
            seen.add((type(element), key))
            unique.add(element, location)
    return unique


def _to_set(value: Any) -> LocatedList:
    unique = _distinct(value)
    if all(isinstance(element, str) for element in unique):
        ordered = LocatedList()
        for index in sorted(range(len(unique)), key=unique.__getitem__):
            ordered.add(unique[index], unique.location(index))
        return ordered
    return unique


def _to_map(value: Any) -> LocatedMapping:
    return _merge(value)


def _lookup(mapping: Any, key: Any, *default: Any) -> Any:
    _require_type(mapping, dict)
    if key in mapping or not default:
        return mapping[key]
    return default[0]


def _element(elements: Any, index: Any) -> Any:
    _require_type(elements, list)
    return elements[int(to_number(index)) % len(elements)]


def _flatten(elements: Any) -> LocatedList:
    _require_type(elements, list)
    flat = LocatedList()
    pending = [iter(list(list_entries(elements)))]
    while pending:
        for _, element, location in pending[-1]:
            if isinstance(element, list):
                pending.append(iter(list(list_entries(element))))
                break
            flat.add(element, location)
            if len(flat) > _DECODE_LIMITS.nodes:
                raise ValueError("the list is too long")
        else:
            pending.pop()
    return flat


def _range(*limits: Any) -> LocatedList:
    numbers = [int(to_number(limit)) for limit in limits]
    result = range(*numbers)
    if len(result) > _MAX_RANGE:
        raise ValueError(f"the range has more than {_MAX_RANGE} numbers")
    return LocatedList(result)


def _format(template: Any, *values: Any) -> str:
    remaining_values = iter(values)

    def format_verb(match: re.Match[str]) -> str:
        if match[1]:
            return "%"
        width, digits = int(match[3] or 0), int(match[4] or 0)
        if max(width, digits) > _MAX_WIDTH:
            raise ValueError("the format is too wide")
        return _format_value(match, next(remaining_values))

    return _VERB.sub(format_verb, to_text(template))


def _format_value(match: re.Match[str], value: Any) -> str:
    flags, width, kind = match[2], match[3], match[5]
    precision = f".{match[4]}" if match[4] else ""
    if kind in "sv":
        return f"%{flags.replace('0', '')}{width}{precision}s" % (
            _json_text(value) if kind == "v" and _is_collection(value) else to_text(value)
        )
    if kind == "q":
        return json.dumps(to_text(value), ensure_ascii=False)
    if kind == "t":
        return to_text(to_bool(value))
    number = to_number(value)
    return f"%{flags}{width}{precision}{kind}" % (int(number) if kind in "dxX" else number)


def _is_collection(value: Any) -> bool:
    return isinstance(value, dict | list)


def _replace(text: Any, old: Any, new: Any) -> str:
    if len(old) > 1 and old.startswith("/") and old.endswith("/"):
        raise ValueError("replacement by a pattern is not supported")
    source, pattern, replacement = to_text(text), to_text(old), to_text(new)
    _check_size(len(source) + (source.count(pattern) * len(replacement)))
    return source.replace(pattern, replacement)


def _check_size(size: int) -> None:
    """Raise ValueError for a text that would be too large, before it is built."""
    if size > MAX_TEXT:
        raise ValueError("the text is too long")


def _join(separator: Any, *lists: Any) -> str:
    texts = [to_text(element) for elements in lists for element in _to_list(elements)]
    _check_size(sum(map(len, texts)) + len(texts) * len(to_text(separator)))
    return to_text(separator).join(texts)


def _indent(spaces: Any, text: Any) -> str:
    count = int(to_number(spaces))
    if count > _MAX_WIDTH:
        raise ValueError("the indent is too wide")
    _check_size(len(text) + text.count("\n") * count)
    return to_text(text).replace("\n", "\n" + " " * count)


def _coalesce(*values: Any) -> Any:
    return next(value for value in values if value not in (None, ""))


def _contains(elements: Any, value: Any) -> bool:
    _require_type(elements, list)
    return value in elements


def _zipmap(keys: Any, values: Any) -> LocatedMapping:
    return LocatedMapping(zip(map(to_text, keys), values, strict=True))


def _substr(text: Any, offset: Any, length: Any) -> str:
    start, count = int(to_number(offset)), int(to_number(length))
    rest = to_text(text)[start:]
    return rest if count < 0 else rest[:count]


FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "abs": lambda value: abs(to_number(value)),
    "base64decode": lambda text: base64.b64decode(to_text(text), validate=True).decode(),
    "base64encode": lambda text: base64.b64encode(to_text(text).encode()).decode(),
    "ceil": lambda value: math.ceil(to_number(value)),
    "chomp": lambda text: to_text(text).rstrip("\r\n"),
    "coalesce": _coalesce,
    "compact": lambda items: LocatedList(element for element in _to_list(items) if element not in (None, "")),
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
    "jsondecode": lambda text: decode(text, json_text.parse_documents),
    "jsonencode": _json_text,
    "keys": lambda mapping: LocatedList(sorted(_to_map(mapping))),
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
    "reverse": lambda items: LocatedList(reversed(_to_list(items))),
    "sensitive": lambda value: value,
    "setunion": lambda *sets: _to_set(_concat(*sets)),
    "sort": lambda items: LocatedList(sorted(map(to_text, _to_list(items)))),
    "split": lambda separator, text: LocatedList(
        to_text(text).split(to_text(separator)) if separator else to_text(text)
    ),
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
    "values": lambda mapping: LocatedList(mapping[key] for key in sorted(_to_map(mapping))),
    "yamldecode": lambda text: decode(text, yaml_text.parse_documents),
    "zipmap": _zipmap,
    "slice": lambda items, start, end: LocatedList(itertools.islice(_to_list(items), start, end)),
}

SHALLOW: Final = frozenset(
    ("concat", "element", "flatten", "length", "lookup", "merge", "one", "tolist", "tomap", "values")
)
"""Functions that accept a collection with unknown entries."""
