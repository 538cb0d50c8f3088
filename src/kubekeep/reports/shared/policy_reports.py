"""Policy reports: Kubernetes resources for dashboards, one per namespace and one for the cluster.

The two APIs, wgpolicyk8s.io and openreports.io, differ only in names, which a `Dialect` holds. Failures have the
result `fail`; exceptions, controls that were not evaluated and packages that no advisories cover `skip`; rule errors and unread input `error`. Passes
are counted but not listed. Reports are split before they exceed the size limits of `kubectl apply` and etcd.
Block-style YAML documents, written result by result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.definition import Definition
from kubekeep.model.finding import Finding
from kubekeep.model.json_values import drop_empty
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.text import encode_json, visible, xml_safe
from kubekeep.model.verdict import Reason, Status
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import (
    UniqueIds,
    cut,
    digest,
    exception_text,
    frameworks_by_control,
    identify,
    is_error,
    list_all_findings,
    list_changes,
    resource_name,
    unevaluated_resources,
    unix_time,
)
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import reason_text
from kubekeep.reports.shared.yaml_text import mapping_lines, sequence_entry

_MAX_BYTES: Final = 128 * 1024
"""Maximum bytes of a report: `kubectl apply` keeps a copy in annotations, limited to 256 KiB; etcd takes 1.5 MiB."""
_LONGEST: Final = 1024
"""Maximum characters of a text, longer than any Kubernetes name. A message may be four times as long."""
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""DNS label (RFC 1123), the syntax of namespace names."""
_NO_NAME: Final = re.compile("[^a-z0-9]+")
_NAME: Final = 60
"""Maximum characters of a report name: readable in tables, and with the part number within the 63 of a label."""
_COUNTS: Final = ("pass", "fail", "warn", "error", "skip")
_SEVERITY: Final = {level: level.name.lower() if level else "info" for level in Severity}
_ESCAPED: Final = re.compile(b"[<>&]")


class Dialect(msgspec.Struct, frozen=True):
    """One of the two APIs: its version and kinds, and True if a report names its source at the top level."""

    api_version: str
    namespaced: str
    clustered: str
    names_source: bool


class _Report(msgspec.Struct):
    """Results of one report with their number by outcome, their size in bytes, and the number of the part."""

    namespace: str
    part: int = 1
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    results: list[dict[str, Any]] = []
    size: int = 0


def create_format(name: str, description: str, dialect: Dialect) -> ReportFormat:
    """Return the format of an API."""

    def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
        _write(assessment, stream, dialect)

    return ReportFormat(
        name=name,
        extension=".yaml",
        owns_extension=False,
        media_type="application/yaml",
        description=description,
        render=render,
    )


def _write(assessment: Assessment, stream: TextIO, dialect: Dialect) -> None:
    """Write all reports; the cluster report is always present and includes unread input and unevaluated controls."""
    name = _name(assessment)
    for report in _reports(assessment):
        kind = dialect.namespaced if report.namespace else dialect.clustered
        metadata: dict[str, Any] = {"name": name if report.part == 1 else f"{name}-{report.part}"}
        if report.namespace:
            metadata["namespace"] = report.namespace
        metadata["labels"] = {"app.kubernetes.io/managed-by": "kubekeep"}
        head: dict[str, Any] = {"apiVersion": dialect.api_version, "kind": kind, "metadata": metadata}
        if dialect.names_source:
            head["source"] = "kubekeep"
        head["summary"] = {outcome: report.counts[outcome] for outcome in _COUNTS}
        stream.write("---\n")
        stream.write(mapping_lines(head))
        stream.write("results:\n" if report.results else "results: []\n")
        stream.writelines(sequence_entry(result, list_step="") for result in report.results)


def _name(assessment: Assessment) -> str:
    """Return `kubekeep-<folder>-<paths>`, which is stable so that applying a report replaces the previous one."""
    target = assessment.target
    folder = target.base.rstrip("/").rpartition("/")[2]
    parts = target.names if target.cluster else (folder, *sorted(target.paths))
    words = ["kubekeep", *(word for text in parts if (word := _NO_NAME.sub("-", text.lower()).strip("-")))]
    name = "-".join(words)
    if len(name) <= _NAME and all(map(str.isascii, parts)):
        return name
    return f"{name[: _NAME - 9].rstrip('-')}-{digest(*parts)[:8]}"


