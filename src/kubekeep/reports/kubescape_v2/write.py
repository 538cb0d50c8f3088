"""Document of Kubescape's JSON v2, part by part, for the formats that write it: JSON and YAML.

Deliberate difference: a control without a resource to evaluate is `skipped` with sub-status `irrelevant`, never
`passed`. Our additions are placed so that Kubescape's readers ignore them: `location`, `message` and `exception` in
the entries of `paths`, the top-level object `kubekeep`, and the lists of `vulnerabilities`. Objects are embedded without their secrets. The parts are
plain values in document order, and those that grow with the input are produced one at a time. No I/O.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any, Final, NamedTuple

import msgspec

from kubekeep.model.assessment import Assessment, Counts, DefinitionSummary, FrameworkSummary, UnreadInput
from kubekeep.model.attack import PriorityVector
from kubekeep.model.cluster import ClusterFacts
from kubekeep.model.comparison import Comparison
from kubekeep.model.definition import Definition
from kubekeep.model.enforcement import Enforcement
from kubekeep.model.git import Commit, GitRepository
from kubekeep.model.json_values import drop_empty
from kubekeep.model.redaction import redact
from kubekeep.model.severity import Severity
from kubekeep.model.source import Source
from kubekeep.model.subject import Subject
from kubekeep.model.text import utc_text
from kubekeep.model.verdict import Cause, Evidence, Reason, Status, Verdict, rate_severity
from kubekeep.reports.kubescape_v2.exceptions import (
    audit_exceptions,
    describe_exception,
    describe_policy,
    location_entry,
)
from kubekeep.reports.kubescape_v2.vulnerabilities import summarise_vulnerabilities

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
    Cause.MISSING_DATA: "requires review",
}
"""Kubescape's sub-status for a skipped control; causes without one are `notEvaluated`."""
_CATEGORIES: Final = {
    **dict.fromkeys(("aks", "api-server", "controller-manager", "eks", "etcd", "gke"), ("Control plane", "")),
    **dict.fromkeys(("host-files", "kube-proxy", "kubelet", "nodes", "scheduler"), ("Control plane", "")),
    "rbac": ("Access control", ""),
    "network": ("Network", ""),
    "secrets": ("Secrets", ""),
    "images": ("Workload", "Supply chain"),
    "resources": ("Workload", "Resource management"),
    "storage": ("Workload", "Storage"),
}
"""Kubescape's category and sub-category of areas of the library; other areas are "Workload"."""
_EXCEPTED: Final = "w/exceptions"
"""Kubescape's sub-status of a control that passed only because of exceptions."""
_HOSTS: Final = ("github", "gitlab", "bitbucket", "azure")
"""Parts of host names that identify Kubescape's Git providers."""
_MAX_CACHED: Final = 1 << 13
_MAX_REASONS: Final = 1 << 11
_NO_FIX: Final = {"path": "", "value": ""}
_FILE, _LOCAL_REPOSITORY, _DIRECTORY = ({"scanningTarget": number} for number in (1, 3, 4))
"""Kubescape's numbers for `scanningTarget`."""


def build_head(assessment: Assessment) -> dict[str, Any]:
    """Return the keys before `resources`."""
    cluster = assessment.target.cluster
    return {
        "generationTime": utc_text(assessment.finished),
        "clusterAPIServerInfo": cluster.info if cluster else None,
        "clusterCloudProvider": cluster.provider if cluster else "",
        "customerGUID": "",
        "clusterName": cluster.name if cluster else "",
        "reportGUID": "",
        "summaryDetails": _summary(assessment),
    }


def _list_priorities(assessment: Assessment) -> dict[str, dict[str, Any]]:
    """Return the value of `prioritizedResource` by resource ID."""
    entries = assessment.attacks.prioritised if assessment.attacks else ()
    return {
        (name := entry.resource.id): {
            "resourceID": name,
            "priorityVector": [_priority_vector(vector) for vector in entry.vectors],
            "score": entry.score,
            "severity": int(entry.severity),
        }
        for entry in entries
    }


def _priority_vector(vector: PriorityVector) -> dict[str, Any]:
    steps = [
        {"controlID": step.control.id, "category": step.category, "tags": list(step.tags)} for step in vector.steps
    ]
    score = {"score": vector.score, "severity": int(vector.severity)}
    return {"attackTrackName": vector.track, "type": "control", "vector": steps, **score}


