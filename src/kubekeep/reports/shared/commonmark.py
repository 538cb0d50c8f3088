"""CommonMark code spans for text from the input, so that it contains no markup, mention, link or HTML."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.model.text import visible

_TICKS: Final = re.compile("`+")


def code(text: str) -> str:
    """Return text as a one-line code span (CommonMark 0.31, 6.1) with a fence longer than its longest run of backticks."""
    shown = visible(text)
    if not shown.strip():
        return "(empty)"
    fence = "`" * (max((len(run) for run in _TICKS.findall(shown)), default=0) + 1)
    pad = " " if shown[0] in "` " or shown[-1] in "` " else ""
    return f"{fence}{pad}{shown}{pad}{fence}"
