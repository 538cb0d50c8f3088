"""Typesetting of the document's data by typst. Does not change the content; uses no files, clock or network.

The data are passed as JSON, so that typst treats them as text and never as markup.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

from kubekeep.model.text import json_text
from kubekeep.reports.pdf.printed import BREAK, escape, escape_missing

_TRIES: Final = 4
_NO_GLYPH: Final = re.compile(r'the text `"(.+?)"` could not be displayed')
_FAMILIES: Final = re.compile(r'(<svg\b[^>]*\bfont-family=")[^"]*')
_CODE: Final = re.compile(r"\\u\{([0-9a-f]+)\}")
_PROBE: Final = b"""
#set document(title: "probe", date: datetime(year: 2000, month: 1, day: 1))
#set text(font: "Libertinus Serif", lang: "en")
#for char in sys.inputs.data.codepoints() [#char #parbreak()]
"""


def typeset(content: Mapping[str, Any], moment: dt.datetime, picture: str = "") -> bytes:
    """Typeset a document with the date `moment`: the same values result in the same bytes. `picture` is an SVG.

    Latin, Greek and Cyrillic letters use the fonts bundled with typst. System fonts are used only for characters that
    these do not have; characters without any glyph are printed as their code, and the document states their number.
    """
    import typst  # noqa: PLC0415 - 80 MB for this report only

    text = json_text(content)
    picture = _FAMILIES.sub(r"\1Libertinus Serif", picture, count=1)
    unusual = sorted(char for char in {*text, *picture} - {BREAK} if char > "\x7f")
    fonts = typst.Fonts(include_system_fonts=False)
    missing = _missing(unusual, fonts)
    if missing:
        fonts = typst.Fonts()
        missing = _missing(sorted(missing), fonts)
    template = resources.files(__package__).joinpath("report.typ").read_bytes()
    for _ in range(_TRIES):
        escaped_picture = picture.translate({ord(char): escape(char) for char in missing})
        inputs = {"data": escape_missing(text, missing), "missing": str(len(missing)), "picture": escaped_picture}
        try:
            return _compile(template, inputs, moment, fonts)
        except typst.TypstError as error:
            # A character may have a glyph alone but none in combination with the next one.
            more = _characters(error.diagnostic) - missing
            if not more:
                break
            missing |= more
    return _compile(template, inputs, moment, fonts, strict=False)


def _missing(chars: Iterable[str], fonts: Any) -> set[str]:
    """Return the characters that none of the fonts has."""
    import typst  # noqa: PLC0415

    try:
        _compile(_PROBE, {"data": "".join(chars)}, dt.datetime.fromtimestamp(0, dt.UTC), fonts)
    except typst.TypstError as error:
        return _characters(error.diagnostic)
    return set()


def _characters(diagnostic: str) -> set[str]:
    """Return the characters in a typst error, which gives some of them by their code."""
    texts = (_CODE.sub(lambda code: chr(int(code[1], 16)), text) for text in _NO_GLYPH.findall(diagnostic))
    return {char for text in texts for char in text if char > "\x7f"}


def _compile(
    template: bytes, inputs: Mapping[str, str], moment: dt.datetime, fonts: Any, *, strict: bool = True
) -> bytes:
    """Compile a document for archives (PDF/A-2a, ISO 19005-2) and screen readers (PDF/UA-1, ISO 14289-1) if `strict`.

    `fonts` are `typst.Fonts`. Raises TypstError, also for characters without a glyph, which both standards forbid.
    """
    import typst  # noqa: PLC0415

    return typst.compile(
        template,
        format="pdf",
        font_paths=fonts,
        sys_inputs=dict(inputs),
        pdf_standards=["a-2a", "ua-1"] if strict else [],
        timestamp=moment,
    )
