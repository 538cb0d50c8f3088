"""One self-contained HTML file for people: figures, frameworks, and all findings to search, filter, sort and print.

Opens from a disk without a network and makes no request, under a Content Security Policy that it carries itself.
Text from manifests is data in it: never markup, never script.
"""

from __future__ import annotations

from typing import Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, Format, Options


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - a page has its own ways
    """Write the page, piece by piece."""
    # Only who asks for a page pays for loading Jinja.
    from kubekeep.reports.html.page import pieces  # noqa: PLC0415

    stream.writelines(pieces(assessment))


FORMAT: Final = Format(
    name="html",
    extension=".html",
    media_type="text/html",
    description="one self-contained page for people: search, filter, sort, print",
    render=render,
    wants=frozenset({Extra.EXCERPTS, Extra.ATTACK_PATHS, Extra.REPOSITORY}),
    to_file_by_default=True,
)
