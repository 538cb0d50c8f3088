"""SARIF 2.1.0 (OASIS), for code scanning and editors."""

from __future__ import annotations

from typing import Final

from kubekeep.reports.format import Extra, ReportFormat
from kubekeep.reports.sarif.log import render

FORMAT: Final = ReportFormat(
    name="sarif",
    extension=".sarif",
    media_type="application/sarif+json",
    description="SARIF 2.1.0, for code scanning and editors",
    render=render,
    extras=frozenset({Extra.EDITS, Extra.REPOSITORY}),
)
