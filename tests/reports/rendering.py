"""Output of a format, as bytes and as the text that readers extract."""

from __future__ import annotations

import io
import subprocess

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.reports import ReportOptions, load
from kubekeep.reports.format import View


def long_view(options: ReportOptions | None = None) -> ReportOptions:
    """Return the options with the long forms of the terminal report and of documents; the short ones omit findings."""
    options = options or ReportOptions()
    view = View.CONTROL if options.view is View.OVERVIEW else options.view
    return msgspec.structs.replace(options, view=view, full=True)


def render_bytes(name: str, assessment: Assessment, options: ReportOptions | None = None) -> bytes:
    """Return the report as it is written to a file."""
    report_format, report_options = load(name), long_view(options)
    if report_format.binary:
        content = io.BytesIO()
        report_format.render(assessment, content, report_options)
        return content.getvalue()
    text = io.StringIO()
    report_format.render(assessment, text, report_options)
    return text.getvalue().encode()  # no lone surrogates


def render_text(name: str, assessment: Assessment, options: ReportOptions | None = None) -> str:
    """Return the text of the report; of a PDF the text extracted from its pages."""
    content = render_bytes(name, assessment, options)
    return extract_pdf_text(content) if load(name).binary else content.decode()


def extract_pdf_text(pdf: bytes) -> str:
    """Return the text on the pages of a PDF in the order of its content."""
    command = ["pdftotext", "-q", "-raw", "-enc", "UTF-8", "-", "-"]
    return subprocess.run(command, input=pdf, capture_output=True, check=True).stdout.decode()


def remove_whitespace(text: str) -> str:
    """Return text without whitespace, because the width of a page determines line breaks."""
    return "".join(text.split())
