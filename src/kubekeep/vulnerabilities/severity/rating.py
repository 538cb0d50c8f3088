"""The rating of a vulnerability, chosen from all records about it, with its source. Never invents one: unknown stays unknown.

A vulnerability that its own records do not rate has the rating of the flaw, which records about other packages contain.
Order: malicious packages are critical; the priority of Ubuntu and Debian's "unimportant" for their own packages; vectors of
CVSS, the newest version first, those for the package before those for the record; numbers and words of databases.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.ecosystems.shared.registry import index_advisories
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import VulnerabilityRating
from kubekeep.vulnerabilities.advisory import Advisory, AdvisorySeverity, AffectedVersions
from kubekeep.vulnerabilities.severity.cvss import rate, score_vector

RatedEntry = tuple[Advisory, AffectedVersions]
"""A record, and its entry that applies to the package."""

_WORDS: Final = {
    "critical": Severity.CRITICAL,
    "high": Severity.HIGH,
    "important": Severity.HIGH,
    "medium": Severity.MEDIUM,
    "moderate": Severity.MEDIUM,
    "low": Severity.LOW,
    "minor": Severity.LOW,
    "negligible": Severity.LOW,
    "unimportant": Severity.LOW,
}
"""Levels of words: CVSS and GHSA, Red Hat and its derivatives, Ubuntu, Debian, openEuler, Bitnami."""
_NO_PACKAGE: Final = AffectedVersions()
_TITLED: Final = ("ALSA-", "RHSA-", "RLSA-", "RXSA-")
"""Databases that write the level at the beginning of the summary, as "Important: bash security update"."""


def choose_rating(entries: Sequence[RatedEntry]) -> VulnerabilityRating:
    """Return the rating with the highest preference; the first entries are preferred among equal ones."""
    for record, _ in entries:
        if any(name.startswith("MAL-") for name in (record.id, *record.aliases)):
            return VulnerabilityRating(Severity.CRITICAL, source=record.id)
    return _rate_by_distribution(entries) or _rate_by_vector(entries) or _rate_by_word(entries) or VulnerabilityRating()


def rates_flaw(record: Advisory) -> bool:
    """Return True if a record may rate its flaw apart from any package; `rate_flaw` decides."""
    if record.withdrawn:
        return False
    has_vector = any(severity.type.startswith("CVSS") for severity in record.severity)
    return has_vector or (not _is_of_distribution(record) and _rate_by_word([(record, _NO_PACKAGE)]) is not None)


def rate_flaw(records: Iterable[Advisory]) -> VulnerabilityRating:
    """Return the rating of a flaw from records about any packages; records of languages are preferred.

    The words of a distribution rate the flaw in its own packages, and never count.
    """
    ordered = sorted(records, key=lambda record: (_is_of_distribution(record), record.id))
    entries = [(record, _NO_PACKAGE) for record in ordered]
    others = [(record, affected) for record, affected in entries if not _is_of_distribution(record)]
    return _rate_by_vector(entries) or _rate_by_word(others) or VulnerabilityRating()


def _is_of_distribution(record: Advisory) -> bool:
    ecosystems = {affected.package.ecosystem.partition(":")[0] for affected in record.affected}
    known = index_advisories()
    return any(known[name].distributions for name in ecosystems if name in known)


def list_invalid_vectors(entries: Sequence[RatedEntry]) -> tuple[str, ...]:
    """Return notes about vectors that cannot be scored."""
    notes = []
    for record, severity, _ in _iterate_vectors(entries):
        try:
            score_vector(severity.score)
        except ValueError as error:
            notes.append(f"{record.id}: CVSS vector cannot be scored: {error}")
    return tuple(notes)


def _rate_by_distribution(entries: Sequence[RatedEntry]) -> VulnerabilityRating | None:
    for record, affected in entries:
        for severity in (*affected.severity, *record.severity):
            if severity.type == "Ubuntu":
                level = _WORDS.get(severity.score.lower())
                if level:
                    return VulnerabilityRating(level, source=f"{record.id} (Ubuntu priority {severity.score.lower()})")
        if read_urgency(affected) == "unimportant":
            return VulnerabilityRating(Severity.LOW, source=f"{record.id} (Debian urgency unimportant)")
    return None


def read_urgency(affected: AffectedVersions) -> str:
    """Return Debian's urgency without marks, as "unimportant" or "end-of-life"; empty if there is none."""
    urgency = (affected.ecosystem_specific or {}).get("urgency")
    return urgency.strip("* ").lower() if isinstance(urgency, str) else ""


def _rate_by_vector(entries: Sequence[RatedEntry]) -> VulnerabilityRating | None:
    best: tuple[tuple[str, bool], VulnerabilityRating] | None = None
    for record, severity, is_specific in _iterate_vectors(entries):
        try:
            version, score = score_vector(severity.score)
        except ValueError:
            continue
        rank = (version, is_specific)
        if best is None or rank > best[0]:
            rating = VulnerabilityRating(rate(score), score, severity.score, f"{record.id} (CVSS {version})")
            best = (rank, rating)
    return best[1] if best else None


def _iterate_vectors(entries: Sequence[RatedEntry]) -> Iterator[tuple[Advisory, AdvisorySeverity, bool]]:
    for record, affected in entries:
        for severity in affected.severity:
            if severity.type.startswith("CVSS"):
                yield record, severity, True
        for severity in record.severity:
            if severity.type.startswith("CVSS"):
                yield record, severity, False


def _rate_by_word(entries: Sequence[RatedEntry]) -> VulnerabilityRating | None:
    for record, affected in entries:
        for values in (affected.ecosystem_specific, affected.database_specific, record.database_specific):
            rating = _read_values(values or {}, record.id)
            if rating:
                return rating
        if record.id.startswith(_TITLED):
            level = _WORDS.get(record.summary.partition(":")[0].strip().lower())
            if level:
                return VulnerabilityRating(level, source=record.id)
    return None


def _read_values(values: Mapping[str, Any], record_id: str) -> VulnerabilityRating | None:
    for key in ("cvss_v4", "cvss_v3", "cvss_v2", "cvss"):
        score = values.get(key)
        if isinstance(score, int | float) and not isinstance(score, bool) and 0 < score <= 10:
            return VulnerabilityRating(rate(float(score)), float(score), source=f"{record_id} ({key})")
    for key in ("severity", "urgency"):
        word = values.get(key)
        level = _WORDS.get(word.strip("* ").lower()) if isinstance(word, str) else None
        if level:
            return VulnerabilityRating(level, source=record_id)
    return None
