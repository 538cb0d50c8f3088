"""OSCAL assessment results (NIST, 1.1.3): reviewed controls, observations, and the outcome of each control.

One observation per failed control and resource, one finding and one risk per control; excepted findings are a
separate risk with an approved deviation. Controls that were not evaluated are excluded from the reviewed controls,
observed as not evaluated, and have no finding, because OSCAL only knows satisfied and not satisfied. Unread input and
packages that no advisories cover are observations of their own. All UUIDs except
the document's are derived from fingerprints and stable from scan to scan. The parts are encoded one by one.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, TextIO
from urllib.parse import quote

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary, UnreadInput
from kubekeep.model.definition import Definition
from kubekeep.model.finding import Finding
from kubekeep.model.json_values import drop_empty
from kubekeep.model.subject import Subject
from kubekeep.model.text import encode_json, json_entries, json_text, utc_text, visible
from kubekeep.model.verdict import Evidence, Status
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.shared.findings import (
    MOST,
    UniqueIds,
    exception_text,
    identify,
    list_all_findings,
    resource_name,
    unevaluated_resources,
)
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import code, describe_change, reason_text

_VERSION: Final = "1.1.3"
_NAMES: Final = "https://kubekeep.io/ns/oscal"
"""Namespace of our properties and UUIDs."""
_SPACE: Final = uuid.uuid5(uuid.NAMESPACE_URL, _NAMES)
_NO_TOKEN: Final = re.compile(r"[^A-Za-z0-9._-]")


class _ControlObservations(msgspec.Struct, frozen=True):
    """UUIDs of the observations of a control: open, and excepted with the texts of the exceptions."""

    open: list[str]
    excepted: list[str]
    exceptions: dict[str, None]


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the document as one line of JSON with a final line feed."""
    plan = _uuid("plan", assessment.target.base, *assessment.target.names)
    name = visible(" ".join(assessment.target.names)) or "."
    head = {
        "uuid": _uuid("results", utc_text(assessment.started, "microseconds"), plan),
        "metadata": {
            "title": _line(f"Kubekeep assessment of {name}"),
            "last-modified": utc_text(assessment.finished),
            "version": utc_text(assessment.finished),
            "oscal-version": _VERSION,
        },
        "import-ap": {"href": f"#{plan}", "remarks": "There is no assessment plan. This resource describes the scan."},
        "back-matter": {"resources": [_plan(assessment, plan, name)]},
    }
    stream.write('{"assessment-results":' + json_text(head)[:-1] + ',"results":[')
    stream.write(json_text(_result(assessment))[:-1])
    observations = {summary.definition.slug: _ControlObservations([], [], {}) for summary in assessment.summaries}
    resources: dict[str, dict[str, Any]] = {}
    _write(stream, "observations", _observations(assessment, observations, resources))
    if resources:
        stream.write(',"local-definitions":{"inventory-items":[')
        stream.writelines(json_entries(resources.values()))
        stream.write("]}")
    _write(stream, "risks", _risks(assessment, observations))
    _write(stream, "findings", _findings(assessment, observations))
    stream.write("}]}}\n")


def _write(stream: TextIO, key: str, entries: Iterable[dict[str, Any]]) -> None:
    """Write a list of the result, or nothing if it is empty, as OSCAL requires."""
    count = 0
    for count, entry in enumerate(entries, start=1):
        stream.write((f',"{key}":[' if count == 1 else ",") + json_text(entry))
    if count:
        stream.write("]")


def _plan(assessment: Assessment, plan: str, name: str) -> dict[str, Any]:
    names = ", ".join(summary.framework.title for summary in assessment.frameworks) or "single controls"
    text = f"A scan of {code(name)} with Kubekeep {assessment.version}: {visible(names)}."
    return {"uuid": plan, "title": "Scan with Kubekeep", "description": text}


def _result(assessment: Assessment) -> dict[str, Any]:
    unread = len(assessment.unread)
    origin = f"{assessment.files} files" if assessment.target.cluster is None else "the cluster"
    gaps = f" {unread} part{'' if unread == 1 else 's'} of the input could not be read." if unread else ""
    return {
        "uuid": _uuid("result", utc_text(assessment.started, "microseconds"), assessment.target.base),
        "title": "Scan with Kubekeep",
        "description": f"{assessment.counts.total} resources from {origin} were assessed.{gaps}",
        "start": utc_text(assessment.started, "milliseconds"),
        "end": utc_text(assessment.finished, "milliseconds"),
        "props": _list_props(_list_facts(assessment)),
        "reviewed-controls": {"control-selections": list(_selections(assessment))},
    }


def _list_facts(assessment: Assessment) -> Iterator[tuple[str, str]]:
    """Yield the coverage, the assessed commit, so that an auditor can reproduce the assessment, and the platform."""
    yield "coverage", f"{assessment.coverage:g}"
    repository, cluster = assessment.repository, assessment.target.cluster
    if repository is not None:
        yield from (("repository", repository.remote), ("branch", repository.branch))
        yield "commit", repository.head.hash if repository.head else ""
    if cluster is not None:
        yield from (("kubernetes-version", cluster.version), ("distribution", cluster.distribution))
        yield "distribution-version", cluster.distribution_version


