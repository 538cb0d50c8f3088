r"""What an option like `--set` sets: the grammar of Helm's assignments, as far as their places matter.

`a.b=c,d[0].e=f`, `\` before a character that means itself, `{x,y}` for a list (helm.sh/docs/intro/using_helm). Used to
say where a value is from and which files `--set-file` names; the values that templates get are Helm's own reading.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path

_MOST_ITEMS: Final = 65_536
_INDEX: Final = re.compile(r"\[(\d{1,6})\]")
_DECODER: Final = json.JSONDecoder()


class Assignment(msgspec.Struct, frozen=True):
    """One `key=value`: the key as it is written, its steps, and the value's text, unescaped; several for a list."""

    key: str
    path: Path
    values: tuple[str, ...]
    is_list: bool


def assignments(text: str) -> Iterator[Assignment]:
    """The assignments of `--set`, `--set-string` or `--set-file`. Raises ValueError for a key without a value."""
    at = 0
    while at < len(text):
        equal = _until(text, at, "=")
        if equal == len(text):
            raise ValueError(f"key {text[at:]!r} has no value")
        key, at = text[at:equal], equal + 1
        if text.startswith("{", at):
            end = _until(text, at, "}")
            items = tuple(_pieces(text[at + 1 : end], ","))
            at = end + 1
            yield Assignment(key, _path(key), items, is_list=True)
            at += text.startswith(",", at)
        else:
            end = _until(text, at, ",")
            yield Assignment(key, _path(key), (_unescaped(text[at:end]),), is_list=False)
            at = end + 1


def json_assignments(text: str) -> Iterator[tuple[Path, Any]]:
    """The assignments of `--set-json`, which may also be one whole object. Raises ValueError."""
    if text.lstrip().startswith("{"):
        yield (), json.loads(text)
        return
    at = 0
    while at < len(text):
        equal = _until(text, at, "=")
        if equal == len(text):
            raise ValueError(f"key {text[at:]!r} has no value")
        key, at = text[at:equal].strip(), equal + 1
        at += len(text[at:]) - len(text[at:].lstrip())
        value = None
        if at < len(text) and text[at] != ",":
            value, at = _DECODER.raw_decode(text, at)
        yield _path(key), value
        at = _until(text, at, ",") + 1


def typed(text: str) -> Any:
    """A value of `--set` as Helm types it."""
    words: dict[str, Any] = {"true": True, "false": False, "null": None, "0": 0}
    if text.lower() in words:
        return words[text.lower()]
    return int(text) if re.fullmatch(r"-?[1-9]\d{0,17}", text) else text


def put(values: dict[str, Any], path: Path, value: Any) -> None:
    """Set `path` in `values` to `value`, making what leads to it. Raises ValueError for a list that is too long."""
    if not path:
        if isinstance(value, dict):
            for key, item in value.items():
                put(values, (key,), item)
        return
    at: Any = values
    for step, following in zip(path, (*path[1:], None), strict=True):
        fresh: Any = value if following is None else ([] if isinstance(following, int) else {})
        if isinstance(step, int):
            if step >= _MOST_ITEMS:
                raise ValueError(f"index of {step} is greater than {_MOST_ITEMS}")
            at.extend([None] * (step + 1 - len(at)))
            known = at[step]
        else:
            known = at.get(step)
        keep = following is not None and isinstance(known, type(fresh))
        at[step] = known if keep else fresh
        at = at[step]


def files_renamed(text: str, rename: Callable[[str], str]) -> str:
    """A `--set-file` with each path replaced by what `rename` says, which must need no escape. Raises ValueError."""
    found: list[str] = []
    for entry in assignments(text):
        paths = [rename(path) for path in entry.values]
        found.append(f"{entry.key}={{{','.join(paths)}}}" if entry.is_list else f"{entry.key}={paths[0]}")
    return ",".join(found)


def _until(text: str, at: int, stop: str) -> int:
    """The index of the next `stop` that no backslash stands before, or the end."""
    while at < len(text) and text[at] != stop:
        at += 2 if text[at] == "\\" else 1
    return min(at, len(text))


def _pieces(text: str, stop: str) -> Iterator[str]:
    at = 0
    while True:
        end = _until(text, at, stop)
        yield _unescaped(text[at:end])
        if end == len(text):
            return
        at = end + 1


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _path(key: str) -> Path:
    r"""`a\.b.c[0]` as steps."""
    steps: list[str | int] = []
    at = 0
    while at <= len(key):
        end = _until(key, at, ".")
        piece = key[at:end]
        name = _until(piece, 0, "[")
        if piece[:name] or name == len(piece):
            steps.append(_unescaped(piece[:name]))
        steps.extend(int(index) for index in _INDEX.findall(piece[name:]))
        at = end + 1
    return tuple(steps)