def sort_resources(assessment: Assessment) -> list[tuple[str, int]]:
    """Return the order of `resources` and `results`: the ID of each resource and its index in `assessment.results`."""
    return sorted((result.subject.id, index) for index, result in enumerate(assessment.results))


class ResultEntry(msgspec.Struct, frozen=True):
    """An entry of `results`, with each control already encoded as text."""

    id: str
    controls: list[str]
    priority: dict[str, Any] | None


class EntryEncoder(NamedTuple):
    """Functions of a format that encode a control entry, and append evidence to the rule of an encoded entry."""

    encode_control: Callable[[dict[str, Any]], str]
    append_evidence: Callable[[str, Verdict, Subject], str]


def encode_results(
    assessment: Assessment, order: list[tuple[str, int]], encoder: EntryEncoder
) -> Iterator[ResultEntry]:
    """Yield the entries of resources with verdicts; the common part of equal verdicts of a control is encoded once."""
    texts = _ControlEntries(assessment, encoder)
    priorities = _list_priorities(assessment)
    for name, index in order:
        result = assessment.results[index]
        if controls := [texts.encode(slug, verdict, result.subject) for slug, verdict in result.verdicts.items()]:
            yield ResultEntry(name, controls, priorities.get(name))


class _ControlEntries:
    """Cache of encoded control entries: most verdicts of a control are equal or differ only in their evidence."""

    def __init__(self, assessment: Assessment, encoder: EntryEncoder) -> None:
        self._assessment = assessment
        self._encoder = encoder
        self._by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
        self._levels = {slug: summary.definition.level for slug, summary in self._by_slug.items()}
        self._without_evidence: dict[tuple[str, Status, Reason | None, bool, Severity], str] = {}
        self._complete: dict[tuple[str, int], str] = {}
        """Entries with evidence, by slug and id() of the verdict, which the assessment keeps alive."""

    def encode(self, slug: str, verdict: Verdict, resource: Subject) -> str:
        """Return the encoded entry of a control for a verdict on a resource."""
        text = self._complete.get((slug, id(verdict)))
        if text is None:
            text = self._encode_uncached(slug, verdict, resource)
            is_placed = bool(resource.related) or (bool(verdict.evidence) and resource.source is not None)
            if not is_placed and len(self._complete) < _MAX_CACHED:
                self._complete[slug, id(verdict)] = text
        return text

    def _encode_uncached(self, slug: str, verdict: Verdict, resource: Subject) -> str:
        level = _rate(self._by_slug[slug].definition, verdict) if verdict.changes_severity else self._levels[slug]
        key = (slug, verdict.status, verdict.reason, verdict.is_excepted, level)
        text = self._without_evidence.get(key)
        if text is None:
            text = self._encoder.encode_control(control_entry(self._by_slug[slug], verdict, self._assessment))
            if len(self._without_evidence) < _MAX_REASONS:
                self._without_evidence[key] = text
        return self._encoder.append_evidence(text, verdict, resource) if verdict.evidence else text


def build_tail(assessment: Assessment, format_name: str, *, audit: bool = False) -> dict[str, Any]:
    """Return the keys after `results`; `audit` adds the audit of exceptions."""
    entries: dict[str, Any] = {"metadata": _metadata(assessment, format_name)}
    gaps = [summary for summary in assessment.summaries if summary.is_gap]
    if gaps or assessment.unread:
        entries["scanCoverage"] = _coverage(assessment, gaps)
    if audit:
        entries["exceptionAudit"] = audit_exceptions(assessment)
    entries["kubekeep"] = _kubekeep_section(assessment)
    return entries


def _summary(assessment: Assessment) -> dict[str, Any]:
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    by_control: Counter[Severity] = Counter()
    by_finding: Counter[Severity] = Counter()
    for summary in assessment.summaries:
        if summary.status is Status.FAILED:
            by_control[summary.definition.level] += 1
            by_finding[summary.definition.level] += summary.counts.failed
    return {
        "controls": {
            summary.definition.id: {**_control(summary), "severity": summary.definition.level.label}
            for summary in assessment.summaries
        },
        "status": _STATUS[assessment.status],
        "frameworks": [_framework(framework, by_slug) for framework in assessment.frameworks],
        "resourcesSeverityCounters": _severities(by_finding),
        "controlsSeverityCounters": _severities(by_control),
        "ResourceCounters": _counters(assessment.counts),
        "vulnerabilities": summarise_vulnerabilities(assessment),
        "score": assessment.score,
        "complianceScore": assessment.compliance or 0.0,
    }


