"""JSON in the layout of Kubescape's `--format json` (format version v2), so that what reads the one reads the other.

Where the two differ on purpose: a control with nothing to look at is `skipped` with the sub-status
`irrelevant`, never `passed`. Additions of our own stand where readers do not trip over them: `location` and
`message` in the entries of `paths`, and the top-level object `kubekeep`. Objects are embedded without their
secrets. The report is encoded piece by piece into the stream and never stands in memory as a whole; what the
verdicts of a control share is encoded once.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any, Final, TextIO

from kubekeep.model.assessment import Assessment, ControlSummary, Counts, FrameworkSummary
from kubekeep.model.commit import Commit
from kubekeep.model.comparison import Comparison
from kubekeep.model.finding import Cause, Evidence, Reason, Status, Verdict
from kubekeep.model.location import Location, Region
from kubekeep.model.redaction import redacted
from kubekeep.model.resource import FileType, Resource, Source
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, utc_text
from kubekeep.reports.format import Format, Options

_STATUS: Final = {Status.PASSED: "passed", Status.FAILED: "failed", Status.NOT_EVALUATED: "skipped"}
_SUB_STATUS: Final = {
    Cause.IRRELEVANT: "irrelevant",
    Cause.CONFIGURATION: "configuration",
    Cause.NEEDS_CLUSTER: "integration",
    Cause.NEEDS_HOST_DATA: "integration",
    Cause.NEEDS_CLOUD_DATA: "integration",
    Cause.NEEDS_IMAGE_DATA: "integration",
    Cause.NEEDS_NETWORK: "integration",
    Cause.MANUAL: "manual review",
    Cause.DECLINED: "requires review",
}
"""Kubescape's words for why something was skipped; causes it has none for are `notEvaluated`."""
_NO_FIX: Final = {"path": "", "value": ""}
_FILE, _DIRECTORY = 1, 4
"""Kubescape's numbers of `scanningTarget`."""


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the report as one line of JSON with a line feed at its end."""
    order = sorted((result.resource.id, index) for index, result in enumerate(assessment.results))
    head = {
        "generationTime": utc_text(assessment.finished),
        "clusterAPIServerInfo": None,
        "clusterCloudProvider": "",
        "customerGUID": "",
        "clusterName": "",
        "reportGUID": "",
        "summaryDetails": _summary(assessment),
    }
    stream.write(json_text(head)[:-1])
    if order:
        resources = (_resource(name, assessment.results[index].resource) for name, index in order)
        _write_list(stream, "resources", map(json_text, resources))
    stream.write(',"attributes":null')
    _write_list(stream, "results", _results(assessment, order))
    tail: dict[str, Any] = {"metadata": _metadata(assessment)}
    gaps = [summary for summary in assessment.controls if summary.is_gap]
    if gaps or assessment.unread:
        tail["scanCoverage"] = _coverage(assessment, gaps)
    tail["kubekeep"] = _own(assessment)
    stream.write("," + json_text(tail)[1:] + "\n")


def _write_list(stream: TextIO, key: str, items: Iterable[str]) -> None:
    stream.write(f',"{key}":[')
    stream.writelines("," + item if index else item for index, item in enumerate(items))
    stream.write("]")


def _summary(assessment: Assessment) -> dict[str, Any]:
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    by_control: Counter[Severity] = Counter()
    by_finding: Counter[Severity] = Counter()
    for summary in assessment.controls:
        if summary.status is Status.FAILED:
            by_control[summary.control.level] += 1
            by_finding[summary.control.level] += summary.counts.failed
    return {
        "controls": {
            summary.control.id: {**_control(summary), "severity": summary.control.level.label}
            for summary in assessment.controls
        },
        "status": _STATUS[assessment.status],
        "frameworks": [_framework(framework, by_slug) for framework in assessment.frameworks],
        "resourcesSeverityCounters": _severities(by_finding),
        "controlsSeverityCounters": _severities(by_control),
        "ResourceCounters": _counters(assessment.counts),
        "vulnerabilities": {"mapsSeverityToSummary": {}, "CVEs": [], "packageScores": {}, "images": []},
        "score": assessment.score,
        "complianceScore": assessment.compliance or 0.0,
    }


def _framework(summary: FrameworkSummary, by_slug: dict[str, ControlSummary]) -> dict[str, Any]:
    members = (by_slug[slug] for slug in summary.controls)
    return {
        "controls": {member.control.id: _control(member) for member in members},
        "name": summary.framework.name,
        "status": _STATUS[summary.status],
        "version": summary.framework.version,
        "ResourceCounters": _counters(summary.counts),
        "score": summary.score,
        "complianceScore": summary.compliance or 0.0,
    }


def _control(summary: ControlSummary) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "statusInfo": _status(summary.status, summary.reason),
        "controlID": summary.control.id,
        "name": summary.control.title,
        "status": _STATUS[summary.status],
        "resourceIDs": {},
        "ResourceCounters": _counters(summary.counts),
        "subStatusCounters": {"ignoredResources": 0},
        "score": summary.score,
    }
    if summary.compliance is not None:
        entry["complianceScore"] = summary.compliance
    entry["scoreFactor"] = summary.control.severity
    if summary.control.link:
        entry["documentation"] = summary.control.link
    return entry


def _status(status: Status, reason: Reason | None) -> dict[str, str]:
    entry = {"status": _STATUS[status]}
    if status is Status.NOT_EVALUATED:
        entry["subStatus"] = _sub_status(reason)
        if reason is not None and reason.text:
            entry["info"] = reason.text
    return entry


def _sub_status(reason: Reason | None) -> str:
    return "notEvaluated" if reason is None else _SUB_STATUS.get(reason.cause, "notEvaluated")


def _counters(counts: Counts) -> dict[str, int]:
    return {
        "passedResources": counts.passed,
        "failedResources": counts.failed,
        "skippedResources": counts.not_evaluated,
        "excludedResources": 0,
    }


def _severities(counts: Counter[Severity]) -> dict[str, int]:
    levels = (Severity.CRITICAL, Severity.HIGH, Severity.MEDIUM, Severity.LOW)
    return {f"{level.name.lower()}Severity": counts[level] for level in levels}


def _resource(name: str, resource: Resource) -> dict[str, Any]:
    entry: dict[str, Any] = {"resourceID": name, "object": redacted(resource)}
    if resource.source is not None:
        entry["source"] = _source(resource, resource.source)
    return entry


def _source(resource: Resource, source: Source) -> dict[str, Any]:
    entry: dict[str, Any] = {"path": source.base, "relativePath": source.path, "fileType": source.file_type}
    origin = source.origin
    if origin is not None and source.file_type is FileType.HELM:
        place = resource.locate(("apiVersion",))
        entry |= {"helmPath": origin.folder, "helmChartName": origin.chart, "helmTemplateFile": source.path}
        if origin.values:
            entry["helmValuesPaths"] = list(origin.values)
        if place is not None and place.region is not None:
            entry["helmTemplateLine"] = place.region.start.line
        if origin.subchart:
            entry["helmSubchart"] = origin.subchart
    elif origin is not None and source.file_type is FileType.KUSTOMIZE:
        entry["kustomizeDirectoryName"] = origin.folder
    return entry


def _results(assessment: Assessment, order: list[tuple[str, int]]) -> Iterator[str]:
    """The JSON text of each entry of `results`; verdicts of one control differ in their evidence only."""
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    known: dict[tuple[str, Status, Reason | None], str] = {}
    for name, index in order:
        result = assessment.results[index]
        controls: list[str] = []
        for slug, verdict in result.verdicts.items():
            key = (slug, verdict.status, verdict.reason)
            text = known.get(key)
            if text is None:
                text = known[key] = json_text(_associated(by_slug[slug], verdict, assessment))
            controls.append(_with_evidence(text, verdict, result.resource) if verdict.evidence else text)
        yield f'{{"resourceID":{json_text(name)},"controls":[{",".join(controls)}]}}'


def _associated(summary: ControlSummary, verdict: Verdict, of: Assessment) -> dict[str, Any]:
    """The entry of `controls` for a verdict, still without its evidence."""
    control = summary.control
    rule: dict[str, Any] = {}
    if control.params:
        rule["controlConfigurations"] = {
            name: list(of.params.get(name, parameter.default)) for name, parameter in control.params.items()
        }
    rule["name"] = control.slug
    rule["status"] = _STATUS[verdict.status]
    rule["subStatus"] = _sub_status(verdict.reason) if verdict.status is Status.NOT_EVALUATED else ""
    return {
        "controlID": control.id,
        "name": control.title,
        "status": _status(verdict.status, verdict.reason),
        "rules": [rule],
        "severity": control.level.label,
    }


def _with_evidence(text: str, verdict: Verdict, resource: Resource) -> str:
    """The text of `_associated` with the evidence at the end of its only rule."""
    head, mark, tail = text.rpartition('}],"severity":')
    more: dict[str, Any] = {"paths": [entry for evidence in verdict.evidence for entry in _paths(evidence)]}
    if resource.related:
        more["relatedResourcesIDs"] = [item.id for item in resource.related]
    return f"{head},{json_text(more)[1:-1]}{mark}{tail}"


def _paths(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """The entries of `paths`: each has exactly one of the path keys; `fixPath` is there even when empty."""
    place: dict[str, Any] = {} if evidence.location is None else {"location": _location(evidence.location)}
    if evidence.message:
        place["message"] = evidence.message
    if evidence.change is not None:
        place["change"] = evidence.change
    if evidence.commit is not None:
        place["lastCommit"] = _commit(evidence.commit)
    unmended = evidence.fix is None and not evidence.delete
    if not evidence.path:
        yield {"fixPath": _NO_FIX, **place}
        return
    if evidence.exists or unmended:
        yield {"failedPath": evidence.path, "fixPath": _NO_FIX, **place}
    if unmended:
        yield {"reviewPath": evidence.path, "fixPath": _NO_FIX, **place}
    if evidence.delete:
        yield {"deletePath": evidence.path, "fixPath": _NO_FIX, **place}
    if evidence.fix is not None:
        yield {"fixPath": {"path": evidence.path, "value": _bare(evidence.fix)}, **place}


def _bare(text: str) -> str:
    """JSON text as Kubescape writes values: strings without their quotes."""
    return str(json.loads(text)) if text.startswith('"') else text


def _location(location: Location) -> dict[str, Any]:
    entry: dict[str, Any] = {"file": location.file, **_lines(location.region)}
    if location.setting is not None:
        setting = location.setting
        entry["setting"] = {"key": setting.key, "file": setting.file, **_lines(setting.region)}
    return entry


def _commit(commit: Commit) -> dict[str, str]:
    """In the words that Kubescape has for the last commit of a file."""
    return {
        "hash": commit.hash,
        "date": utc_text(commit.date),
        "committerName": commit.author,
        "committerEmail": commit.email,
        "message": commit.subject,
    }


def _lines(region: Region | None) -> dict[str, int]:
    if region is None:
        return {}
    start, end = region.start, region.end
    return {
        "startLine": start.line,
        "startColumn": start.column,
        "endLine": end.line,
        "endColumn": end.column,
    }


def _metadata(assessment: Assessment) -> dict[str, Any]:
    target = assessment.target
    one_file = len(target.paths) == 1 and target.paths[0].lower().endswith((".yaml", ".yml", ".json"))
    if one_file:
        context: dict[str, Any] = {"fileContextMetadata": {"filePath": target.paths[0], "hostName": ""}}
    else:
        context = {"directoryContextMetadata": {"basePath": target.base, "hostName": ""}}
    frameworks = [framework.framework.name for framework in assessment.frameworks]
    return {
        "targetMetadata": context,
        "clusterMetadata": {},
        "scanMetadata": {
            "targetType": "Framework" if frameworks else "Control",
            "kubescapeVersion": assessment.version,
            "formatVersion": "v2",
            "format": "json",
            "formats": ["json"],
            "targetNames": frameworks or [summary.control.id for summary in assessment.controls],
            "scanningTarget": _FILE if one_file else _DIRECTORY,
        },
    }


def _coverage(assessment: Assessment, gaps: list[ControlSummary]) -> dict[str, Any]:
    evaluated = sum(summary.status is not Status.NOT_EVALUATED for summary in assessment.controls)
    return {
        "failedGVRPulls": [],
        "notEvaluatedControls": [
            {
                "controlID": summary.control.id,
                "missingGVRs": [],
                "reason": summary.reason.text if summary.reason else "",
            }
            for summary in gaps
        ],
        "partialGVRPulls": [],
        "policyDegradations": [],
        "coverageScore": assessment.coverage,
        "evaluatedControls": evaluated,
        "totalControls": len(assessment.controls),
        "degraded": True,
        "silentFailedGVRCount": 0,
        "vacuousFrameworks": [],
    }


def _baseline(comparison: Comparison) -> dict[str, Any]:
    """How many findings are new and known; what became of each stands with its place."""
    lists = (comparison.new, comparison.unchanged, comparison.resolved, comparison.incomparable)
    counts = dict(zip(("new", "unchanged", "resolved", "incomparable"), map(len, lists), strict=True))
    return {"file": comparison.base, "granularity": comparison.granularity, **counts, "warnings": comparison.warnings}


def _own(assessment: Assessment) -> dict[str, Any]:
    return {
        "version": assessment.version,
        "kubernetesVersion": assessment.kubernetes_version,
        "files": assessment.files,
        "coverage": assessment.coverage,
        "targets": list(assessment.target.paths),
        "choice": str(assessment.choice),
        "parameters": {name: list(values) for name, values in assessment.set_params.items()},
        **({"baseline": _baseline(assessment.baseline)} if assessment.baseline else {}),
        "notes": list(assessment.notes),
        "unread": [
            {
                "file": item.location.file,
                "line": item.location.region.start.line if item.location.region else None,
                "column": item.location.region.start.column if item.location.region else None,
                "message": item.message,
            }
            for item in assessment.unread
        ],
    }


FORMAT: Final = Format(
    name="json",
    extension=".json",
    media_type="application/json",
    description="everything, in the layout of Kubescape's JSON v2",
    render=render,
)
