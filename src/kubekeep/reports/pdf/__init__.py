"""The report as a PDF for auditors: cover, summary, frameworks, findings by control, waivers, and what was not looked at.

Tagged for screen readers and fit for archives (PDF/UA-1, PDF/A-2a). Made by typst without network, files or clock:
the same assessment gives the same bytes.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, Format, Options
from kubekeep.reports.pdf.document import document, moment
from kubekeep.reports.pdf.typesetting import typeset
from kubekeep.reports.shared.attack_svg import attack_svg


def render(assessment: Assessment, stream: BinaryIO, options: Options) -> None:
    """Write the document. Beyond some thousand findings each control shows its first ones, or all if `verbose`."""
    picture = attack_svg(assessment.attacks) if assessment.attacks and assessment.attacks.paths else ""
    stream.write(typeset(document(assessment, whole=options.verbose), moment(assessment), picture))


FORMAT: Final = Format(
    name="pdf",
    extension=".pdf",
    media_type="application/pdf",
    description="a document for auditors: summary, frameworks, findings, and what was not looked at",
    render=render,
    wants=frozenset({Extra.EXCERPTS, Extra.ATTACK_PATHS}),
    to_file_by_default=True,
    binary=True,
    library="typst",
)
