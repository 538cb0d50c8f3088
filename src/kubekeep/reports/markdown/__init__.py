"""Markdown for comments on merge requests and for job summaries: figures, tables, and folded findings.

Stays within the length limit of a comment; omitted findings are counted at the end. Text from the input is written as
plain words or as code, never as markup, link, mention or reference.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.markdown.findings import closing, write_excepted, write_findings
from kubekeep.reports.markdown.page import MarkdownPage
from kubekeep.reports.markdown.summary import write_summary


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    """Write the report; with `options.verbose` as many locations as fit, else a few per control."""
    page = MarkdownPage(stream)
    write_summary(page, assessment)
    omitted_count = write_findings(page, assessment, options)
    write_excepted(page, assessment)
    page.close(closing(assessment, omitted_count, options))


FORMAT: Final = ReportFormat(
    name="markdown",
    extension=".md",
    media_type="text/markdown",
    description="Markdown for the comment of a merge request or a job summary, 60,000 characters at most",
    render=render,
)
