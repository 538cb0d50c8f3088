"""Vulnerabilities of a CycloneDX document (`vulnerabilities[]`), each once with the components that it affects.

A vulnerability occurs twice if a VEX statement or an exception covers only some components. A component that several images
contain is covered only if it is covered in all of them. No I/O.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import quote

from kubekeep.images.sbom.encoding import format_time
from kubekeep.model.exception import AppliedException
from kubekeep.model.json_values import drop_empty
from kubekeep.model.text import visible
from kubekeep.model.vulnerability import MatchedRecord, VexStatement
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.findings import exception_text
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability
from kubekeep.reports.shared.vulnerability_text import describe_record, is_stated, link_to, recommend

_METHODS: Final = {"CVSS:3.0/": "CVSSv3", "CVSS:3.1/": "CVSSv31", "CVSS:4.0/": "CVSSv4", "AV:": "CVSSv2"}
"""Method of a rating by the beginning of its vector."""
_STATES: Final = {
    "not_affected": "not_affected",
    "affected": "exploitable",
    "fixed": "resolved",
    "under_investigation": "in_triage",
}
_JUSTIFICATIONS: Final = {
    "component_not_present": "code_not_present",
    "vulnerable_code_not_present": "code_not_present",
    "vulnerable_code_not_in_execute_path": "code_not_reachable",
    "inline_mitigations_already_exist": "protected_by_mitigating_control",
}
"""Terms of CycloneDX; there is none for code that an adversary cannot control."""
_COMPARISON: Final = re.compile(r"(>=|<=|>|<|=)\s*(\S+)")
_PERCENT: Final = re.compile("%(?![0-9A-Fa-f]{2})")
_SOURCES: Final = {"CVE-": "NVD", "GHSA-": "GITHUB"}
"""Names of sources in Dependency-Track by the beginning of an identifier; the others are from OSV."""
_LONGEST_VERSION: Final = 1024


class AffectedComponent(NamedTuple):
    """A vulnerability of a package with the `bom-ref` of its component; empty if the document does not have it."""

    entry: ReportedVulnerability
    reference: str


def convert_vulnerabilities(affected: Iterable[AffectedComponent]) -> Iterator[dict[str, Any]]:
    """Yield the vulnerabilities in the order of their first components."""
    by_component: dict[tuple[str, str], list[ReportedVulnerability]] = {}
    for entry, reference in affected:
        by_component.setdefault((entry.id, reference), []).append(entry)
    groups: dict[tuple[str, VexStatement | None, AppliedException | None], list[AffectedComponent]] = {}
    for (name, reference), entries in by_component.items():
        # An open one stands for the others.
        entry = min(entries, key=lambda candidate: candidate.exception is not None)
        groups.setdefault((name, entry.vex, entry.exception), []).append(AffectedComponent(entry, reference))
    for (name, *_), group in groups.items():
        yield _convert(name, group)


def _convert(name: str, group: Sequence[AffectedComponent]) -> dict[str, Any]:
    entries = [entry for entry, _ in group]
    first = max(entries, key=lambda entry: (entry.severity, entry.score or 0.0, entry.title != ""))
    weaknesses = dict.fromkeys(int(text) for entry in entries for text in _list_weaknesses(entry))
    converted: dict[str, Any] = {
        "id": visible(name),
        "source": _describe_source(name),
        "references": _list_references(entries),
        "ratings": _list_ratings(entries),
        "cwes": list(weaknesses),
        "description": first.title,
        "detail": first.description,
        "recommendation": " ".join(dict.fromkeys(map(recommend, entries))),
        "advisories": _list_advisories(entries),
        "published": format_time(first.published),
        "updated": format_time(first.modified),
        "analysis": _describe_analysis(first),
        "affects": [_describe_affected(entry, reference) for entry, reference in group if reference],
        "properties": _list_properties(entries, first),
    }
    return drop_empty(converted)


def _list_references(entries: Iterable[ReportedVulnerability]) -> list[dict[str, Any]]:
    aliases = dict.fromkeys(alias for entry in entries for alias in (*entry.aliases, *entry.upstream))
    return [{"id": visible(alias), "source": _describe_source(alias)} for alias in aliases]


def _list_advisories(entries: Iterable[ReportedVulnerability]) -> list[dict[str, str]]:
    links = dict.fromkeys(link for entry in entries for link in entry.references)
    return [{"url": _encode_url(link)} for link in links if link.startswith(("https://", "http://"))]


def _describe_source(name: str) -> dict[str, str]:
    source = next((source for prefix, source in _SOURCES.items() if name.startswith(prefix)), "OSV")
    return {"name": source, "url": _encode_url(link_to(name))}


def _encode_url(link: str) -> str:
    """Return a link with only the characters of a URI (RFC 3986)."""
    parts = (quote(part, safe=":/?@!$&'()*+,;=-._~%", errors="replace") for part in link.split("#", 1))
    return _PERCENT.sub("%25", "#".join(parts))


def _list_weaknesses(entry: ReportedVulnerability) -> Iterator[str]:
    for weakness in entry.weaknesses:
        number = weakness.upper().removeprefix("CWE-")
        if number.isascii() and number.isdecimal() and int(number) > 0:
            yield number


def _list_ratings(entries: Iterable[ReportedVulnerability]) -> list[dict[str, Any]]:
    """Return the different ratings, the most severe first, because some readers use only the first one."""
    ordered = sorted(entries, key=lambda entry: (-entry.severity, -(entry.score or 0.0)))
    ratings: list[dict[str, Any]] = []
    for entry in ordered:
        rating: dict[str, Any] = {}
        if entry.severity_source:
            rating["source"] = {"name": visible(entry.severity_source)}
        if entry.score is not None:
            rating["score"] = entry.score
        rating["severity"] = entry.severity.name.lower()
        # Readers expect a vector with a CVSS method.
        method = next((method for start, method in _METHODS.items() if entry.vector.startswith(start)), "")
        rating |= {"method": method, "vector": entry.vector} if method else {"method": "other"}
        if rating not in ratings:
            ratings.append(rating)
    return ratings


def _describe_analysis(entry: ReportedVulnerability) -> dict[str, Any]:
    """Return the analysis of a VEX statement, or of an exception: an accepted vulnerability keeps its state open."""
    exception, vex = entry.exception, entry.vex
    if exception is not None and not is_stated(entry):
        return {"response": ["will_not_fix"], "detail": exception_text(exception)}
    if vex is None or vex.status not in _STATES:
        return {}
    analysis: dict[str, Any] = {"state": _STATES[vex.status]}
    if vex.status == "not_affected" and vex.justification in _JUSTIFICATIONS:
        analysis["justification"] = _JUSTIFICATIONS[vex.justification]
    origin = f"stated in {vex.origin}" if vex.origin else ""
    if detail := "; ".join(filter(None, (vex.text, f"by {vex.author}" if vex.author else "", origin))):
        analysis["detail"] = visible(detail)
    return analysis


def _describe_affected(entry: ReportedVulnerability, reference: str) -> dict[str, Any]:
    """Return the component with the installed version, the affected range and the fixed version."""
    versions = [{"version": entry.version, "status": "affected"}] if entry.version else []
    ranges = dict.fromkeys(_format_range(record, entry.package_type) for record in entry.records)
    versions += [{"range": text, "status": "affected"} for text in ranges if text]
    if entry.fixed_version:
        versions.append({"version": entry.fixed_version, "status": "unaffected"})
    kept = [version for version in versions if len(next(iter(version.values()))) <= _LONGEST_VERSION]
    return {"ref": reference, "versions": kept} if kept else {"ref": reference}


def _format_range(record: MatchedRecord, package_type: str) -> str:
    """Return the range as `vers` (ECMA-427): `vers:rpm/<1.2.3`; empty if it is a list of versions or a text."""
    parts = [part.strip() for part in record.range.split(",")]
    matches = [_COMPARISON.fullmatch(part) for part in parts]
    if not package_type or not all(matches):
        return ""
    comparisons = [(match[1], match[2]) for match in matches if match and (match[1], match[2]) != (">=", "0")]
    if not comparisons:
        return f"vers:{package_type}/*"
    texts = (f"{'' if sign == '=' else sign}{quote(version, safe='.-_~')}" for sign, version in comparisons)
    return f"vers:{package_type}/{'|'.join(texts)}"


def _list_properties(entries: Sequence[ReportedVulnerability], first: ReportedVulnerability) -> list[dict[str, str]]:
    """Return facts that CycloneDX has no field for; docs/guides/vulnerability-reports.md lists the names."""
    texts = dict.fromkeys(describe_record(record) for entry in entries for record in entry.records)
    facts = [
        ("vulnerability:priority", max(map(get_level, entries)).label),
        ("vulnerability:knownExploited", first.known_exploited),
        ("vulnerability:ransomware", "true" if first.ransomware else ""),
        ("vulnerability:epss", "" if first.epss is None else f"{first.epss:g}"),
        ("vulnerability:epssPercentile", "" if first.percentile is None else f"{first.percentile:g}"),
        *(("vulnerability:fixState", state) for state in dict.fromkeys(entry.fix_state for entry in entries)),
        *(("vulnerability:evidence", text) for text in texts),
        ("vex:justification", first.vex.justification if first.vex else ""),
    ]
    return [{"name": f"kubekeep:{name}", "value": visible(value)} for name, value in facts if value]
