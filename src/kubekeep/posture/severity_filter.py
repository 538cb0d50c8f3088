"""Show a part of an assessment: the controls of some severities. Figures stay those of the whole scan."""

from __future__ import annotations

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.severity import Severity


def shown(assessment: Assessment, lowest: Severity | None, highest: Severity | None) -> Assessment:
    """`assessment` with the controls from `lowest` to `highest` severity alone, and a note that says so."""
    if lowest is None and highest is None:
        return assessment
    low, high = lowest or Severity.UNKNOWN, highest or Severity.CRITICAL
    controls = tuple(item for item in assessment.controls if low <= item.control.level <= high)
    kept = {item.control.slug for item in controls}
    results = tuple(
        msgspec.structs.replace(
            result, verdicts={slug: verdict for slug, verdict in result.verdicts.items() if slug in kept}
        )
        for result in assessment.results
    )
    frameworks = tuple(
        msgspec.structs.replace(item, controls=tuple(slug for slug in item.controls if slug in kept))
        for item in assessment.frameworks
    )
    return msgspec.structs.replace(
        assessment,
        controls=controls,
        frameworks=frameworks,
        results=tuple(result for result in results if result.verdicts),
        notes=(*assessment.notes, _note(lowest, highest)),
    )


def _note(lowest: Severity | None, highest: Severity | None) -> str:
    bounds = [f"{level.label} or {way}" for level, way in ((lowest, "above"), (highest, "below")) if level]
    return f"shown are only controls of severity {' and '.join(bounds)}; figures and gates are of the whole scan"