def _framework(summary: FrameworkSummary, by_slug: dict[str, DefinitionSummary]) -> dict[str, Any]:
    members = (by_slug[slug] for slug in summary.controls)
    return {
        "controls": {member.definition.id: _control(member) for member in members},
        "name": summary.framework.name,
        "status": _STATUS[summary.status],
        "version": summary.framework.version,
        "ResourceCounters": _counters(summary.counts),
        "score": summary.score,
        "complianceScore": summary.compliance or 0.0,
    }


def _control(summary: DefinitionSummary) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "statusInfo": _status(summary.status, summary.reason, excepted=bool(summary.counts.excepted)),
        "controlID": summary.definition.id,
        "name": summary.definition.title,
        "status": _STATUS[summary.status],
        "resourceIDs": {},
        "ResourceCounters": _counters(summary.counts),
        "subStatusCounters": {"ignoredResources": summary.counts.excepted},
        "score": summary.score,
    }
    if summary.compliance is not None:
        entry["complianceScore"] = summary.compliance
    entry["scoreFactor"] = summary.definition.severity
    if summary.definition.area:
        entry["category"] = _category(summary.definition.area)
    if summary.definition.link:
        entry["documentation"] = summary.definition.link
    if summary.enforcement:
        # Kubescape's readers expect one policy; the `kubekeep` object lists all.
        entry["vapEnforcement"] = _enforcement(summary.enforcement[0])
    return entry


def _enforcement(enforcement: Enforcement) -> dict[str, Any]:
    return {
        "policyName": enforcement.policy,
        "bound": enforcement.is_bound,
        "actions": list(enforcement.actions),
        "partial": enforcement.is_partial,
    }


def _category(area: str) -> dict[str, Any]:
    """Return the category in Kubescape's terms; its ID stays empty because our areas are not numbered."""
    name, sub = _CATEGORIES.get(area, ("Workload", ""))
    return {"name": name, "id": ""} | ({"subCategory": {"name": sub, "id": ""}} if sub else {})


def _status(status: Status, reason: Reason | None, *, excepted: bool) -> dict[str, str]:
    entry = {"status": _STATUS[status]}
    if status is Status.PASSED and excepted:
        entry["subStatus"] = _EXCEPTED
    if status is Status.NOT_EVALUATED:
        entry["subStatus"] = _sub_status(reason)
        if reason is not None and reason.text:
            entry["info"] = reason.text
    return entry


def status_words(status: Status, reason: Reason | None) -> tuple[str, str]:
    """Return Kubescape's status and sub-status; the sub-status is empty unless the control was not evaluated."""
    return _STATUS[status], _sub_status(reason) if status is Status.NOT_EVALUATED else ""


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
    return {f"{level.name.lower()}Severity": counts[level] for level in sorted(Severity, reverse=True) if level}


def resource_entry(name: str, resource: Subject) -> dict[str, Any]:
    """Return the entry of `resources`; `name` is the ID of the resource."""
    entry: dict[str, Any] = {"resourceID": name, "object": redact(resource)}
    if resource.source is not None:
        entry["source"] = _source(resource, resource.source)
    return entry


def _source(resource: Subject, source: Source) -> dict[str, Any]:
    file_type = source.file_type
    entry: dict[str, Any] = {"path": source.base, "relativePath": source.path, "fileType": file_type.name}
    if source.origin is None:
        return entry
    location = resource.locate(("apiVersion",)) if "line" in dict(file_type.fields).values() else None
    line = location.region.start.line if location is not None and location.region is not None else None
    for name, field in file_type.fields:
        value = {"file": source.path, "line": line}.get(field) or getattr(source.origin, field, None)
        if value:
            entry[name] = list(value) if isinstance(value, tuple) else value
    return entry


def control_entry(summary: DefinitionSummary, verdict: Verdict, assessment: Assessment) -> dict[str, Any]:
    """Return the entry of `controls` for a verdict, without its evidence."""
    control = summary.definition
    rule: dict[str, Any] = {}
    if control.params:
        rule["controlConfigurations"] = {
            name: list(assessment.params.get(name, parameter.default)) for name, parameter in control.params.items()
        }
    rule["name"] = control.slug
    rule["status"] = _STATUS[verdict.status]
    status = _status(verdict.status, verdict.reason, excepted=verdict.is_excepted)
    rule["subStatus"] = status.get("subStatus", "")
    return {
        "controlID": control.id,
        "name": control.title,
        "status": status,
        "rules": [rule],
        "severity": _rate(control, verdict).label,
    }


