"""Markdown for the comment of a merge request, and for job summaries: figures, tables, and folded findings.

Never longer than a comment may be, whatever was found; what is left out is counted at the end. Text from the input
stands in it as plain words or as code, never as markup, link, mention or reference.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Format, Options
from kubekeep.reports.markdown.findings import closing, write_excepted, write_findings
from kubekeep.reports.markdown.page import Page
from kubekeep.reports.markdown.summary import write_summary


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:
    """Write the report; `options.verbose` shows as many places as fit, where else a control has a few."""
    page = Page(stream)
    write_summary(page, assessment)
    left = write_findings(page, assessment, options)
    write_excepted(page, assessment)
    page.close(closing(assessment, left, options))


FORMAT: Final = Format(
    name="markdown",
    extension=".md",
    media_type="text/markdown",
    description="Markdown for the comment of a merge request or a job summary, 60,000 characters at most",
    render=render,
)
