"""Escaping of untrusted text for CommonMark, the extensions of GitHub and GitLab, and embedded HTML.

Plain words are kept. Everything else becomes code, in which markup, links, mentions (`@team`), references (`#1`, `!1`,
commit hashes) and emoji have no effect. Long text is cut to keep the report within a comment.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.text import visible

LONGEST: Final = 300
"""Maximum characters of a text."""
PARAGRAPH: Final = 2_000
"""Maximum characters of a paragraph."""
_PLAIN_WORDS: Final = re.compile(
    r"(?!.*(?:www\.|\b[0-9a-fA-F]{7,64}\b|\b[A-Z]+-[0-9]))"  # links, hashes of commits, keys of issues
    r"(?:[^\W_]|[ ,.;()'\"/\u2013\u2014\u2018-\u201d\u2026-]|(?<=[^\W_])_(?=[^\W_])|[:%](?= |\Z))*"
)
"""Words in any script with sentence punctuation, none of which is special inside a line of Markdown."""
_PLAIN_START: Final = re.compile(r"[^\W_](?!\d*[.)])")
"""Start of a line that is not a list entry."""
_BACKTICKS: Final = re.compile("`+")
_SPECIAL_CHARACTERS: Final = re.compile(r"[^\w .-]|_|(?<=www)\.")
"""Characters that are written as references in HTML."""
_URL: Final = re.compile(
    r"https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~/%+=-]*)?(?:\?[A-Za-z0-9._~/%+=&-]*)?(?:#[A-Za-z0-9._~/-]*)?"
)


def words(text: str) -> str:
    """Return text for a line: unchanged if it consists of plain words, else as code."""
    short_text = _cut(text)
    return short_text if _are_words(short_text) else _code(short_text)


def code(text: str) -> str:
    """Return text for a line as code: a span with a longer run of backticks than the text contains."""
    return _code(_cut(text))


def cell(text: str) -> str:
    """Return text for a table cell or inside HTML: unchanged if it consists of plain words, else as HTML code.

    Special characters become references, because tables are split at bars before code spans are recognised.
    """
    short_text = _cut(text)
    return short_text if _are_words(short_text) else _html_code(short_text)


def html_code(text: str) -> str:
    """Return text for a table cell or inside HTML, as code."""
    return _html_code(_cut(text))


def linked(text: str, url: str) -> str:
    """Return escaped text as a link to `url`, or unlinked if the URL has unusual characters."""
    return f"[{text}]({url})" if _URL.fullmatch(url) else text


def prose(text: str) -> str:
    """Return a paragraph: text in backticks stays code, the other parts are treated like `words`."""
    line = " ".join(text.split())
    parts = (line if len(line) <= PARAGRAPH else f"{line[:PARAGRAPH]}…").split("`")
    if len(parts) % 2 == 0:
        return words(" ".join(filter(None, map(str.strip, parts))))
    pieces = (_piece(part, number) for number, part in enumerate(parts))
    return "".join(pieces)


def _piece(part: str, number: int) -> str:
    """Return a part of a paragraph; parts with an odd number were in backticks."""
    short_text = _cut(part)
    if number % 2:
        return _code(short_text)
    return (
        short_text
        if (number or not short_text or _PLAIN_START.match(short_text)) and _PLAIN_WORDS.fullmatch(short_text)
        else _code(short_text)
    )


def _are_words(text: str) -> bool:
    return bool(_PLAIN_START.match(text) and _PLAIN_WORDS.fullmatch(text))


def _reference(match: re.Match[str]) -> str:
    mark = match.group()
    # GitHub detects email addresses in decoded text; the comment splits them.
    return "&#64;<!---->" if mark == "@" else f"&#{ord(mark)};"


def _code(text: str) -> str:
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or text.strip() != text or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _html_code(text: str) -> str:
    return f"<code>{_SPECIAL_CHARACTERS.sub(_reference, text) or '&#32;'}</code>"


def _cut(text: str) -> str:
    """Return text on one line, cut before escaping because the input may be very long."""
    short_text = visible(text[: LONGEST + 1])
    return short_text if len(short_text) <= LONGEST and len(text) <= LONGEST else f"{short_text[:LONGEST]}…"
