"""Paths and system errors as messages and reports show them. Never opens a file."""

from __future__ import annotations

import os


def display_path(path: str) -> str:
    """Return the path as safe text for terminals and reports.

    Bytes that are not UTF-8 and control characters are escaped.
    """
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def error_reason(error: OSError | ValueError) -> str:
    """Return the system's error message for a path, without a capital letter at the start."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]
