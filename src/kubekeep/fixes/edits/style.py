"""How a file is written, and values written in that way. Never looks at what a value means to Kubernetes."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep._native import YamlDocuments
from kubekeep.fixes.edits.syntax import Kind, Node, walk

_BARE: Final = re.compile(r"(?:--?(?=[a-z]))?[A-Za-z/_][A-Za-z0-9_./@=+-]*(?::[A-Za-z0-9_./-]+)*")
"""Texts that every version of YAML takes as they are, in blocks and between brackets, unless they are a word."""
_WORDS: Final = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""What YAML 1.1 (yaml.org/type/bool.html) or 1.2 reads as something else than text, in any case."""
_LOOKED_AT: Final = 20_000
"""Nodes that tell enough of how a document is written."""


class Style(msgspec.Struct, frozen=True):
    """How a document is written: its line breaks, indentation and lists.

    `step` is what a mapping in a mapping is indented by, `dash` the same for the dashes of a list; `is_json` allows
    nothing that JSON has not; `flow_lists` writes lists of scalars between brackets.
    """

    newline: str = "\n"
    step: int = 2
    dash: int = 2
    is_json: bool = False
    flow_lists: bool = False


def style_of(text: str, root: Node, *, is_json: bool) -> Style:
    """The style of a document in `text`, by what is most frequent in it."""
    steps: Counter[int] = Counter()
    dashes: Counter[int] = Counter()
    lists: Counter[bool] = Counter()
    for _, node in zip(range(_LOOKED_AT), walk(root), strict=False):
        if node.kind is Kind.SEQUENCE and node.children and all(item.kind is Kind.SCALAR for item in node.children):
            lists[node.flow] += 1
        if node.kind is Kind.MAPPING and not node.flow:
            for value in node.children[1::2]:
                if value.is_block and value.children and value.anchor is None and value.tag is None:
                    _count(steps, dashes, node, value)
    return Style(
        newline=_newline(text),
        step=_most(steps, 2),
        dash=_most(dashes, 2),
        is_json=is_json,
        flow_lists=lists[True] > lists[False],
    )


def _count(steps: Counter[int], dashes: Counter[int], node: Node, value: Node) -> None:
    away = value.column - node.column
    if value.kind is Kind.SEQUENCE:
        dashes[away] += 1
    elif away > 0:
        steps[away] += 1


def _most(counted: Counter[int], default: int) -> int:
    return counted.most_common(1)[0][0] if counted else default


def _newline(text: str) -> str:
    match = re.search(r"\r\n?|\n", text)
    return match[0] if match else "\n"


def scalar(value: Any, *, like: str = "", is_json: bool = False) -> str:
    """A scalar or empty collection as text; `like` is the quote of what it replaces.

    A text that YAML 1.1 or 1.2 would read otherwise is quoted.
    """
    if not isinstance(value, str):
        return json.dumps(value)
    if is_json or like == '"':
        return _double(value)
    if like == "'" and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return value if _is_bare(value) else _double(value)


def _double(value: str) -> str:
    """A JSON string, which is a YAML one too; pairs of surrogates are not."""
    return json.dumps(value, ensure_ascii=not value.isprintable() and value.isascii())


@functools.lru_cache(maxsize=1_000)
def _is_bare(value: str) -> bool:
    if not _BARE.fullmatch(value) or value.lower() in _WORDS or value.endswith(":"):
        return False
    (read,) = YamlDocuments(value, 1, 0, 1, 1)
    return read is not None and read[0] == value


def block(value: Any, column: int, style: Style) -> list[str]:
    """The lines of a collection that is not empty, indented to `column`."""
    pad = " " * column
    if isinstance(value, dict):
        return [line for key, item in value.items() for line in entry(key, item, column, style)]
    return [line for item in value for line in _item(item, pad, column, style)]


def entry(key: str, value: Any, column: int, style: Style) -> list[str]:
    """The lines of an entry of a mapping."""
    head = f"{' ' * column}{scalar(key)}:"
    if isinstance(value, list) and value and style.flow_lists and not any(isinstance(v, dict | list) for v in value):
        return [f"{head} {flow(value, style)}"]
    if isinstance(value, dict | list) and value:
        away = style.dash if isinstance(value, list) else style.step
        return [head, *block(value, column + away, style)]
    return [f"{head} {scalar(value)}"]


def _item(value: Any, pad: str, column: int, style: Style) -> Iterator[str]:
    if not (isinstance(value, dict | list) and value):
        yield f"{pad}- {scalar(value)}"
        return
    first, *rest = block(value, column + 2, style)
    yield f"{pad}- {first.lstrip(' ')}"
    yield from rest


def flow(value: Any, style: Style, *, compact: bool = False) -> str:
    """A value on one line, as between brackets; `compact` leaves out what JSON needs not."""
    colon, comma = (":", ",") if compact and style.is_json else (": ", ", ")
    if isinstance(value, dict):
        entries = (
            f"{scalar(k, is_json=style.is_json)}{colon}{flow(v, style, compact=compact)}" for k, v in value.items()
        )
        return "{" + comma.join(entries) + "}"
    if isinstance(value, list):
        return "[" + comma.join(flow(item, style, compact=compact) for item in value) + "]"
    return scalar(value, is_json=style.is_json)


def flow_lines(value: Any, indent: str, step: str, style: Style) -> str:
    """A value between brackets with a line for each entry, those of the outermost indented by `indent` and a `step`."""
    if not (isinstance(value, dict | list) and value):
        return flow(value, style)
    inner = indent + step
    if isinstance(value, dict):
        rows = [f"{scalar(k, is_json=style.is_json)}: {flow_lines(v, inner, step, style)}" for k, v in value.items()]
    else:
        rows = [flow_lines(item, inner, step, style) for item in value]
    opening, closing = ("{", "}") if isinstance(value, dict) else ("[", "]")
    between = f",{style.newline}{inner}"
    return f"{opening}{style.newline}{inner}{between.join(rows)}{style.newline}{indent}{closing}"
