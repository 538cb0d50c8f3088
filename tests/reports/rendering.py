"""Output of a format, as bytes and as the text that readers extract."""

from __future__ import annotations

import io

import pypdf

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load


def written(name: str, assessment: Assessment, options: ReportOptions | None = None) -> bytes:
    """Return the report as it is written to a file."""
    entry, chosen = load(name), options or ReportOptions()
    if entry.binary:
        raw = io.BytesIO()
        entry.render(assessment, raw, chosen)
        return raw.getvalue()
    text = io.StringIO()
    entry.render(assessment, text, chosen)
    return text.getvalue().encode()  # no lone surrogates


def rendered(name: str, assessment: Assessment, options: ReportOptions | None = None) -> str:
    """Return the text of the report; of a PDF the text extracted from its pages."""
    raw = written(name, assessment, options)
    return printed(raw) if load(name).binary else raw.decode()


def printed(pdf: bytes) -> str:
    """Return the text on the pages of a PDF."""
    return "\n".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf)).pages)


def squeezed(text: str) -> str:
    """Return text without whitespace, because the width of a page determines line breaks."""
    return "".join(text.split())