def _rate(control: Definition, verdict: Verdict) -> Severity:
    """Return the severity of a failure, or of the control for another verdict."""
    return Severity.from_score(rate_severity(control.severity, verdict.evidence))


def evidence_details(verdict: Verdict, resource: Subject) -> dict[str, Any]:
    """Return the keys after `paths` at the end of the only rule of `associated`, for a verdict with evidence."""
    entry: dict[str, Any] = {}
    exceptions = dict.fromkeys(evidence.exception for evidence in verdict.evidence if evidence.exception is not None)
    if exceptions:
        entry["exception"] = [describe_policy(exception) for exception in exceptions]
    if resource.related:
        entry["relatedResourcesIDs"] = [related.id for related in resource.related]
    return entry


def list_paths(evidence: Evidence) -> Iterator[dict[str, Any]]:
    """Yield the entries of `paths`: each has exactly one path key, and `fixPath` even if it is empty."""
    optional = {
        "location": location_entry(evidence.location) if evidence.location else {},
        "message": evidence.message,
        "change": evidence.change,
        "lastCommit": _commit(evidence.commit) if evidence.commit else {},
        "exception": describe_exception(evidence.exception) if evidence.exception else {},
    }
    details = drop_empty(optional)
    has_no_fix = evidence.fix is None and not evidence.delete
    if not evidence.path:
        yield {"fixPath": _NO_FIX, **details}
        return
    if evidence.exists or has_no_fix:
        yield {"failedPath": evidence.path, "fixPath": _NO_FIX, **details}
    if has_no_fix:
        yield {"reviewPath": evidence.path, "fixPath": _NO_FIX, **details}
    if evidence.delete:
        yield {"deletePath": evidence.path, "fixPath": _NO_FIX, **details}
    if evidence.fix is not None:
        yield {"fixPath": {"path": evidence.path, "value": _plain_value(evidence.fix)}, **details}


def _plain_value(text: str) -> str:
    """Return a JSON-encoded fix as Kubescape writes values: strings without quotes."""
    return str(json.loads(text)) if text.startswith('"') else text


def _commit(commit: Commit) -> dict[str, str]:
    """Return the last commit of a file in Kubescape's keys."""
    return {
        "hash": commit.hash,
        "date": utc_text(commit.date),
        "committerName": commit.author,
        "committerEmail": commit.email,
        "message": commit.subject,
    }


def _metadata(assessment: Assessment, format_name: str) -> dict[str, Any]:
    target = assessment.target
    one_file = len(target.paths) == 1 and target.paths[0].lower().endswith((".yaml", ".yml", ".json"))
    if target.cluster is not None:
        context: dict[str, Any] = {"clusterContextMetadata": _cluster(assessment, target.cluster)}
        scanning_target = {}  # Kubescape omits its number for clusters, 0
    elif one_file:
        context, scanning_target = {"fileContextMetadata": {"filePath": target.paths[0], "hostName": ""}}, _FILE
    elif assessment.repository is not None:
        context, scanning_target = {"gitRepoContextMetadata": _repository(assessment.repository)}, _LOCAL_REPOSITORY
    else:
        context, scanning_target = {"directoryContextMetadata": {"basePath": target.base, "hostName": ""}}, _DIRECTORY
    frameworks = [framework.framework.name for framework in assessment.frameworks]
    return _encryption(assessment) | {
        "targetMetadata": context,
        "clusterMetadata": context.get("clusterContextMetadata", {}),
        "scanMetadata": {
            "targetType": "Framework" if frameworks else "Control",
            "kubescapeVersion": assessment.version,
            "formatVersion": "v2",
            "format": format_name,
            "formats": [format_name],
            "targetNames": frameworks or [summary.definition.id for summary in assessment.summaries],
            **scanning_target,
        },
    }


def _cluster(assessment: Assessment, facts: ClusterFacts) -> dict[str, Any]:
    """Return the cluster with the number of evaluated resources per namespace; cluster-scoped ones are not counted."""
    namespaces = Counter(result.subject.namespace for result in assessment.results if not result.subject.related)
    return {
        "namespaceToNumberOfResources": {name: count for name, count in sorted(namespaces.items()) if name},
        "cloudProvider": facts.provider,
        "contextName": facts.name,
        "numberOfWorkerNodes": facts.nodes,
    }


