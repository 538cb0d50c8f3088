"""Restrict an assessment to the controls of some severities. Scores stay those of the whole scan."""

from __future__ import annotations

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity


def filter_by_severity(assessment: Assessment, lowest: Severity | None, highest: Severity | None) -> Assessment:
    """Return `assessment` with only the controls from `lowest` to `highest` severity, and a note about the filter.

    None means no limit.
    """
    if lowest is None and highest is None:
        return assessment
    low, high = lowest or Severity.UNKNOWN, highest or Severity.CRITICAL
    controls = tuple(summary for summary in assessment.summaries if low <= summary.definition.level <= high)
    slugs = {summary.definition.slug for summary in controls}
    results = tuple(
        msgspec.structs.replace(
            result, verdicts={slug: verdict for slug, verdict in result.verdicts.items() if slug in slugs}
        )
        for result in assessment.results
    )
    frameworks = tuple(
        msgspec.structs.replace(summary, controls=tuple(slug for slug in summary.controls if slug in slugs))
        for summary in assessment.frameworks
    )
    return msgspec.structs.replace(
        assessment,
        summaries=controls,
        frameworks=frameworks,
        results=tuple(result for result in results if result.verdicts),
        notes=(*assessment.notes, _describe_restriction(lowest, highest)),
    )


def _describe_restriction(lowest: Severity | None, highest: Severity | None) -> str:
    bounds = [f"{level.label} or {direction}" for level, direction in ((lowest, "above"), (highest, "below")) if level]
    return f"showing only controls of severity {' and '.join(bounds)}; scores and gates include all controls"
