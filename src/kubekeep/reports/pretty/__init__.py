"""The report for terminals: the most urgent findings first, exact locations, the fix, and the next step.

Text from manifests is escaped, and values that may be secrets are not shown.
"""

from __future__ import annotations

from typing import Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions, View
from kubekeep.reports.pretty.closing import write_closing
from kubekeep.reports.pretty.findings import write_files, write_findings, write_resources
from kubekeep.reports.pretty.fleet import write_view
from kubekeep.reports.pretty.overview import write_overview
from kubekeep.reports.shared.terminal import Terminal


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:
    """Write the report at `options.width` columns; without `colour` and `links` it contains no escape codes."""
    terminal = Terminal(stream, options)
    if options.view is View.OVERVIEW and not options.verbose:
        write_overview(terminal, assessment, options)
        return
    if options.view is View.ALL:
        options = msgspec.structs.replace(options, verbose=True)
    if options.view is View.FILE:
        write_files(terminal, assessment)
    elif options.view is View.RESOURCE:
        write_resources(terminal, assessment)
    elif options.view in (View.PACKAGE, View.IMAGE, View.BASE):
        write_view(terminal, assessment, options.view)
    else:
        write_findings(terminal, assessment, options)
    write_closing(terminal, assessment, options)


FORMAT: Final = ReportFormat(
    name="pretty",
    aliases=("pretty-printer",),
    extension=".txt",
    media_type="text/plain",
    description="for terminals: the most urgent findings with location, cause and fix",
    render=render,
    file_extras=frozenset({Extra.EXCERPTS}),
)