def _repository(repository: GitRepository) -> dict[str, Any]:
    address = repository.remote.removesuffix("/").removesuffix(".git")
    host, _, path = address.rpartition("://")[2].rpartition("@")[2].replace(":", "/", 1).partition("/")
    owner, _, name = path.rpartition("/")
    entry: dict[str, Any] = {
        "provider": next((word for word in _HOSTS if word in host), ""),
        "repo": name,
        "owner": owner,
        "branch": repository.branch,
        "defaultBranch": "",
        "remoteURL": repository.remote,
        "localRootPath": repository.root,
    }
    if repository.head is not None:
        entry["lastCommit"] = _commit(repository.head)
    return entry


def _encryption(assessment: Assessment) -> dict[str, Any]:
    encryption = assessment.encryption
    if encryption is None:
        return {}
    return {
        "encryptionMetadata": {
            "version": encryption.version,
            "dekAlgorithm": encryption.algorithm,
            "kekAlgorithm": encryption.key_algorithm,
            "encryptedDEK": encryption.key,
        }
    }


def _coverage(assessment: Assessment, gaps: list[DefinitionSummary]) -> dict[str, Any]:
    evaluated = sum(summary.status is not Status.NOT_EVALUATED for summary in assessment.summaries)
    hidden = assessment.target.cluster.gaps if assessment.target.cluster else ()
    return {
        "failedGVRPulls": [{"gvr": gap.gvr, "error": gap.reason} for gap in hidden if not gap.is_partial],
        "notEvaluatedControls": [
            {
                "controlID": summary.definition.id,
                "missingGVRs": [gap.gvr for gap in hidden if gap.affects(summary.definition)],
                "reason": summary.reason.text if summary.reason else "",
            }
            for summary in gaps
        ],
        "partialGVRPulls": [
            {"gvr": gap.gvr, "selector": gap.selector, "error": gap.reason} for gap in hidden if gap.is_partial
        ],
        "policyDegradations": [],
        "coverageScore": assessment.coverage,
        "evaluatedControls": evaluated,
        "totalControls": len(assessment.summaries),
        "degraded": True,
        "silentFailedGVRCount": 0,
        "vacuousFrameworks": [],
    }


def _baseline(comparison: Comparison) -> dict[str, Any]:
    """Return the numbers of findings by change since the baseline."""
    return {
        "file": comparison.base,
        "granularity": comparison.granularity,
        "new": len(comparison.new),
        "unchanged": len(comparison.unchanged),
        "resolved": len(comparison.resolved),
        "incomparable": len(comparison.incomparable),
        "accepted": len(comparison.excepted),
        "warnings": comparison.warnings,
    }


def _list_other_parts(assessment: Assessment) -> dict[str, Any]:
    """Return the parts of the input that a report lists although they were read or need not be."""
    lists = {"unassessed": assessment.unassessed, "unknownFields": assessment.unknown_fields}
    return {name: list(map(_unread, parts)) for name, parts in lists.items() if parts}


def _unread(unread: UnreadInput) -> dict[str, Any]:
    start = unread.location.region.start if unread.location.region else None
    return {
        "file": unread.location.file,
        "line": start.line if start else None,
        "column": start.column if start else None,
        "message": unread.message,
    }


def _kubekeep_section(assessment: Assessment) -> dict[str, Any]:
    """Return the facts that Kubescape's keys do not cover; some only if they are known."""
    enforcement = {
        summary.definition.id: [_enforcement(policy) for policy in summary.enforcement]
        for summary in assessment.summaries
        if summary.enforcement
    }
    facts = assessment.target.cluster
    cluster = {"distribution": facts.distribution, "distributionVersion": facts.distribution_version} if facts else {}
    return {
        "version": assessment.version,
        "kubernetesVersion": assessment.kubernetes_version,
        "files": assessment.files,
        "coverage": assessment.coverage,
        "targets": list(assessment.target.names),
        **({"cluster": cluster} if cluster else {}),
        "choice": str(assessment.resource_selection),
        "parameters": {name: list(values) for name, values in assessment.set_params.items()},
        **({"baseline": _baseline(assessment.baseline)} if assessment.baseline else {}),
        **({"enforcement": enforcement} if enforcement else {}),
        **({"pseudonyms": assessment.pseudonyms} if assessment.pseudonyms else {}),
        "frameworks": {
            framework.framework.name: {"coverage": framework.coverage} for framework in assessment.frameworks
        },
        "notes": list(assessment.notes),
        "unread": list(map(_unread, assessment.unread)),
        **_list_other_parts(assessment),
    }
