"""What a format writes, as bytes and as the text that its readers get out of them."""

from __future__ import annotations

import io

import pypdf

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load


def written(name: str, assessment: Assessment, options: ReportOptions | None = None) -> bytes:
    """The whole report as it would stand in a file."""
    entry, chosen = load(name), options or ReportOptions()
    if entry.binary:
        raw = io.BytesIO()
        entry.render(assessment, raw, chosen)
        return raw.getvalue()
    text = io.StringIO()
    entry.render(assessment, text, chosen)
    return text.getvalue().encode()  # no lone surrogates


def rendered(name: str, assessment: Assessment, options: ReportOptions | None = None) -> str:
    """The text of the report; of a PDF what a reader would copy out of its pages."""
    raw = written(name, assessment, options)
    return printed(raw) if load(name).binary else raw.decode()


def printed(pdf: bytes) -> str:
    """The text on the pages of a PDF."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def squeezed(text: str) -> str:
    """`text` without its blanks and line breaks, which the width of a page decides."""
    return "".join(text.split())
