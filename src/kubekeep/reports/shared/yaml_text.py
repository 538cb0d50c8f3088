"""YAML text of plain values, in block style, that every reader takes for what it is.

All text is quoted as JSON quotes it, and keys that are not plain words too, so that nothing reads as a number, a date,
a truth value or a merge, whichever version of YAML a reader follows (1.1 as PyYAML and go-yaml do, or 1.2). Marks that
steer a terminal, hide or break lines in YAML are escaped. What comes out loads as the JSON text of the value would.
Knows no report.
"""

from __future__ import annotations

import functools
import re
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from kubekeep.model.text import json_text, visible

STEP: Final = "  "
"""How much deeper what belongs to a key or a dash stands."""
_PLAIN: Final = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z][A-Za-z0-9_./-]*")
"""Keys that need no quotes: never a number, a date, or a word that some reader takes for something else."""
_COMMON: Final = 64
"""Characters of the keys that are worth remembering: the same few come thousands of times."""
_LONGEST: Final = 1000
"""Characters of a key, quotes included, that may be followed by a colon; longer ones need a `?` (YAML 1.2.2 §7.4.2)."""
_ESCAPED: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""Beside what `visible` escapes, all that YAML forbids (§5.1)."""


def entries(mapping: dict[str, Any], indent: str = "") -> str:
    """The lines of a mapping that is not empty, each beginning with `indent` and ending with a line feed."""
    lines: list[str] = []
    _append(_as_json(mapping), indent, indent, lines)
    return "".join(lines)


def item(value: Any, indent: str = "") -> str:
    """The lines of one item of a sequence whose dashes stand behind `indent`."""
    lines: list[str] = []
    _append([_as_json(value)], indent, indent, lines)
    return "".join(lines)


def _as_json(value: Any) -> Any:
    """What a reader of the JSON text would get: text is valid Unicode, keys are text."""
    return msgspec.json.decode(json_text(value))


def _append(value: dict[str, Any] | list[Any], first: str, indent: str, lines: list[str]) -> None:
    """Append a collection that is not empty; its first line begins with `first`, the others with `indent`."""
    if isinstance(value, dict):
        for key, child in value.items():
            head = f"{first}{_key(key, indent)}"
            if child and isinstance(child, dict | list):
                lines.append(f"{head}\n")
                _append(child, indent + STEP, indent + STEP, lines)
            else:
                lines.append(f"{head} {_scalar(child)}\n")
            first = indent
        return
    for child in value:
        if child and isinstance(child, dict | list):
            _append(child, f"{first}- ", indent + STEP, lines)
        else:
            lines.append(f"{first}- {_scalar(child)}\n")
        first = indent


def _key(key: str, indent: str) -> str:
    if len(key) <= _COMMON:
        return _short_key(key)
    quoted = _quoted(key)
    return f"{quoted}:" if len(quoted) <= _LONGEST else f"? {quoted}\n{indent}:"


@functools.lru_cache(maxsize=4096)
def _short_key(key: str) -> str:
    return f"{key}:" if _PLAIN.fullmatch(key) else f"{_quoted(key)}:"


def _scalar(value: Any) -> str:
    """The text of a scalar or of an empty collection, which is that of JSON but for text and fractions."""
    if isinstance(value, str):
        return _quoted(value)
    return _number(value) if isinstance(value, float) else json_text(value)


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    return quoted if quoted.isprintable() else visible(quoted).translate(_ESCAPED)


def _number(value: float) -> str:
    """With a point in any case: YAML 1.1 takes `1e+20` for text."""
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"
