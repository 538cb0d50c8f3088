"""Vulnerabilities in the document of Kubescape's JSON v2: its summary, and our list with the evidence of each.

Kubescape's summary has open vulnerabilities only. Our top-level lists `vulnerabilities` and `notAssessed` are additions, which
Kubescape's readers ignore. No I/O.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.json_values import drop_empty
from kubekeep.model.severity import Severity
from kubekeep.model.vulnerability import MatchedRecord
from kubekeep.model.workload_container import WorkloadContainer
from kubekeep.reports.kubescape_v2.exceptions import describe_exception, location_entry
from kubekeep.reports.shared.vulnerabilities import (
    ReportedVulnerability,
    VulnerableSubject,
    iterate_subjects,
    iterate_unassessed,
)
from kubekeep.reports.shared.vulnerability_text import is_stated, recommend

_SCORES: Final = {Severity.CRITICAL: 5, Severity.HIGH: 4, Severity.MEDIUM: 3, Severity.LOW: 2, Severity.UNKNOWN: 0}
"""Kubescape's weight of a vulnerability in the score of its package."""
_FIX_STATES: Final = {"will-not-fix": "wont-fix", "": "unknown"}
"""Kubescape's words for states of fixes that differ from ours."""


def summarise_vulnerabilities(assessment: Assessment) -> dict[str, Any]:
    """Return the value of `summaryDetails.vulnerabilities`."""
    by_severity: dict[str, dict[str, int]] = {}
    entries: list[dict[str, Any]] = []
    packages: dict[str, dict[str, Any]] = {}
    images: list[str] = []
    for subject in iterate_subjects(assessment):
        images.append(subject.reference)
        for vulnerability in subject.open:
            _count(vulnerability, by_severity)
            _add_score(vulnerability, packages)
            entries.append(_summarise(vulnerability))
    order = [level.label for level in sorted(Severity, reverse=True)]
    return {
        "mapsSeverityToSummary": {label: by_severity[label] for label in order if label in by_severity},
        "CVEs": entries,
        "packageScores": dict(sorted(packages.items())),
        "images": list(dict.fromkeys(images)),
    }


def list_vulnerabilities(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """Yield the entries of `vulnerabilities`, by image or SBOM, the most urgent first."""
    for subject in iterate_subjects(assessment):
        for vulnerability in subject.vulnerabilities:
            yield _describe(vulnerability, subject)


def list_unassessed(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """Yield the entries of `notAssessed`."""
    for subject in iterate_unassessed(assessment):
        for gap in subject.unassessed:
            yield {"image": _describe_subject(subject), **msgspec.to_builtins(gap)}


def _count(entry: ReportedVulnerability, by_severity: dict[str, dict[str, int]]) -> None:
    counts = by_severity.setdefault(entry.severity.label, {"numberOfCVEs": 0, "numberOfFixableCVEs": 0})
    counts["numberOfCVEs"] += 1
    counts["numberOfFixableCVEs"] += entry.is_fixable


def _add_score(entry: ReportedVulnerability, packages: dict[str, dict[str, Any]]) -> None:
    empty = {"name": entry.package, "version": entry.version, "score": 0, "mapSeverityToCVEsNumber": {}}
    package = packages.setdefault(f"{entry.package}@{entry.version}", empty)
    package["score"] += _SCORES[entry.severity]
    counts = package["mapSeverityToCVEsNumber"]
    counts[entry.severity.label] = counts.get(entry.severity.label, 0) + 1


def _summarise(entry: ReportedVulnerability) -> dict[str, Any]:
    return {
        "severity": entry.severity.label,
        "id": entry.id,
        "package": entry.package,
        "version": entry.version,
        "fixVersions": [entry.fixed_version] if entry.fixed_version else [],
        "fixedState": _FIX_STATES.get(entry.fix_state, entry.fix_state),
    }


def _describe(entry: ReportedVulnerability, subject: VulnerableSubject) -> dict[str, Any]:
    """Return our entry of a vulnerability; facts that are unknown are absent, except for a score, which is null."""
    optional: dict[str, Any] = {
        "upstream": list(entry.upstream),
        "description": entry.description,
        "severitySource": entry.severity_source,
        "weaknesses": list(entry.weaknesses),
        "published": entry.published,
        "modified": entry.modified,
        "knownExploited": entry.known_exploited,
        "ransomware": entry.ransomware,
        "epss": entry.epss,
        "epssPercentile": entry.percentile,
        "symbols": list(entry.symbols),
        "notes": list(entry.notes),
        "workloads": list(map(_describe_container, entry.containers)),
        "vex": msgspec.to_builtins(entry.vex) if entry.vex else None,
        "change": entry.evidence.change.value if entry.evidence.change else "",
    }
    return {
        "id": entry.id,
        "aliases": list(entry.aliases),
        "title": entry.title,
        "purl": entry.purl,
        "package": entry.package,
        "version": entry.version,
        "severity": entry.severity.label,
        "score": entry.score,
        "vector": entry.vector,
        "priority": {
            "level": entry.priority.level.label,
            "score": entry.priority.score,
            "reasons": list(entry.priority.reasons),
        },
        "fixedVersion": entry.fixed_version,
        "fixState": entry.fix_state,
        "remediation": recommend(entry),
        "image": _describe_subject(subject),
        "layer": entry.layer,
        "path": entry.path,
        **({} if entry.location is None else {"location": location_entry(entry.location)}),
        "evidence": [_describe_record(record) for record in entry.records],
        "excepted": entry.exception is not None,
        **_describe_exception(entry),
        "references": list(entry.references),
        "fingerprint": entry.fingerprint,
        **{key: value for key, value in optional.items() if value not in (None, "", [], False)},
    }


def _describe_container(container: WorkloadContainer) -> dict[str, Any]:
    """Return a container that runs the image, with the facts about its workload."""
    location = None if container.location is None else location_entry(container.location)
    facts = {
        "kind": container.kind,
        "namespace": container.namespace,
        "name": container.name,
        "container": container.container,
        "location": location,
        "exposure": container.exposure,
        "power": container.power,
        "rights": container.rights,
    }
    return drop_empty(facts)


def _describe_subject(subject: VulnerableSubject) -> dict[str, str]:
    facts = {
        "reference": subject.reference,
        "digest": subject.digest,
        "platform": subject.platform,
        "distribution": subject.distribution,
        "resourceID": subject.resource.id,
    }
    return drop_empty(facts)


def _describe_record(record: MatchedRecord) -> dict[str, str]:
    fields = {
        "id": record.id,
        "ecosystem": record.ecosystem,
        "name": record.name,
        "version": record.version,
        "range": record.range,
        "scheme": record.scheme,
        "fixedVersion": record.fixed_version,
        "origin": record.origin,
    }
    return drop_empty(fields)


def _describe_exception(entry: ReportedVulnerability) -> dict[str, Any]:
    """Return the exception that covers the vulnerability; a VEX statement is in `vex`."""
    if entry.exception is None or is_stated(entry):
        return {}
    return {"exception": drop_empty(describe_exception(entry.exception) | {"location": None})}
