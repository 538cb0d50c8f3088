"""Text of others in Markdown: made harmless for CommonMark, for GitHub's and GitLab's additions, and for HTML.

What is plain words stays as it is. Anything else becomes code, where neither markup nor links, mentions (`@team`),
references (`#1`, `!1`, hashes of commits) nor emoji are seen. Long text is cut, for a report has to fit in a comment.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.text import visible

LONGEST: Final = 300
"""Characters of one text of others."""
PARAGRAPH: Final = 2_000
"""Characters of a paragraph."""
_INNER: Final = re.compile(
    r"(?!.*(?:www\.|\b[0-9a-fA-F]{7,64}\b|\b[A-Z]+-[0-9]))"  # links, hashes of commits, keys of issues
    r"(?:[^\W_]|[ ,.;()'\"/\u2013\u2014\u2018-\u201d\u2026-]|(?<=[^\W_])_(?=[^\W_])|[:%](?= |\Z))*"
)
"""Words in any script with the punctuation of a sentence, none of which means anything inside a line of Markdown."""
_FIRST: Final = re.compile(r"[^\W_](?!\d*[.)])")
"""How a line may begin without being an item of a list."""
_BACKTICKS: Final = re.compile("`+")
_SPECIAL: Final = re.compile(r"[^\w .-]|_|(?<=www)\.")
"""Marks that are written as references in HTML."""
_URL: Final = re.compile(
    r"https://[A-Za-z0-9.-]+(?:/[A-Za-z0-9._~/%+=-]*)?(?:\?[A-Za-z0-9._~/%+=&-]*)?(?:#[A-Za-z0-9._~/-]*)?"
)


def words(text: str) -> str:
    """`text` for a line: as it is if it is plain words, else as code."""
    shown = _cut(text)
    return shown if _are_words(shown) else _code(shown)


def code(text: str) -> str:
    """`text` for a line, as code whatever it is: a span with more backticks around than it has inside."""
    return _code(_cut(text))


def cell(text: str) -> str:
    """`text` for a cell of a table or a piece of HTML: as it is if it is plain words, else as code.

    As HTML with a reference for every mark, since cells are cut at bars before anything else is looked at.
    """
    shown = _cut(text)
    return shown if _are_words(shown) else _html_code(shown)


def html_code(text: str) -> str:
    """`text` for a cell or a piece of HTML, as code whatever it is."""
    return _html_code(_cut(text))


def linked(text: str, url: str) -> str:
    """`text`, which is harmless already, as a link to `url` if that is plain enough to stand in one."""
    return f"[{text}]({url})" if _URL.fullmatch(url) else text


def prose(text: str) -> str:
    """A paragraph that has code in backticks: that stays code, and the rest is treated like `words`, part by part."""
    line = " ".join(text.split())
    parts = (line if len(line) <= PARAGRAPH else f"{line[:PARAGRAPH]}…").split("`")
    if len(parts) % 2 == 0:
        return words(" ".join(filter(None, map(str.strip, parts))))
    pieces = (_piece(part, number) for number, part in enumerate(parts))
    return "".join(pieces)


def _piece(part: str, number: int) -> str:
    shown = _cut(part)
    if number % 2:
        return _code(shown)
    return shown if (number or not shown or _FIRST.match(shown)) and _INNER.fullmatch(shown) else _code(shown)


def _are_words(text: str) -> bool:
    return bool(_FIRST.match(text) and _INNER.fullmatch(text))


def _reference(match: re.Match[str]) -> str:
    mark = match.group()
    # GitHub looks for addresses of mail in text that is decoded already: the comment parts it
    return "&#64;<!---->" if mark == "@" else f"&#{ord(mark)};"


def _code(text: str) -> str:
    longest = max(map(len, _BACKTICKS.findall(text)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if text.startswith("`") or text.endswith("`") or text.strip() != text or not text else ""
    return f"{fence}{pad}{text}{pad}{fence}"


def _html_code(text: str) -> str:
    return f"<code>{_SPECIAL.sub(_reference, text) or '&#32;'}</code>"


def _cut(text: str) -> str:
    """`text` on one line, shortened before its marks are shown as escapes, as it may be endless."""
    shown = visible(text[: LONGEST + 1])
    return shown if len(shown) <= LONGEST and len(text) <= LONGEST else f"{shown[:LONGEST]}…"
