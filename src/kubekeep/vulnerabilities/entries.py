"""Vulnerabilities as entries in the document of an image or SBOM. No I/O."""

from __future__ import annotations

from collections.abc import Iterator

from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import qualify_name
from kubekeep.model.package_document import PriorityEntry, VulnerabilityEntry
from kubekeep.model.vulnerability import Vulnerability
from kubekeep.vulnerabilities.priority import prioritise


def describe_vulnerability(vulnerability: Vulnerability, number: int) -> VulnerabilityEntry:
    """Return the entry of a vulnerability. number: of its package in the document."""
    package, signal, rating = vulnerability.package, vulnerability.signal, vulnerability.rating
    location = package.locations[0] if package.locations else None
    priority = prioritise(vulnerability)
    return VulnerabilityEntry(
        id=vulnerability.id,
        aliases=vulnerability.names[1:],
        title=vulnerability.summary,
        purl=format_package_url(package),
        package=qualify_name(package),
        version=package.version,
        severity_label=rating.level.label,
        fixed_version=vulnerability.fixed_version,
        fixed_source=vulnerability.fixed_source,
        fix_state=vulnerability.fix_state.value,
        path=f"/{location.path}" if location else "",
        layer=location.layer if location else "",
        priority_entry=PriorityEntry(priority.level.label, priority.score, priority.reasons),
        records=vulnerability.records,
        upstream=vulnerability.upstream,
        score=rating.score,
        vector=rating.vector,
        severity_source=rating.source,
        description=vulnerability.details,
        references=vulnerability.references,
        weaknesses=vulnerability.weaknesses,
        published=vulnerability.published,
        modified=vulnerability.modified,
        known_exploited=signal.known_exploited,
        ransomware=signal.ransomware,
        epss=signal.epss,
        percentile=signal.percentile,
        symbols=vulnerability.symbols,
        notes=(*vulnerability.notes, *_describe_statement(vulnerability)),
        vex=vulnerability.vex,
        package_number=number,
    )


def _describe_statement(vulnerability: Vulnerability) -> Iterator[str]:
    """Yield a note about a VEX statement that leaves the vulnerability open; a report shows the others as exceptions."""
    vex = vulnerability.vex
    if vex is not None and not vulnerability.is_suppressed:
        yield f"{vex.summary} (VEX statement in {vex.origin})" if vex.origin else f"{vex.summary} (VEX statement)"
