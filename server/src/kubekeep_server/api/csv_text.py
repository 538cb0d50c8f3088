"""Rows of lists as CSV (RFC 4180) that is safe in spreadsheets. Times stay as in the API, ISO 8601."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from kubekeep.model.text import visible

_FORMULA: Final = re.compile(r"\s*[=+\-@\uff1d\uff0b\uff0d\uff20]")
"""Beginning of a formula, in ASCII and full-width form (OWASP, CSV Injection)."""
_LONGEST_CELL: Final = 32_767
"""Excel writes the rest of a longer text into the rows below."""
_SEPARATOR: Final = "; "


def write_rows(rows: Iterable[Iterable[Any]]) -> bytes:
    """Return lines of CSV in UTF-8."""
    text = io.StringIO()
    # Programs that separate cells by semicolons see no other cells between quotes.
    csv.writer(text, quoting=csv.QUOTE_ALL).writerows([write_cell(value) for value in row] for row in rows)
    return text.getvalue().encode()


def write_cell(value: Any) -> str:
    """Return the text of a value on one line; one that a spreadsheet would execute begins with an apostrophe."""
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case int() | float():
            return str(value)
        case list():
            text = _SEPARATOR.join(map(write_cell, value))
        case dict():
            text = _SEPARATOR.join(f"{name}: {write_cell(each)}" for name, each in value.items() if each)
        case _:
            text = str(value)
    text = visible(text)
    text = f"'{text}" if _FORMULA.match(text) else text
    return text if len(text) <= _LONGEST_CELL else f"{text[: _LONGEST_CELL - 1]}…"


def select_value(row: Mapping[str, Any], path: str) -> Any:
    """Return a value of a row by its path, `findings.critical`; None if a part of the path is missing."""
    value: Any = row
    for name in path.split("."):
        value = value.get(name) if isinstance(value, dict) else None
    return value
