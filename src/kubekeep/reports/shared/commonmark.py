"""Text of the input inside Markdown: as code, where nothing is markup, a mention, a link or HTML."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.text import visible

_TICKS: Final = re.compile("`+")


def code(text: str) -> str:
    """`text` as a code span (CommonMark 0.31, 6.1) on one line, in a fence longer than any run of backticks in it."""
    shown = visible(text)
    if not shown.strip():
        return "(empty)"
    fence = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
