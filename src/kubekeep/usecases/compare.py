"""Comparison of two reports, or of a scan with a baseline. Never prints and never decides a gate."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kubekeep.baseline.assessment_findings import record_assessment
from kubekeep.baseline.compare import compare, mark_changes
from kubekeep.baseline.file import read_baseline_or_report
from kubekeep.baseline.report_findings import record_report
from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import Comparison, ScanRecord
from kubekeep.model.fingerprint import Granularity
from kubekeep.reports.kubescape_v2.read import ReportError

_ONE_KEY = "create both with --hide and the same KUBEKEEP_MASTER_KEY"
COARSE_WARNING = "the scans are by different tools and are compared by control and resource, not by evidence"


def diff(base: Path, head: Path, granularity: Granularity | None = None) -> Comparison:
    """Return the changes from `base`, a report in JSON v2 or a baseline, to the report `head`.

    Raises ReportError.
    """
    return compare_records(read_baseline_or_report(base), record_report(head), granularity)


def compare_records(base: ScanRecord, head: ScanRecord, granularity: Granularity | None) -> Comparison:
    """Return the comparison at `granularity`.

    Without one, findings are compared by location if both records are ours: other tools name locations differently, so
    that every finding would differ. Raises ReportError if the pseudonyms of the records do not match.
    """
    if base.pseudonyms != head.pseudonyms:
        raise ReportError(_explain_pseudonyms(base, head))
    if granularity is not None or (base.is_ours and head.is_ours):
        return compare(base, head, granularity or Granularity.EVIDENCE)
    comparison = compare(base, head, Granularity.CONTROL)
    return msgspec.structs.replace(comparison, warnings=(*comparison.warnings, COARSE_WARNING))


def _explain_pseudonyms(base: ScanRecord, head: ScanRecord) -> str:
    if base.pseudonyms and head.pseudonyms:
        return f"{base.name}: names are pseudonymised with another key than in {head.name}: {_ONE_KEY}"
    hidden, plain = (base, head) if base.pseudonyms else (head, base)
    return f"{hidden.name}: names are pseudonymised, but not in {plain.name}: {_ONE_KEY}"


def compare_with_baseline(
    assessment: Assessment, base: ScanRecord, granularity: Granularity | None = None
) -> Assessment:
    """Return `assessment` with its findings marked as new or unchanged since `base`. Raises ReportError as `diff` does."""
    return mark_changes(assessment, compare_records(base, record_assessment(assessment), granularity))
