"""Priority of vulnerabilities: the order in which to fix them. The formula is in docs/scores.md. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.priority import Priority
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import FixState, Vulnerability, VulnerabilityRating
from kubekeep.vulnerabilities.severity.cvss import rate

_SCORES: Final = {Severity.CRITICAL: 9.5, Severity.HIGH: 8.0, Severity.MEDIUM: 5.5, Severity.LOW: 2.0}
"""Scores of levels without a number: about the middle of their bands."""
_CRITICAL: Final = 9.0
"""Lowest score of critical vulnerabilities. Their severities take the lowest third of the band above, so that exploitation
and the workloads that run an image order them."""
_EXPLOITED: Final = 9.3
"""Lowest score of a vulnerability that is known to be exploited."""
_LIKELY: Final = 0.1
"""EPSS from which exploitation is likely enough to raise the priority; about the top 6 % of all CVEs."""
_PROBABLE: Final = 0.5
"""EPSS from which exploitation is more likely than not: the priority is at least high."""
_MAX_ESTIMATED: Final = 8.9
"""Highest score that a probability alone can cause; only known exploitation makes a finding critical."""
_TOPS: Final = {Severity.CRITICAL: 10.0, Severity.HIGH: 8.9, Severity.MEDIUM: 6.9, Severity.LOW: 3.9}
"""Highest scores of the levels."""


def prioritise(vulnerability: Vulnerability) -> Priority:
    """Return the priority: severity, raised by known or likely exploitation, and within its level by a fix."""
    rating = vulnerability.rating
    score = rating.score if rating.score is not None else _SCORES.get(rating.level, 0.0)
    score, reasons = _add_exploitation(score, vulnerability.signal)
    level = rate(score)
    if vulnerability.fixed_version:
        if level:
            score += 0.1 * max(0.0, _TOPS[level] - score)
        reasons.append(f"fixed in {vulnerability.fixed_version}")
    elif vulnerability.fix_state in (FixState.NOT_FIXED, FixState.WILL_NOT_FIX):
        reasons.append("no fix is available")
    reasons.append(_describe_severity(rating))
    return Priority(level, round(score, 3), reasons=tuple(reasons))


def _add_exploitation(severity: float, signal: ExploitSignal) -> tuple[float, list[str]]:
    """Return the score of a severity with known or likely exploitation, and the reasons."""
    reasons = []
    score = severity if severity < _CRITICAL else _CRITICAL + 0.3 * (severity - _CRITICAL)
    if signal.known_exploited:
        score = _EXPLOITED + 0.03 * severity
        if signal.ransomware:
            score = _approach_highest(score, 0.25)
        used = ", used by ransomware" if signal.ransomware else ""
        reasons.append(f"known to be exploited since {signal.known_exploited}{used}")
    if signal.epss is not None and signal.epss >= _LIKELY:
        is_probable = signal.epss >= _PROBABLE
        if score >= _CRITICAL:
            score = _approach_highest(score, 0.2 if is_probable else 0.1)
        else:
            score = max(score, min(max(score + 1, 7.0) if is_probable else score + 1, _MAX_ESTIMATED))
        reasons.append(f"exploited within 30 days with a probability of {signal.epss:.0%} (EPSS)")
    return score, reasons


def _approach_highest(score: float, part: float) -> float:
    """Return a critical score, raised by a part of its distance to the highest one."""
    return score + part * (_TOPS[Severity.CRITICAL] - score)


def _describe_severity(rating: VulnerabilityRating) -> str:
    if not rating.level:
        return "the severity is unknown"
    return f"severity {rating.level.label.lower()}" + (f" ({rating.score})" if rating.score is not None else "")
