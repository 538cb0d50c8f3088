"""Baseline files of a scan or of a report. Never writes a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.file import format_baseline, read_baseline_or_report
from kubekeep.baseline.report_findings import record_report
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import ScanRecord
from kubekeep.posture.gate import is_incomplete
from kubekeep.reports.kubescape_v2.read import ReportError


class Baseline(msgspec.Struct, frozen=True):
    """Recorded findings. is_incomplete: a part of the input was not read or not evaluated."""

    record: ScanRecord
    is_incomplete: bool = False

    @property
    def fields(self) -> int:
        """The number of findings, each field of a resource counted."""
        return len(self.record.findings)

    @property
    def failures(self) -> int:
        """The number of findings as a scan counts them: a control that fails on a resource is one."""
        return len({(each.control, each.identity, each.file, each.copy) for each in self.record.findings})

    def format(self) -> Iterator[str]:
        """Yield the lines of the file."""
        return format_baseline(self.record)


def create_baseline(assessment: Assessment) -> Baseline:
    """Return the findings of an assessment."""
    return Baseline(record_assessment(assessment), is_incomplete(assessment))


def convert_report(path: Path) -> Baseline:
    """Return the findings in a report. Raises ReportError."""
    return Baseline(record_report(path))


def read_baseline(path: Path) -> ScanRecord:
    """Return the findings of a baseline or report, to compare a scan with. Raises ReportError."""
    record = read_baseline_or_report(path)
    if record.pseudonyms:
        raise ReportError(
            f"{record.name}: names are pseudonymised; use `kubekeep diff` to compare it with a report of scan --hide"
        )
    return record
