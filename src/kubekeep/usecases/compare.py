"""Compare what two files know, or a scan with one of them. Never prints and never decides a gate."""

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

_ONE_KEY = "make both with --hide and one KUBEKEEP_MASTER_KEY"
COARSE = "the scans are by different tools: compared by control and resource, not by place"


def diff(base: Path, head: Path, granularity: Granularity | None = None) -> Comparison:
    """What became of the findings of `base`, a report in JSON v2 or a baseline, in the report `head`.

    Raises ReportError.
    """
    return compared(read_baseline_or_report(base), record_report(head), granularity)


def compared(base: ScanRecord, head: ScanRecord, granularity: Granularity | None) -> Comparison:
    """The comparison at `granularity`.

    Without one by place, if both are ours: tools do not name places alike, and every finding would be another. Raises
    ReportError where names are hidden in other ways: every name would be another.
    """
    if base.pseudonyms != head.pseudonyms:
        raise ReportError(_strangers(base, head))
    if granularity is not None or (base.is_ours and head.is_ours):
        return compare(base, head, granularity or Granularity.EVIDENCE)
    found = compare(base, head, Granularity.CONTROL)
    return msgspec.structs.replace(found, warnings=(*found.warnings, COARSE))


def _strangers(base: ScanRecord, head: ScanRecord) -> str:
    if base.pseudonyms and head.pseudonyms:
        return f"{base.name}: names are hidden under another key than in {head.name}: {_ONE_KEY}"
    hidden, plain = (base, head) if base.pseudonyms else (head, base)
    return f"{hidden.name}: names are hidden, and in {plain.name} they are not: {_ONE_KEY}"


def against(assessment: Assessment, base: ScanRecord, granularity: Granularity | None = None) -> Assessment:
    """`assessment` with what is new and known since `base`. Raises ReportError where its names are hidden."""
    return mark_changes(assessment, compared(base, record_assessment(assessment), granularity))
