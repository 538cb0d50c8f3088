"""One self-contained HTML file with figures, frameworks, and all findings to search, filter, sort and print.

Works offline from a disk and makes no requests, enforced by its own Content Security Policy. Text from manifests is
embedded as data, never as markup or script.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - the page has its own controls
    """Write the page piece by piece."""
    # Jinja is loaded for this format only.
    from kubekeep.reports.html.page import generate_page  # noqa: PLC0415

    stream.writelines(generate_page(assessment))


FORMAT: Final = ReportFormat(
    name="html",
    extension=".html",
    media_type="text/html",
    description="one self-contained page for people: search, filter, sort, print",
    render=render,
    extras=frozenset({Extra.EXCERPTS, Extra.ATTACK_PATHS, Extra.REPOSITORY}),
    to_file_by_default=True,
)
