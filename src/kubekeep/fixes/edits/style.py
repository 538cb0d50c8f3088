"""Style of YAML and JSON documents, and formatting of values in it. Never interprets values."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.fixes.edits.syntax import Node, NodeKind, walk

_PLAIN_TEXT: Final = re.compile(r"(?:--?(?=[a-z]))?[A-Za-z/_][A-Za-z0-9_./@=+-]*(?::[A-Za-z0-9_./-]+)*")
"""Texts that every version of YAML reads as strings without quotes, in block and flow style, except `_TYPED_WORDS`."""
_TYPED_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that YAML 1.1 (yaml.org/type/bool.html) or 1.2 reads as other types, in any case."""
_MAX_NODES: Final = 20_000
"""Nodes to inspect for the style of a document."""


class Style(msgspec.Struct, frozen=True):
    """Style of a document: line breaks, indentation and lists.

    step: indentation of a mapping in a mapping. dash: the same for the dashes of a list. is_json: only JSON syntax.
    flow_lists: lists of scalars in brackets.
    """

    newline: str = "\n"
    step: int = 2
    dash: int = 2
    is_json: bool = False
    flow_lists: bool = False


def detect_style(text: str, root: Node, *, is_json: bool) -> Style:
    """Return the most frequent style in a document."""
    steps: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    lists: Counter[bool] = Counter()
    for _, node in zip(range(_MAX_NODES), walk(root), strict=False):
        if (
            node.kind is NodeKind.SEQUENCE
            and node.children
            and all(child.kind is NodeKind.SCALAR for child in node.children)
        ):
            lists[node.is_flow] += 1
        if node.kind is NodeKind.MAPPING and not node.is_flow:
            for value in node.children[1::2]:
                if value.is_block and value.children and value.anchor is None and value.tag is None:
                    _count_indentation(steps, dashes, node, value)
    return Style(
        newline=_detect_newline(text),
        step=_find_most_frequent(steps, 2),
        dash=_find_most_frequent(dashes, 2),
        is_json=is_json,
        flow_lists=lists[True] > lists[False],
    )


def _count_indentation(steps: Counter[int], dashes: Counter[int], node: Node, value: Node) -> None:
    indentation = value.column - node.column
    if value.kind is NodeKind.SEQUENCE:
        dashes[indentation] += 1
    elif indentation > 0:
        steps[indentation] += 1


def _find_most_frequent(counted: Counter[int], default: int) -> int:
    return counted.most_common(1)[0][0] if counted else default


def _detect_newline(text: str) -> str:
    match = re.search(r"\r\n?|\n", text)
    return match[0] if match else "\n"


def format_scalar(value: Any, *, like: str = "", is_json: bool = False) -> str:
    """Format a scalar or empty collection. like: quote of the value it replaces.

    A string that YAML 1.1 or 1.2 would read as another type is quoted.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    if is_json or like == '"':
        return _quote(value)
    if like == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return value if _is_plain(value) else _quote(value)


def _quote(value: str) -> str:
    """Format a JSON string that is valid YAML too; surrogate pairs are not."""
    return json.dumps(value, ensure_ascii=not value.isprintable() and value.isascii())


@functools.lru_cache(maxsize=1_000)
def _is_plain(value: str) -> bool:
    if not _PLAIN_TEXT.fullmatch(value) or value.lower() in _TYPED_WORDS or value.endswith(":"):
        return False
    (read,) = YamlDocuments(value, 1, 0, 1, 1)
    return read is not None and read[0] == value


def format_block(value: Any, column: int, style: Style) -> list[str]:
    """Return the lines of a collection that is not empty, indented to a column."""
    pad = " " * column
    if isinstance(value, dict):
        return [line for key, child in value.items() for line in format_entry(key, child, column, style)]
    return [line for child in value for line in _format_item(child, pad, column, style)]


def format_entry(key: str, value: Any, column: int, style: Style) -> list[str]:
    """Return the lines of an entry of a mapping."""
    head = f"{' ' * column}{format_scalar(key)}:"
    if isinstance(value, list) and value and style.flow_lists and not any(isinstance(v, dict | list) for v in value):
        return [f"{head} {format_flow(value, style)}"]
    if isinstance(value, dict | list) and value:
        indentation = style.dash if isinstance(value, list) else style.step
        return [head, *format_block(value, column + indentation, style)]
    return [f"{head} {format_scalar(value)}"]


def _format_item(value: Any, pad: str, column: int, style: Style) -> Iterator[str]:
    if not (isinstance(value, dict | list) and value):
        yield f"{pad}- {format_scalar(value)}"
        return
    first, *rest = format_block(value, column + 2, style)
    yield f"{pad}- {first.lstrip(' ')}"
    yield from rest


def format_flow(value: Any, style: Style, *, compact: bool = False) -> str:
    """Format a value on one line, as in brackets. compact: without optional spaces."""
    colon, comma = (":", ",") if compact and style.is_json else (": ", ", ")
    if isinstance(value, dict):
        entries = (
            f"{format_scalar(k, is_json=style.is_json)}{colon}{format_flow(v, style, compact=compact)}"
            for k, v in value.items()
        )
        return "{" + comma.join(entries) + "}"
    if isinstance(value, list):
        return "[" + comma.join(format_flow(child, style, compact=compact) for child in value) + "]"
    return format_scalar(value, is_json=style.is_json)


def format_flow_lines(value: Any, indent: str, step: str, style: Style) -> str:
    """Format a value in brackets with a line for each entry; the outermost are indented by `indent` and one step."""
    if not (isinstance(value, dict | list) and value):
        return format_flow(value, style)
    inner = indent + step
    if isinstance(value, dict):
        rows = [
            f"{format_scalar(k, is_json=style.is_json)}: {format_flow_lines(v, inner, step, style)}"
            for k, v in value.items()
        ]
    else:
        rows = [format_flow_lines(child, inner, step, style) for child in value]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    between = f",{style.newline}{inner}"
    return f"{opening}{style.newline}{inner}{between.join(rows)}{style.newline}{indent}{closing}"
