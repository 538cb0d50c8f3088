"""Rules and results of vulnerabilities in a SARIF log: one rule per vulnerability, one result per affected package.

GitHub reads the CVSS score (`security-severity`) and the tags of a rule. Fingerprints are independent of the tag of the image
and of the version of the package, so that an alert stays the same until the package is fixed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from kubekeep.model.assessment import Assessment
from kubekeep.model.comparison import FindingChange
from kubekeep.model.json_values import drop_empty
from kubekeep.model.location import Location
from kubekeep.model.severity import Severity, sarif_level
from kubekeep.model.text import visible
from kubekeep.model.workload_container import find_manifest_line
from kubekeep.reports.sarif.parts import (
    describe_evidence_location,
    describe_logical,
    describe_physical,
    describe_priority,
    describe_resource,
    describe_suppression,
)
from kubekeep.reports.shared.affected_packages import get_level, get_score
from kubekeep.reports.shared.findings import cut
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, iterate_subjects
from kubekeep.reports.shared.vulnerability_text import (
    describe_container,
    describe_exploitation,
    describe_record,
    describe_vulnerability,
    link_to,
    recommend,
)
from kubekeep.reports.shared.wording import escape_markdown

_DESCRIPTION: Final = 1000
"""Characters of a description that GitHub shows."""
_ROWS: Final = 50
"""Maximum number of packages in the help of a rule."""
_LONGEST_CELL: Final = 200
_CONTAINERS: Final = 20
"""Maximum number of containers that a result names."""


def group_vulnerabilities(assessment: Assessment) -> dict[str, list[ReportedVulnerability]]:
    """Return the vulnerabilities of all images and SBOMs by slug of the control in their place."""
    groups: dict[str, list[ReportedVulnerability]] = {}
    for subject in iterate_subjects(assessment):
        for entry in subject.vulnerabilities:
            groups.setdefault(entry.definition.slug, []).append(entry)
    return groups


def describe_rule(entries: Sequence[ReportedVulnerability]) -> dict[str, Any]:
    """Return the reportingDescriptor (§3.49) of the vulnerability of all these packages."""
    first = max(entries, key=lambda entry: (entry.severity, entry.score or 0.0))
    weaknesses = dict.fromkeys(weakness for entry in entries for weakness in entry.weaknesses)
    title = f"{first.id}: {first.title}"
    advice = dict.fromkeys(visible(recommend(entry)) for entry in entries)
    properties: dict[str, Any] = {"precision": "high"}
    # GitHub ranks alerts by this property of the rule.
    urgent = [get_score(entry) for entry in entries if get_level(entry) and entry.exception is None]
    if urgent or first.severity is not Severity.UNKNOWN:
        properties["security-severity"] = f"{max(urgent, default=_score(first)):.1f}"
    tags = ["security", "vulnerability", *(f"external/cwe/{weakness.lower()}" for weakness in weaknesses)]
    return {
        "id": first.id,
        "name": "KnownVulnerability",
        "shortDescription": {"text": visible(title)},
        "fullDescription": {"text": cut(first.description.strip() or title, _DESCRIPTION)},
        "help": {"text": "\n".join(advice), "markdown": _markdown(first, entries)},
        "helpUri": link_to(first.id),
        "defaultConfiguration": {"level": sarif_level(_score(first))},
        "properties": properties | {"tags": tags},
    }


def list_results(
    entries: Iterable[ReportedVulnerability], index: int, id_counts: Counter[str]
) -> Iterator[dict[str, Any]]:
    """Yield the results (§3.27) of a rule with this index; `id_counts` keeps fingerprints unique in the log."""
    for entry in entries:
        id_counts[entry.fingerprint] += 1
        yield _describe_result(entry, index, f"{entry.fingerprint}:{id_counts[entry.fingerprint]}")


def _describe_result(entry: ReportedVulnerability, index: int, fingerprint: str) -> dict[str, Any]:
    resource = entry.subject
    location = entry.evidence.location or resource.locate(()) or Location(resource.name)
    logical = describe_logical(entry.package, entry.purl or entry.package, "package")
    manifest = find_manifest_line(entry.containers)
    # Code scanning shows alerts at lines of the repository, in which no file of an image is.
    primary = describe_evidence_location(resource, location) if manifest is None else describe_physical(manifest)
    result: dict[str, Any] = {
        "ruleId": entry.id,
        "ruleIndex": index,
        "kind": "fail",
        "level": sarif_level(get_score(entry)),
        "message": {"text": _describe_message(entry)},
        "locations": [
            {
                "physicalLocation": primary,
                "logicalLocations": [logical, describe_resource(resource)],
            }
        ],
        **_list_related(entry, describe_evidence_location(resource, location), primary),
        "partialFingerprints": {"kubekeepVulnerability/v1": fingerprint},
        "properties": describe_priority(entry.priority) | _describe_facts(entry),
    }
    if entry.evidence.change is not None:
        result["baselineState"] = "new" if entry.evidence.change is FindingChange.NEW else "unchanged"
    if entry.exception is not None:
        result["suppressions"] = [describe_suppression(entry.exception)]
    return result


def _describe_message(entry: ReportedVulnerability) -> str:
    lines = [
        describe_vulnerability(entry),
        f"Image or SBOM: {entry.subject.name}",
        *(f"Run by {describe_container(container)}" for container in entry.containers[:_CONTAINERS]),
        *(f"Compared: {describe_record(record)}" for record in entry.records),
        f"Exploitation: {exploitation}" if (exploitation := describe_exploitation(entry)) else "",
        *entry.notes,
    ]
    return "\n".join(visible(line) for line in lines if line)


def _list_related(entry: ReportedVulnerability, file: dict[str, Any], primary: dict[str, Any]) -> dict[str, Any]:
    """Return the related locations (§3.27.22) of a vulnerability in an image that workloads run."""
    related = [{"physicalLocation": file, "message": {"text": visible(f"{entry.package} in the image")}}]
    for container in entry.containers[:_CONTAINERS]:
        if container.location is not None:
            text = f"Run by {container.label}"
            related.append(
                {"physicalLocation": describe_physical(container.location), "message": {"text": visible(text)}}
            )
    others = [location for location in related if location["physicalLocation"] != primary]
    return {"relatedLocations": others} if entry.containers and others else {}


def _describe_facts(entry: ReportedVulnerability) -> dict[str, Any]:
    facts = {
        "purl": entry.purl,
        "installedVersion": entry.version,
        "fixedVersion": entry.fixed_version,
        "path": entry.path,
        "layer": entry.layer,
        "cvssVector": entry.vector,
        "knownExploited": entry.known_exploited,
        "epss": entry.epss,
        "aliases": list(entry.aliases),
        "workloads": [visible(container.workload) for container in entry.containers],
    }
    return drop_empty(facts)


def _score(entry: ReportedVulnerability) -> float:
    """Return the CVSS score, or the lowest one of the severity."""
    return entry.definition.severity if entry.score is None else entry.score


def _markdown(first: ReportedVulnerability, entries: Sequence[ReportedVulnerability]) -> str:
    """Return a table of the affected packages, and links. All texts come from advisories and images."""
    rows = list(dict.fromkeys(_describe_row(entry) for entry in entries))
    links = [link for link in (link_to(first.id), *first.references) if link.startswith(("https://", "http://"))]
    parts = [
        f"**{_cell(first.title)}** ({first.severity.label}, {_cell(first.id)})",
        "| package | installed | fixed | file |\n| --- | --- | --- | --- |\n" + "\n".join(rows[:_ROWS]),
        f"and {len(rows) - _ROWS} more" if len(rows) > _ROWS else "",
        "### See also\n\n" + "\n".join(f"- <{link}>" for link in dict.fromkeys(links) if _is_plain(link)),
    ]
    return "\n\n".join(filter(None, parts))


def _describe_row(entry: ReportedVulnerability) -> str:
    cells = (entry.package, entry.version, entry.fixed_version or "none known", entry.path)
    return f"| {' | '.join(map(_cell, cells))} |"


def _cell(text: str) -> str:
    return escape_markdown(text, _LONGEST_CELL)


def _is_plain(link: str) -> bool:
    """Return True for a link without characters that end an autolink of Markdown."""
    return not any(character in "<> " or not character.isprintable() for character in link)
