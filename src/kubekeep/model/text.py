"""Safe output of untrusted text for terminals, JSON and XML, and timestamps in RFC 3339.

Never shortens or translates text.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

_BIDI: Final = "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"
"""Characters that change the direction of text (Unicode UAX #9), and so make a line display differently than it reads.
"""
_HIDDEN: Final = "\xad\u200b\u2028\u2029\u2060-\u2064\ufeff\U000e0000-\U000e007f"
"""Characters without width and tags; joiners stay, as some scripts need them."""
_UNSEEN: Final = f"[\x00-\x1f\x7f-\x9f\ud800-\udfff{_HIDDEN}{_BIDI}]"
_UNSEEN_IN_JSON: Final = f"[\x7f-\x9f{_HIDDEN}{_BIDI}]"
"""The same in JSON, which has escapes for the others, and spaces and lines between its values."""


def visible(text: str) -> str:
    r"""Return `text` on one line, with control and invisible characters as escapes (`\x1b`).

    Covers C0 and C1 controls, line and paragraph separators, direction marks, zero-width characters, tags and lone
    surrogates; all other characters are printable.
    """
    # Most texts are ASCII, which takes no time to know.
    return text if text.isascii() and text.isprintable() else re.sub(_UNSEEN, _escape, text)


def escape_message(text: str) -> str:
    """Return `text` as `visible` does, but keep the ends of lines.

    A line that a CI system would run as a command (`::error::`, `##[error]`) stays on the line before it.
    """
    first, *lines = (visible(line.expandtabs(2)) for line in text.split("\n"))
    ends = (r"\x0a" if line.lstrip().startswith(("::", "##[")) else "\n" for line in lines)
    return first + "".join(end + line for end, line in zip(ends, lines, strict=True))


def _escape(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def _escape_in_json(match: re.Match[str]) -> str:
    units = match.group().encode("utf-16-be")
    return "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2))


def xml_safe(text: str) -> str:
    """Replace characters that XML 1.0 (§2.2, Char) forbids by U+FFFD; does not escape markup."""
    return _forbidden_in_xml().sub("\ufffd", text)


@functools.cache
def _forbidden_in_xml() -> re.Pattern[str]:
    """Return the pattern of these characters. Compiled on first use: it takes longer than most scans need to start."""
    return re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def json_text(value: Any) -> str:
    """Encode `value` as `encode_json` does, for output: characters that `visible` escapes are escapes of JSON.

    A document may be printed on a terminal.
    """
    return escape_json(encode_json(value))


def json_entries(values: Iterable[Any]) -> Iterator[str]:
    """Yield the entries of a JSON list, encoded one by one by `json_text`, with a comma before each except the first."""
    for number, value in enumerate(values):
        yield f",{json_text(value)}" if number else json_text(value)


def encode_json(value: Any) -> str:
    """Encode `value` as JSON in valid Unicode: lone surrogates become `?`, keys that are not strings become strings.

    The text of a value never changes: fingerprints depend on it.
    """
    try:
        return msgspec.json.encode(value).decode()
    except (UnicodeEncodeError, TypeError):
        return msgspec.json.encode(_plain(value)).decode()


def escape_json(text: str) -> str:
    """Return a JSON text with the characters that `visible` escapes as escapes of JSON: the same document."""
    return text if text.isascii() and "\x7f" not in text else re.sub(_UNSEEN_IN_JSON, _escape_in_json, text)


def _plain(value: Any) -> Any:
    # Loops instead of comprehensions, which need a frame each: documents are nested as deeply as sources allow.
    if isinstance(value, dict):
        mapping: dict[str, Any] = {}
        for key, child in value.items():
            mapping[_plain_text(key)] = _plain(child)
        return mapping
    if isinstance(value, list | tuple):
        sequence: list[Any] = []
        for child in value:
            sequence.append(_plain(child))  # noqa: PERF401
        return sequence
    if isinstance(value, msgspec.Struct):
        return _plain(msgspec.to_builtins(value))
    return value if isinstance(value, bool | int | float | None) else _plain_text(value)


def _plain_text(value: Any) -> str:
    return str(value).encode("utf-8", "replace").decode()


def utc_text(moment: dt.datetime, timespec: str = "seconds") -> str:
    """Format `moment` in UTC as RFC 3339: `2026-11-24T10:00:01Z`; one without a time zone is taken as UTC."""
    utc = moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment.astimezone(dt.UTC)
    return utc.isoformat(timespec=timespec).replace("+00:00", "Z")