def _selections(assessment: Assessment) -> Iterator[dict[str, Any]]:
    """Yield one selection per framework, or one for all controls, with unevaluated controls excluded."""
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    groups = [(visible(framework.framework.title), framework.controls) for framework in assessment.frameworks]
    for title, slugs in groups or [("Selected controls", tuple(by_slug))]:
        members = [by_slug[slug] for slug in slugs]
        entry: dict[str, Any] = {"description": title}
        if members:
            entry["include-controls"] = [{"control-id": _token(member.definition.id)} for member in members]
        else:
            entry["include-all"] = {}
        skipped = [member for member in members if member.status is Status.NOT_EVALUATED]
        if skipped:
            entry["exclude-controls"] = [{"control-id": _token(member.definition.id)} for member in skipped]
            entry["remarks"] = "The excluded controls were not evaluated or have no matching resources."
        yield entry


def _observations(
    assessment: Assessment, observations: Mapping[str, _ControlObservations], resources: dict[str, dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Yield all observations. Adds their UUIDs to `observations`, and each resource to `resources` (inventory items)."""
    unique_ids = UniqueIds()
    moment = utc_text(assessment.finished)
    for finding, uid in identify(list_all_findings(assessment), unique_ids):
        entry = _observation(finding, uid, moment, resources)
        control_observations = observations[finding.definition.slug]
        (control_observations.excepted if finding.suppressions else control_observations.open).append(entry["uuid"])
        control_observations.exceptions.update(dict.fromkeys(map(exception_text, finding.suppressions)))
        yield entry
    unique_gap_ids = UniqueIds()
    for summary, resource, reason in unevaluated_resources(assessment):
        observation_id = _uuid("undecided", unique_gap_ids(encode_json([summary.definition.id, resource.id])))
        yield _gap_observation(observation_id, summary.definition.title, reason_text(reason), moment) | {
            "subjects": [_subject(resource, resources)]
        }
    for summary in assessment.summaries:
        if summary.is_gap:
            title = f"{summary.definition.id}: {summary.definition.title}"
            yield _gap_observation(_uuid("gap", summary.definition.id), title, reason_text(summary.reason), moment)
    inputs = (
        ("unread", "Input that was not read", assessment.unread),
        ("not assessed", "Input that was not assessed", list_uncovered(assessment)),
    )
    for kind, title, entries in inputs:
        for unread in entries:
            observation_id = _uuid(kind, unique_gap_ids(encode_json([str(unread.location), unread.message])))
            yield _input_observation(observation_id, title, unread, moment)


def _input_observation(observation_id: str, title: str, unread: UnreadInput, moment: str) -> dict[str, Any]:
    return {
        "uuid": observation_id,
        "title": title,
        "description": code(unread.message),
        "methods": ["UNKNOWN"],
        "collected": moment,
        "relevant-evidence": [{"href": _href(unread.location.file), "description": code(str(unread.location))}],
    }


def _observation(finding: Finding, uid: str, moment: str, resources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    control, resource = finding.definition, finding.subject
    entry: dict[str, Any] = {
        "uuid": _uuid("observation", uid),
        "title": _line(control.title),
        "description": f"{_describe(control)}\n\nNot satisfied by {code(resource_name(resource))}.",
        "props": [_prop("control", control.id), _prop("fingerprint", uid)],
        "methods": ["TEST"],
        "types": ["finding"],
        "subjects": [_subject(subject, resources) for subject in (resource, *resource.related)],
        "collected": moment,
    }
    if finding.evidence:
        entry["relevant-evidence"] = [_evidence(evidence, resource) for evidence in finding.evidence[:MOST]]
    return entry


def _evidence(evidence: Evidence, resource: Subject) -> dict[str, Any]:
    location = evidence.location or resource.locate(())
    entry: dict[str, Any] = {"description": code(describe_change(evidence))}
    if location is not None:
        entry = {"href": _href(location.file), **entry}
        if location.region is not None:
            start, end = location.region.start.line, location.region.end.line
            entry["props"] = [_prop("start-line", str(start)), _prop("end-line", str(end))]
    return entry


def _gap_observation(observation_id: str, title: str, reason: str, moment: str) -> dict[str, Any]:
    return {
        "uuid": observation_id,
        "title": _line(f"Not evaluated: {title}"),
        "description": visible(reason),
        "methods": ["UNKNOWN"],
        "collected": moment,
    }


def _subject(resource: Subject, resources: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Return the reference to a resource, and add the resource to the inventory of the result."""
    entry = resources.get(resource.id)
    if entry is None:
        props = {
            "api-version": resource.api_version,
            "kind": resource.kind,
            "namespace": resource.namespace,
            "name": resource.name,
            "file": resource.source.path if resource.source else "",
        }
        entry = {
            "uuid": _uuid("resource", resource.id),
            "description": code(resource_name(resource)),
            "props": _list_props(props.items()),
        }
        resources[resource.id] = entry = drop_empty(entry)
    return {"subject-uuid": entry["uuid"], "type": "inventory-item", "title": _line(code(resource_name(resource)))}


def _risks(assessment: Assessment, observations: Mapping[str, _ControlObservations]) -> Iterator[dict[str, Any]]:
    for summary in assessment.summaries:
        control_observations = observations[summary.definition.slug]
        if control_observations.open:
            yield _risk(summary.definition, "open", control_observations.open)
        if control_observations.excepted:
            entry = _risk(summary.definition, "deviation-approved", control_observations.excepted)
            words = "\n".join(f"- {code(text)}" for text in control_observations.exceptions)
            yield entry | {"description": f"{entry['description']}\n\nCovered by exceptions:\n\n{words}"}


def _risk(control: Definition, status: str, observations: list[str]) -> dict[str, Any]:
    recommendation = {
        "uuid": _uuid("remediation", status, control.id),
        "lifecycle": "recommendation",
        "title": "Remediation",
        "description": control.fix.strip(),
    }
    return {
        "uuid": _uuid("risk", status, control.id),
        "title": _line(control.title),
        "description": _describe(control),
        "statement": control.why.strip() or _describe(control),
        "props": [_prop("severity", control.level.label), _prop("severity-score", f"{control.severity:g}")],
        "status": status,
        "remediations": [recommendation],
        "related-observations": [{"observation-uuid": observation} for observation in observations],
    }


def _describe(control: Definition) -> str:
    """Return the requirement of a control, or the title of a vulnerability, which has no requirement."""
    return control.asks.strip() or f"No package has {code(control.id)}: {visible(control.title)}."


def _findings(assessment: Assessment, observations: Mapping[str, _ControlObservations]) -> Iterator[dict[str, Any]]:
    """Yield a finding for each evaluated control."""
    for summary in assessment.summaries:
        if summary.status is not Status.NOT_EVALUATED:
            yield _finding(summary, observations[summary.definition.slug])


def _finding(summary: DefinitionSummary, control_observations: _ControlObservations) -> dict[str, Any]:
    """Return the finding of a control; the reason is `other` if it is satisfied only because of exceptions."""
    control, counts = summary.definition, summary.counts
    if summary.status is Status.FAILED:
        status = {"state": "not-satisfied", "reason": "fail"}
    elif control_observations.excepted:
        status = {"state": "satisfied", "reason": "other", "remarks": "All failures are covered by exceptions."}
    else:
        status = {"state": "satisfied", "reason": "pass"}
    skipped = f", {counts.not_evaluated} not evaluated" if counts.not_evaluated else ""
    excepted = f" ({counts.excepted} by exceptions)" if counts.excepted else ""
    entry: dict[str, Any] = {
        "uuid": _uuid("finding", control.id),
        "title": _line(control.title),
        "description": f"Resources: {counts.failed} failed, {counts.passed} passed{excepted}{skipped}.",
        "target": {
            "type": "objective-id",
            "target-id": _token(control.id),
            "title": _line(control.title),
            "status": status,
        },
    }
    if observations := [*control_observations.open, *control_observations.excepted]:
        entry["related-observations"] = [{"observation-uuid": observation} for observation in observations]
    risks = [
        name
        for name, uuids in (("open", control_observations.open), ("deviation-approved", control_observations.excepted))
        if uuids
    ]
    if risks:
        entry["related-risks"] = [{"risk-uuid": _uuid("risk", name, control.id)} for name in risks]
    return entry


def _list_props(facts: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    """Return the properties that have a value."""
    return [_prop(name, value) for name, value in facts if visible(value).strip()]


def _prop(name: str, value: str) -> dict[str, str]:
    """Return a property in our namespace; its value is one line without surrounding spaces (StringDatatype)."""
    return {"name": name, "ns": _NAMES, "value": visible(value).strip()}


def _uuid(*parts: str) -> str:
    return str(uuid.uuid5(_SPACE, encode_json(parts)))


def _token(text: str) -> str:
    """Return text as an OSCAL token, which starts with a letter or `_` and holds letters, digits, `.`, `-` and `_`."""
    token = _NO_TOKEN.sub("_", text)
    return token if token[:1].isalpha() or token[:1] == "_" else f"_{token}"


def _line(text: str) -> str:
    return visible(text) or "(untitled)"


def _href(path: str) -> str:
    return quote(path.encode("utf-8", "replace"))


FORMAT: Final = ReportFormat(
    name="oscal",
    extension=".json",
    owns_extension=False,
    media_type="application/oscal+json",
    description="OSCAL assessment results (NIST), for compliance tools",
    render=render,
    extras=frozenset({Extra.REPOSITORY}),
)
