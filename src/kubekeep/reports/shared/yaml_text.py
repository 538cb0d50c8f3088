"""Block-style YAML of plain values that every YAML reader decodes to the same values.

All text, and every key that is not a plain word, is quoted as in JSON, so that nothing is read as a number, date,
boolean or merge key by YAML 1.1 (PyYAML, go-yaml) or 1.2 readers. Characters that control a terminal, are invisible
or break lines in YAML are escaped. The document decodes to the same value as the JSON text. Knows no report.
"""

from __future__ import annotations

import functools
import re
from json.encoder import encode_basestring
from typing import Any, Final

import msgspec

from kubekeep.model.text import json_text, visible

STEP: Final = "  "
"""Indentation of one level."""
_PLAIN: Final = re.compile(r"(?!(?i:y|n|yes|no|on|off|true|false|null)\Z)[A-Za-z][A-Za-z0-9_./-]*")
"""Keys that need no quotes: never a number, a date, or a word with a special meaning to a reader."""
_MAX_CACHED_KEY: Final = 64
"""Maximum length of cached keys: a few short keys occur thousands of times."""
_LONGEST: Final = 1000
"""Maximum characters of a quoted key followed by a colon; longer keys need a `?` (YAML 1.2.2 §7.4.2)."""
_ESCAPED: Final = {0xFFFE: "\\ufffe", 0xFFFF: "\\uffff"}
"""Characters that YAML forbids (§5.1) and `visible` does not escape."""


def mapping_lines(mapping: dict[str, Any], indent: str = "") -> str:
    """Return the lines of a non-empty mapping, each starting with `indent` and ending with a line feed."""
    lines: list[str] = []
    _append(_as_json(mapping), indent, indent, lines)
    return "".join(lines)


def sequence_entry(value: Any, indent: str = "", list_step: str = STEP) -> str:
    """Return the lines of one sequence entry, with its dash behind `indent`. list_step: indentation of lists in mappings."""
    lines: list[str] = []
    _append([_as_json(value)], indent, indent, lines, list_step)
    return "".join(lines)


def _as_json(value: Any) -> Any:
    """Return the value as a JSON reader decodes it: valid Unicode text, and text keys."""
    return msgspec.json.decode(json_text(value))


def _append(
    value: dict[str, Any] | list[Any], first: str, indent: str, lines: list[str], list_step: str = STEP
) -> None:
    """Append a non-empty collection; its first line starts with `first`, the others with `indent`."""
    if isinstance(value, dict):
        for key, child in value.items():
            head = f"{first}{_key(key, indent)}"
            if child and isinstance(child, dict | list):
                lines.append(f"{head}\n")
                nested = indent + (list_step if isinstance(child, list) else STEP)
                _append(child, nested, nested, lines, list_step)
            else:
                lines.append(f"{head} {_scalar(child)}\n")
            first = indent
        return
    for child in value:
        if child and isinstance(child, dict | list):
            _append(child, f"{first}- ", indent + STEP, lines, list_step)
        else:
            lines.append(f"{first}- {_scalar(child)}\n")
        first = indent


def _key(key: str, indent: str) -> str:
    if len(key) <= _MAX_CACHED_KEY:
        return _short_key(key)
    quoted = _quoted(key)
    return f"{quoted}:" if len(quoted) <= _LONGEST else f"? {quoted}\n{indent}:"


@functools.lru_cache(maxsize=4096)
def _short_key(key: str) -> str:
    return f"{key}:" if _PLAIN.fullmatch(key) else f"{_quoted(key)}:"


def _scalar(value: Any) -> str:
    """Return a scalar or an empty collection as in JSON, except for text and fractions."""
    if isinstance(value, str):
        return _quoted(value)
    return _number(value) if isinstance(value, float) else json_text(value)


def _quoted(text: str) -> str:
    quoted = encode_basestring(text)
    return quoted if quoted.isprintable() else visible(quoted).translate(_ESCAPED)


def _number(value: float) -> str:
    """Return the number with a decimal point: YAML 1.1 reads `1e+20` as text."""
    mantissa, mark, exponent = repr(value).partition("e")
    return f"{mantissa}{'' if '.' in mantissa else '.0'}{mark}{exponent}"
