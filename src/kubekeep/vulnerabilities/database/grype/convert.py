"""Rows of Grype's database as advisories. Never reads a database."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.vulnerabilities.advisory import (
    Advisory,
    AdvisoryPackage,
    AdvisoryReference,
    AdvisorySeverity,
    AffectedVersions,
)
from kubekeep.vulnerabilities.database.grype.blobs import (
    ConstrainedRange,
    PackageBlob,
    PackageQualifiers,
    VulnerabilityBlob,
)
from kubekeep.vulnerabilities.database.grype.constraints import AffectedInterval, is_empty, parse_constraint
from kubekeep.vulnerabilities.versions.registry import get_scheme

_SAME_FLAW: Final = ("CVE-", "GHSA-", "GO-", "PYSEC-", "RUSTSEC-", "BIT-", "OSV-", "CGA-", "MAL-")
"""Prefixes of ids of single flaws; records with other ids are notices about one or several."""
_REJECTED: Final = "rejected"
_LONG_AGO: Final = "1970-01-01T00:00:00Z"
_VECTORS: Final = {"CVSS:4": "CVSS_V4", "CVSS:3": "CVSS_V3"}


class VulnerabilityRow(msgspec.Struct, frozen=True, array_like=True):
    """A row of `vulnerability_handles` with its blob; the order is that of the query."""

    id: int
    name: str
    status: str
    published: str | None
    modified: str | None
    withdrawn: str | None
    provider: str
    blob: str


class AffectedRow(msgspec.Struct, frozen=True):
    """A package that a vulnerability affects in a release."""

    ecosystem: str
    name: str
    blob: PackageBlob


def build_advisory(row: VulnerabilityRow, affected: Sequence[AffectedRow], weaknesses: Iterable[str]) -> Advisory:
    """Return the advisory of a vulnerability. Raises msgspec.DecodeError and UnreadableConstraintError."""
    blob = msgspec.json.decode(row.blob, type=VulnerabilityBlob)
    names = dict.fromkeys((*(blob.aliases or ()), *(cve for entry in affected for cve in entry.blob.cves or ())))
    others = tuple(name for name in names if name != row.name)
    is_flaw = row.name.startswith(_SAME_FLAW)
    vectors, word = _read_severities(blob)
    details = {"provider": row.provider, "severity": word, "cwe_ids": sorted(weaknesses)}
    return Advisory(
        id=row.name,
        modified=_format_time(row.modified or row.published),
        published=_format_time(row.published),
        withdrawn=_get_withdrawal(row),
        aliases=others if is_flaw else (),
        upstream=() if is_flaw else others,
        details=blob.description,
        severity=(*vectors, *([AdvisorySeverity("Ubuntu", word)] if word and row.provider == "ubuntu" else [])),
        affected=tuple(entry for rows in affected for entry in _convert_package(rows)),
        references=tuple(AdvisoryReference("WEB", reference.url) for reference in blob.refs or () if reference.url),
        database_specific={name: value for name, value in details.items() if value},
    )


def is_unconditional(blob: PackageBlob) -> bool:
    """Return True if the ranges are about all versions."""
    return not blob.ranges or any(not entry.version.constraint.strip() for entry in blob.ranges)


def _convert_package(row: AffectedRow) -> Iterator[AffectedVersions]:
    package = AdvisoryPackage(row.ecosystem, row.name)
    scheme = get_scheme(row.ecosystem)
    specific = _convert_qualifiers(row.blob.qualifiers or PackageQualifiers())
    for entry in row.blob.ranges or (ConstrainedRange(),):
        if entry.fix and entry.fix.state == "not-affected":
            continue
        intervals: list[AffectedInterval] = parse_constraint(entry.version.constraint, entry.version.type.lower())
        yield AffectedVersions(
            package=package,
            ranges=tuple(
                interval.range
                for interval in intervals
                if interval.range is not None and not is_empty(interval.range, scheme)
            ),
            versions=tuple(interval.version for interval in intervals if interval.version),
            ecosystem_specific=specific or None,
            database_specific={"fix_state": entry.fix.state} if entry.fix and entry.fix.state else None,
        )


def _convert_qualifiers(qualifiers: PackageQualifiers) -> dict[str, Any]:
    specific: dict[str, Any] = {}
    if qualifiers.rpm_modularity is not None:
        specific["rpm_modularity"] = qualifiers.rpm_modularity
    if isinstance(qualifiers.go_imports, list):
        specific["imports"] = [entry for entry in qualifiers.go_imports if isinstance(entry, dict)]
    if qualifiers.architecture is not None:
        specific["architecture"] = qualifiers.architecture
    return specific


def _read_severities(blob: VulnerabilityBlob) -> tuple[list[AdvisorySeverity], str]:
    """Return the CVSS vectors and the first rating in words."""
    vectors: list[AdvisorySeverity] = []
    word = ""
    for severity in blob.severities or ():
        value = severity.value
        if isinstance(value, dict) and isinstance(value.get("vector"), str):
            kind = _VECTORS.get(value["vector"][:6], "CVSS_V2")
            vectors.append(AdvisorySeverity(kind, value["vector"]))
        elif isinstance(value, str) and not value.startswith("CVSS:"):
            word = word or value
        elif isinstance(value, str):
            vectors.append(AdvisorySeverity(_VECTORS.get(value[:6], "CVSS_V2"), value))
    return vectors, word


def _get_withdrawal(row: VulnerabilityRow) -> str:
    if row.withdrawn:
        return _format_time(row.withdrawn)
    return (_format_time(row.modified) or _LONG_AGO) if row.status == _REJECTED else ""


def _format_time(text: str | None) -> str:
    """Return a time of SQLite, as `2024-01-02 03:04:05+00:00`, in RFC 3339."""
    if not text:
        return ""
    text = text.replace(" ", "T", 1)
    return text if text.endswith("Z") or "+" in text else f"{text}Z"
