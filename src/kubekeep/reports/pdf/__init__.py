"""The report as a PDF for auditors: summary, frameworks, findings by control, exceptions and coverage gaps.

Tagged for screen readers and suitable for archives (PDF/UA-1, PDF/A-2a). Typst produces it without network, files or
clock: the same assessment results in the same bytes.
"""

from __future__ import annotations

from typing import BinaryIO, Final

from kubekeep.model.assessment import Assessment
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.pdf.document import build_document, document_date
from kubekeep.reports.pdf.typesetting import typeset
from kubekeep.reports.shared.attack_svg import attack_svg


def render(assessment: Assessment, stream: BinaryIO, options: ReportOptions) -> None:
    """Write the document: short, or `full` with every finding; then of many, only the first ones unless `verbose`."""
    picture = attack_svg(assessment.attacks) if assessment.attacks and assessment.attacks.paths else ""
    stream.write(
        typeset(
            build_document(assessment, full=options.full or options.verbose, whole=options.verbose),
            document_date(assessment),
            picture,
        )
    )


FORMAT: Final = ReportFormat(
    name="pdf",
    extension=".pdf",
    media_type="application/pdf",
    description="a document for auditors: summary, frameworks, findings, and controls that were not evaluated",
    render=render,
    extras=frozenset({Extra.EXCERPTS, Extra.ATTACK_PATHS}),
    short_extras=frozenset({Extra.ATTACK_PATHS}),
    to_file_by_default=True,
    binary=True,
    library="typst",
)
