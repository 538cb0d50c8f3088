"""Parse options such as `--set`: Helm's grammar of assignments (helm.sh/docs/intro/using_helm).

`a.b=c,d[0].e=f`, a backslash before a literal character, `{x,y}` for a list. Used to locate values and to find the
files of `--set-file`; Helm itself computes the values for templates.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.location import Path

_MAX_INDEX: Final = 65_536
_INDEX: Final = re.compile(r"\[(\d{1,6})\]")
_DECODER: Final = json.JSONDecoder()


class Assignment(msgspec.Struct, frozen=True):
    """One `key=value`: the key as written, its path, and the unescaped values (several for a list)."""

    key: str
    path: Path
    values: tuple[str, ...]
    is_list: bool


def parse_assignments(text: str) -> Iterator[Assignment]:
    """Parse the argument of `--set`, `--set-string` or `--set-file`. Raises ValueError for a key without a value."""
    at = 0
    while at < len(text):
        equal = _find_unescaped(text, at, "=")
        if equal == len(text):
            raise ValueError(f"key {text[at:]!r} has no value")
        key, at = text[at:equal], equal + 1
        if text.startswith("{", at):
            end = _find_unescaped(text, at, "}")
            elements = tuple(_split_values(text[at + 1 : end], ","))
            at = end + 1
            yield Assignment(key, _parse_path(key), elements, is_list=True)
            at += text.startswith(",", at)
        else:
            end = _find_unescaped(text, at, ",")
            yield Assignment(key, _parse_path(key), (_unescape(text[at:end]),), is_list=False)
            at = end + 1


def parse_json_assignments(text: str) -> Iterator[tuple[Path, Any]]:
    """Parse the argument of `--set-json`, assignments or one object. Raises ValueError."""
    if text.lstrip().startswith("{"):
        yield (), json.loads(text)
        return
    at = 0
    while at < len(text):
        equal = _find_unescaped(text, at, "=")
        if equal == len(text):
            raise ValueError(f"key {text[at:]!r} has no value")
        key, at = text[at:equal].strip(), equal + 1
        at += len(text[at:]) - len(text[at:].lstrip())
        value = None
        if at < len(text) and text[at] != ",":
            value, at = _DECODER.raw_decode(text, at)
        yield _parse_path(key), value
        at = _find_unescaped(text, at, ",") + 1


def convert_value(text: str) -> Any:
    """Convert a value of `--set` to the type that Helm gives it."""
    words: dict[str, Any] = {"true": True, "false": False, "null": None, "0": 0}
    if text.lower() in words:
        return words[text.lower()]
    return int(text) if re.fullmatch(r"-?[1-9]\d{0,17}", text) else text


def set_value(values: dict[str, Any], path: Path, value: Any) -> None:
    """Set `path` in `values`, creating its parents. Raises ValueError for a list index that is too large."""
    if not path:
        if isinstance(value, dict):
            for key, entry in value.items():
                set_value(values, (key,), entry)
        return
    container: Any = values
    for step, following in zip(path, (*path[1:], None), strict=True):
        new_value: Any = value if following is None else ([] if isinstance(following, int) else {})
        if isinstance(step, int):
            if step >= _MAX_INDEX:
                raise ValueError(f"index of {step} is greater than {_MAX_INDEX}")
            container.extend([None] * (step + 1 - len(container)))
            existing = container[step]
        else:
            existing = container.get(step)
        is_reused = following is not None and isinstance(existing, type(new_value))
        container[step] = existing if is_reused else new_value
        container = container[step]


def rename_files(text: str, rename: Callable[[str], str]) -> str:
    """Replace each path of a `--set-file` argument by `rename(path)`, unescaped. Raises ValueError."""
    renamed: list[str] = []
    for assignment in parse_assignments(text):
        paths = [rename(path) for path in assignment.values]
        renamed.append(
            f"{assignment.key}={{{','.join(paths)}}}" if assignment.is_list else f"{assignment.key}={paths[0]}"
        )
    return ",".join(renamed)


def _find_unescaped(text: str, at: int, stop: str) -> int:
    """Return the index of the next unescaped `stop`, or the end."""
    while at < len(text) and text[at] != stop:
        at += 2 if text[at] == "\\" else 1
    return min(at, len(text))


def _split_values(text: str, stop: str) -> Iterator[str]:
    at = 0
    while True:
        end = _find_unescaped(text, at, stop)
        yield _unescape(text[at:end])
        if end == len(text):
            return
        at = end + 1


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", r"\1", text, flags=re.DOTALL)


def _parse_path(key: str) -> Path:
    r"""Parse a key such as `a\.b.c[0]` into steps."""
    steps: list[str | int] = []
    at = 0
    while at <= len(key):
        end = _find_unescaped(key, at, ".")
        part = key[at:end]
        name = _find_unescaped(part, 0, "[")
        if part[:name] or name == len(part):
            steps.append(_unescape(part[:name]))
        steps.extend(int(index) for index in _INDEX.findall(part[name:]))
        at = end + 1
    return tuple(steps)
