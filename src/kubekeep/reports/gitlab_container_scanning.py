"""GitLab's security report for container scanning (schema 15), for merge requests and the vulnerability report.

One vulnerability per affected package of an image or SBOM. Controls are not part of it: `gitlab-sast` has those. Unread
input, packages that were not assessed and exceptions are messages of the scan, because GitLab treats every vulnerability of a
report as open. The report has no remediations: their patches change files of a repository.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.findings import MOST, UniqueIds, cut, exception_text
from kubekeep.reports.shared.gitlab_reports import (
    MAX_DESCRIPTION,
    MAX_IDENTIFIERS,
    MAX_NAME,
    MAX_SOLUTION,
    create_message,
    write_report,
)
from kubekeep.reports.shared.vulnerabilities import (
    ReportedVulnerability,
    VulnerableSubject,
    get_repository,
    iterate_subjects,
)
from kubekeep.reports.shared.vulnerability_text import (
    describe_container,
    describe_exploitation,
    describe_record,
    describe_vulnerability,
    link_to,
    recommend,
)
from kubekeep.reports.shared.wording import code, count_noun

_VECTOR: Final = re.compile(r"CVSS:3\.[01](?:/[A-Z]{1,3}:[A-Z]){1,25}")
"""CVSS 3: the only version that the report and our advisories share."""
_LONGEST_VECTOR: Final = 128
_LONGEST_IMAGE: Final = 255
_UNKNOWN: Final = "unknown"
_WEAKNESS: Final = "CWE-"


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a final line feed."""
    unique_ids = UniqueIds()
    entries = (
        _describe(entry, subject, unique_ids(entry.fingerprint))
        for subject in iterate_subjects(assessment)
        for entry in subject.open
    )
    write_report(assessment, "container_scanning", _list_exceptions(assessment), entries, stream)


def _list_exceptions(assessment: Assessment) -> Iterator[dict[str, str]]:
    counts: Counter[str] = Counter()
    for subject in iterate_subjects(assessment):
        counts.update(exception_text(entry.exception) for entry in subject.excepted if entry.exception is not None)
    for text, count in counts.items():
        yield create_message("info", f"{count_noun(count, 'vulnerability')} {text}")


def _describe(entry: ReportedVulnerability, subject: VulnerableSubject, uid: str) -> dict[str, Any]:
    links = (link for link in entry.references if link.startswith(("https://", "http://")))
    vulnerability: dict[str, Any] = {
        "id": uid,
        "name": cut(visible(f"{entry.id}: {entry.title}"), MAX_NAME),
        "description": cut(_describe_text(entry), MAX_DESCRIPTION),
        "severity": get_level(entry).label,
        "solution": cut(visible(recommend(entry)), MAX_SOLUTION),
        "identifiers": list(_list_identifiers(entry))[:MAX_IDENTIFIERS],
        "links": [{"url": link} for link in dict.fromkeys(links)],
        "details": _describe_details(entry, subject),
        "location": {
            "dependency": {"package": {"name": visible(entry.package)}, "version": visible(entry.version)},
            "operating_system": visible(subject.operating_system) or _UNKNOWN,
            "image": visible(subject.reference) or _UNKNOWN,
            # GitLab tracks by this name, so that a new tag is not a new vulnerability.
            "default_branch_image": cut(visible(get_repository(subject.reference)), _LONGEST_IMAGE),
        },
    }
    if _VECTOR.fullmatch(entry.vector) and len(entry.vector) <= _LONGEST_VECTOR:
        vulnerability["cvss_vectors"] = [{"vendor": visible(entry.severity_source) or _UNKNOWN, "vector": entry.vector}]
    return vulnerability


def _describe_text(entry: ReportedVulnerability) -> str:
    """Return the description as Markdown; code spans keep names of packages from becoming markup."""
    facts = (describe_vulnerability(entry), describe_exploitation(entry), *entry.notes)
    return "\n\n".join((*(code(fact) for fact in facts if fact), entry.description.strip())).strip()


def _list_identifiers(entry: ReportedVulnerability) -> Iterator[dict[str, str]]:
    """Yield the identifiers; GitLab tracks by the first one."""
    for name in dict.fromkeys((entry.id, *entry.aliases, *entry.upstream)):
        kind = name.partition("-")[0].lower() or _UNKNOWN
        yield {"type": visible(kind), "name": visible(name) or _UNKNOWN, "value": visible(name), "url": link_to(name)}
    for weakness in entry.weaknesses:
        number = weakness.removeprefix(_WEAKNESS)
        if number.isdecimal():
            url = f"https://cwe.mitre.org/data/definitions/{number}.html"
            yield {"type": "cwe", "name": weakness, "value": number, "url": url}


def _describe_details(entry: ReportedVulnerability, subject: VulnerableSubject) -> dict[str, Any]:
    texts = {
        "purl": ("Package URL", entry.purl),
        "location": ("Entry in the SBOM", "" if entry.location is None else str(entry.location)),
        "path": ("File", entry.path),
        "layer": ("Layer", entry.layer),
        "digest": ("Image digest", subject.digest),
        "fixed": ("Fixed version", entry.fixed_version),
    }
    details: dict[str, Any] = {
        key: {"name": name, "type": "code", "value": visible(value)} for key, (name, value) in texts.items() if value
    }
    if entry.records:
        records = [{"type": "text", "value": visible(describe_record(record))} for record in entry.records[:MOST]]
        details["evidence"] = {"name": "Compared advisories", "type": "list", "items": records}
    if entry.containers:
        containers = [
            {"type": "text", "value": visible(describe_container(container))} for container in entry.containers[:MOST]
        ]
        details["workloads"] = {"name": "Run by", "type": "list", "items": containers}
    return details


FORMAT: Final = ReportFormat(
    name="gitlab-container-scanning",
    extension=".json",
    owns_extension=False,
    media_type="application/json",
    description="GitLab's security report (container scanning) of vulnerabilities",
    render=render,
)
