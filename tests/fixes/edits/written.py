"""Generator of hand-written documents: values in every style of YAML that matters to an edit. Never asserts."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec
from hypothesis import strategies as st

WORDS: Final = ("alpha", "beta", "gamma", "delta", "securityContext", "spec", "name", "é", "a.b/c", "on1")
TEXTS: Final = (
    "x",
    "plain text",
    "yes",
    "0644",
    "1e3",
    "~",
    "",
    "- dash",
    "a: b",
    "#no",
    "ü",
    "'",
    '"',
    "null",
    "12:30:45",
)

scalars = st.one_of(st.none(), st.booleans(), st.integers(-5, 70_000), st.sampled_from(TEXTS), st.just(1.5))
keys = st.sampled_from(WORDS)
values = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(keys, inner, max_size=4)),
    max_leaves=14,
)
mappings = st.dictionaries(keys, values, min_size=1, max_size=5)


class Look(msgspec.Struct, frozen=True):
    """Style of a generated document."""

    step: int
    dash: int
    comments: bool
    newline: str
    ends: bool
    quote: str


looks = st.builds(
    Look,
    step=st.sampled_from((2, 3, 4)),
    dash=st.sampled_from((0, 2)),
    comments=st.booleans(),
    newline=st.sampled_from(("\n", "\r\n")),
    ends=st.booleans(),
    quote=st.sampled_from(('"', "'")),
)


def document(draw: st.DrawFn, value: dict[str, Any], look: Look) -> str:
    """Return the text of a value; collections and scalars are written in drawn styles."""
    lines = _block(draw, value, 0, look)
    head = ["# about the file", ""] if look.comments else []
    tail = ["# the end"] if look.comments else []
    text = look.newline.join([*head, *lines, *tail])
    return text + look.newline if look.ends else text


def _block(draw: st.DrawFn, value: Any, indent: int, look: Look) -> list[str]:
    pad = " " * indent
    lines: list[str] = []
    items = value.items() if isinstance(value, dict) else [(None, child) for child in value]
    for key, child in items:
        if look.comments and draw(st.integers(0, 3)) == 0:
            lines.append(f"{pad}# above")
        head = f"{pad}-" if key is None else f"{pad}{_key(draw, key, look)}:"
        lines += _entry(draw, head, child, indent, look, is_item=key is None)
        if look.comments and draw(st.integers(0, 9)) == 0:
            lines.append("")
    return lines


def _entry(draw: st.DrawFn, head: str, child: Any, indent: int, look: Look, *, is_item: bool) -> list[str]:
    note = "  # beside" if look.comments and draw(st.integers(0, 3)) == 0 else ""
    if not (isinstance(child, dict | list) and child):
        if isinstance(child, str) and child.isalpha() and child.isascii() and draw(st.integers(0, 3)) == 0:
            inner = " " * (indent + look.step)
            return [f"{head} |-", f"{inner}{child}"]
        text = _scalar(draw, child, look)
        return [f"{head}{' ' if text else ''}{text}{note}"]
    if draw(st.integers(0, 3)) == 0:
        return [f"{head} {_flow(draw, child, look)}{note}"]
    if is_item and draw(st.booleans()):
        first, *rest = _block(draw, child, indent + 2, look)
        if not first.lstrip().startswith("#"):
            return [f"{head} {first.lstrip(' ')}", *rest]
    away = look.dash if isinstance(child, list) and not is_item else look.step
    return [f"{head}{note}", *_block(draw, child, indent + away, look)]


def _flow(draw: st.DrawFn, value: Any, look: Look) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{_key(draw, k, look)}: {_flow(draw, v, look)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(draw, child, look) for child in value) + "]"
    return _scalar(draw, value, look) or "null"


def _key(draw: st.DrawFn, key: str, look: Look) -> str:
    return f"{look.quote}{key}{look.quote}" if draw(st.integers(0, 5)) == 0 else key


def _scalar(draw: st.DrawFn, value: Any, look: Look) -> str:
    if value is None:
        return draw(st.sampled_from(("null", "~", "")))
    if isinstance(value, str):
        is_plain = value.replace(" ", "").isalpha() and value not in {"yes", "null"} and value.isascii()
        if is_plain and draw(st.booleans()):
            return value
        return "'" + value.replace("'", "''") + "'" if look.quote == "'" else json.dumps(value, ensure_ascii=False)
    return json.dumps(value)
