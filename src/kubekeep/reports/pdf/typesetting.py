"""From data to the bytes of a PDF, by typst. Decides nothing of what is said; reads no file and no clock, asks no network.

The data are JSON, never markup: whatever stands in them is text.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from importlib import resources
from typing import Any, Final

from kubekeep.model.text import json_text
from kubekeep.reports.pdf.printed import BREAK, escape, without

_TRIES: Final = 4
_NO_GLYPH: Final = re.compile(r'the text `"(.+?)"` could not be displayed')
_FAMILIES: Final = re.compile(r'(<svg\b[^>]*\bfont-family=")[^"]*')
_CODE: Final = re.compile(r"\\u\{([0-9a-f]+)\}")
_PROBE: Final = b"""
#set document(title: "probe", date: datetime(year: 2000, month: 1, day: 1))
#set text(font: "Libertinus Serif", lang: "en")
#for char in sys.inputs.data.codepoints() [#char #parbreak()]
"""


def typeset(data: Mapping[str, Any], moment: dt.datetime, picture: str = "") -> bytes:
    """The document of `data`, dated `moment`: the same values give the same bytes. `picture` is an SVG.

    Latin, Greek and Cyrillic letters are set in the fonts that typst carries along. Only where these lack a character
    are the fonts of the machine asked, and what they lack too is printed as its code; the document says how many
    characters that are.
    """
    import typst  # noqa: PLC0415 - 80 MB that only this report needs

    text = json_text(data)
    picture = _FAMILIES.sub(r"\1Libertinus Serif", picture, count=1)
    unusual = sorted(char for char in {*text, *picture} - {BREAK} if char > "\x7f")
    fonts = typst.Fonts(include_system_fonts=False)
    missing = _missing(unusual, fonts)
    if missing:
        fonts = typst.Fonts()
        missing = _missing(sorted(missing), fonts)
    template = resources.files(__package__).joinpath("report.typ").read_bytes()
    for _ in range(_TRIES):
        drawn = picture.translate({ord(char): escape(char) for char in missing})
        inputs = {"data": without(text, missing), "missing": str(len(missing)), "picture": drawn}
        try:
            return _compiled(template, inputs, moment, fonts)
        except typst.TypstError as error:
            # A character may have a glyph alone and none beside its neighbour.
            more = _named(error.diagnostic) - missing
            if not more:
                break
            missing |= more
    return _compiled(template, inputs, moment, fonts, strict=False)


def _missing(chars: Iterable[str], fonts: Any) -> set[str]:
    """Those of `chars` that none of `fonts` has."""
    import typst  # noqa: PLC0415

    try:
        _compiled(_PROBE, {"data": "".join(chars)}, dt.datetime.fromtimestamp(0, dt.UTC), fonts)
    except typst.TypstError as error:
        return _named(error.diagnostic)
    return set()


def _named(diagnostic: str) -> set[str]:
    """The characters that an error of typst is about, which names some of them by their code."""
    texts = (_CODE.sub(lambda code: chr(int(code[1], 16)), text) for text in _NO_GLYPH.findall(diagnostic))
    return {char for text in texts for char in text if char > "\x7f"}


def _compiled(
    template: bytes, inputs: Mapping[str, str], moment: dt.datetime, fonts: Any, *, strict: bool = True
) -> bytes:
    """A document for archives (PDF/A-2a, ISO 19005-2) and for screen readers (PDF/UA-1, ISO 14289-1) if `strict`.

    `fonts` are `typst.Fonts`. Raises TypstError, for characters without a glyph too, which both standards refuse.
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