def _reports(assessment: Assessment) -> Iterator[_Report]:
    """Yield the reports sorted by namespace, the cluster report first, each as soon as it is full.

    Passes are counted in the first part of a namespace.
    """
    by_namespace: dict[str, list[dict[str, Any]]] = {"": []}
    for namespace, result in _results(assessment):
        by_namespace.setdefault(namespace, []).append(result)
    passed: Counter[str] = Counter()
    for resource_result in assessment.results:
        namespace = _namespace(resource_result.subject)
        by_namespace.setdefault(namespace, [])
        passed[namespace] += sum(
            verdict.status is Status.PASSED and not verdict.is_excepted for verdict in resource_result.verdicts.values()
        )
    for namespace in sorted(by_namespace):
        report = _Report(namespace, counts=Counter({"pass": passed[namespace]}))
        for result in by_namespace[namespace]:
            size = _size(result)
            if report.results and report.size + size > _MAX_BYTES:
                yield report
                report = _Report(namespace, part=report.part + 1)
            report.results.append(result)
            report.size += size
            report.counts[result["result"]] += 1
        yield report


def _namespace(resource: Subject) -> str:
    """Return the namespace of the report for a resource; empty if it has none or an invalid one."""
    return resource.namespace if _LABEL.fullmatch(resource.namespace) else ""


def _size(result: Mapping[str, Any]) -> int:
    """Return the size in bytes of the JSON that Go writes, which escapes three more characters."""
    text = encode_json(result).encode()
    return len(text) + 5 * len(_ESCAPED.findall(text)) + 1


def _results(assessment: Assessment) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield all results with the namespace of their report."""
    names_by_slug = {
        slug: [framework.name for framework in frameworks]
        for slug, frameworks in frameworks_by_control(assessment).items()
    }
    stamp = {"seconds": int(unix_time(assessment.finished)), "nanos": 0}
    for unread in assessment.unread:
        yield "", _input(f"not read: {unread.location}: {unread.message}", "error", stamp)
    for uncovered in list_uncovered(assessment):
        yield "", _input(f"{uncovered.location}: {uncovered.message}", "skip", stamp)
    for finding, uid in identify(list_all_findings(assessment), UniqueIds()):
        yield _namespace(finding.subject), _finding_result(finding, uid, stamp, names_by_slug)
    for summary, resource, reason in unevaluated_resources(assessment):
        entry = _unevaluated_result(summary.definition, reason, stamp)
        yield _namespace(resource), entry | {"resources": _references(resource)}
    for summary in assessment.summaries:
        if summary.is_gap:
            yield "", _unevaluated_result(summary.definition, summary.reason, stamp)


def _input(text: str, outcome: str, stamp: dict[str, int]) -> dict[str, Any]:
    return {
        "policy": "kubekeep",
        "rule": "input",
        "category": "input",
        "source": "kubekeep",
        "result": outcome,
        "message": _message(text),
        "timestamp": stamp,
    }


def _result(control: Definition, outcome: str, message: str, stamp: dict[str, int]) -> dict[str, Any]:
    return {
        "policy": _text(control.id),
        "rule": _text(control.slug),
        "category": _text(control.area) or "custom",
        "severity": _SEVERITY[control.level],
        "source": "kubekeep",
        "result": outcome,
        "scored": outcome == "fail",
        "message": _message(message),
        "timestamp": stamp,
        "properties": {"title": _text(control.title)},
    }


def _finding_result(
    finding: Finding, uid: str, stamp: dict[str, int], frameworks: Mapping[str, list[str]]
) -> dict[str, Any]:
    control, location = finding.definition, finding.location
    message = "\n".join((f"{control.title}: {resource_name(finding.subject)}", *list_changes(finding)))
    entry = _result(control, "skip" if finding.suppressions else "fail", message, stamp)
    entry["severity"] = _SEVERITY[priority_level(finding)]
    properties = entry["properties"]
    properties["fingerprint"] = uid
    if location is not None:
        properties["place"] = _text(str(location))
    if names := frameworks.get(control.slug):
        properties["frameworks"] = _text(", ".join(names))
    if control.link:
        properties["link"] = _text(control.link)
    if finding.suppressions:
        properties["waiver"] = _text("; ".join(map(exception_text, finding.suppressions)))
    entry["resources"] = _references(finding.subject)
    return entry


def _unevaluated_result(control: Definition, reason: Reason | None, stamp: dict[str, int]) -> dict[str, Any]:
    return _result(control, "error" if is_error(reason) else "skip", f"not evaluated: {reason_text(reason)}", stamp)


def _references(resource: Subject) -> list[dict[str, str]]:
    references = (
        {
            "apiVersion": _text(referenced.api_version),
            "kind": _text(referenced.kind),
            "namespace": _text(referenced.namespace),
            "name": _text(referenced.name),
        }
        for referenced in (resource, *resource.related)
    )
    return list(filter(None, map(drop_empty, references)))


def _text(text: str) -> str:
    return cut(xml_safe(visible(text)), _LONGEST)


def _message(text: str) -> str:
    return cut(xml_safe("\n".join(map(visible, text.split("\n")))), 4 * _LONGEST)
