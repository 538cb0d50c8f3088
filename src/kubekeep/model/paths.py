"""Paths and system errors as messages and reports show them. Never opens a file."""

from __future__ import annotations

import os


def display_path(path: str) -> str:
    """The path as a terminal and a report can hold it: bytes that are not UTF-8 and control characters escaped."""
    text = os.fsencode(path).decode("utf-8", "backslashreplace")
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def error_reason(error: OSError | ValueError) -> str:
    """What the system says about a path, for people."""
    text = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return text[:1].lower() + text[1:]
