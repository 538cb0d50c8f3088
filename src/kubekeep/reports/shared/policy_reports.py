"""Policy reports, the objects of a cluster that dashboards read: one for each namespace and one for the cluster.

The two APIs, wgpolicyk8s.io and openreports.io, differ in names only; a `Dialect` has those. Failures are results
`fail`; waived ones and what was not evaluated are `skip`; what a rule could not judge, and input that was not read,
are `error`. Passes are counted and not listed. Reports are split before `kubectl apply` or etcd would refuse them.
Block-style YAML documents, written result by result.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.control import Control
from kubekeep.model.finding import Reason, Status
from kubekeep.model.resource import Resource
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible, xml_safe
from kubekeep.reports.shared.findings import (
    Distinct,
    Finding,
    digest,
    excepted,
    exception_text,
    frameworks,
    is_broken,
    named,
    reason_text,
    standing,
    undecided,
    unix_time,
)

MOST: Final = 128 * 1024
"""Bytes of a report as `kubectl apply` keeps them in an annotation, which may have 256 KiB; etcd takes 1.5 MiB."""
_LONGEST: Final = 1024
"""Characters of a text; no name in a cluster is as long. A message may be four times as long."""
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""A DNS label (RFC 1123), as namespaces are named."""
_NO_NAME: Final = re.compile("[^a-z0-9]+")
_NAME: Final = 60
"""Characters of a name; it stays readable in tables, and the number of a part fits into a label's 63."""
_COUNTS: Final = ("pass", "fail", "warn", "error", "skip")
_SEVERITY: Final = {level: level.name.lower() if level else "info" for level in Severity}
_ESCAPED: Final = re.compile(b"[<>&]")


class Dialect(msgspec.Struct, frozen=True):
    """One of the two APIs: its version and kinds, and whether a report says once whose it is."""

    api_version: str
    namespaced: str
    clustered: str
    names_source: bool


class _Report(msgspec.Struct):
    """The results of one report, as they come: their number by outcome, their size, and the number of its part."""

    namespace: str
    part: int = 1
    counts: Counter[str] = msgspec.field(default_factory=Counter)
    results: list[dict[str, Any]] = []
    size: int = 0


def write(assessment: Assessment, stream: TextIO, dialect: Dialect) -> None:
    """Write all reports: one for the cluster at least, which tells also what was not read and not evaluated."""
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
        stream.writelines(_block(head, 0))
        stream.write("results:\n" if report.results else "results: []\n")
        for result in report.results:
            stream.writelines(_item(result, 0))


def _name(assessment: Assessment) -> str:
    """`kubekeep-<folder>-<paths>`: equal from scan to scan of the same, so that applying replaces what was there."""
    target = assessment.target
    folder = target.base.rstrip("/").rpartition("/")[2]
    said = target.names if target.cluster else (folder, *sorted(target.paths))
    words = ["kubekeep", *(word for text in said if (word := _NO_NAME.sub("-", text.lower()).strip("-")))]
    name = "-".join(words)
    if len(name) <= _NAME and all(map(str.isascii, said)):
        return name
    return f"{name[: _NAME - 9].rstrip('-')}-{digest(*said)[:8]}"


def _reports(assessment: Assessment) -> Iterator[_Report]:
    """The reports in the order of their namespaces, the cluster's first; each as soon as it is full.

    The first part of those of a namespace counts its passes.
    """
    by_namespace: dict[str, list[dict[str, Any]]] = {"": []}
    for namespace, result in _results(assessment):
        by_namespace.setdefault(namespace, []).append(result)
    passed: Counter[str] = Counter()
    for entry in assessment.results:
        space = _space(entry.resource)
        by_namespace.setdefault(space, [])
        passed[space] += sum(each.status is Status.PASSED and not each.is_excepted for each in entry.verdicts.values())
    for namespace in sorted(by_namespace):
        report = _Report(namespace, counts=Counter({"pass": passed[namespace]}))
        for result in by_namespace[namespace]:
            size = _size(result)
            if report.results and report.size + size > MOST:
                yield report
                report = _Report(namespace, part=report.part + 1)
            report.results.append(result)
            report.size += size
            report.counts[result["result"]] += 1
        yield report


def _space(resource: Resource) -> str:
    """The namespace of the report for `resource`; empty where it says none, or one that cannot be."""
    return resource.namespace if _LABEL.fullmatch(resource.namespace) else ""


def _size(result: Mapping[str, Any]) -> int:
    """Bytes of JSON as Go writes it, which escapes three more characters."""
    text = json_text(result).encode()
    return len(text) + 5 * len(_ESCAPED.findall(text)) + 1


def _results(assessment: Assessment) -> Iterator[tuple[str, dict[str, Any]]]:
    """All results with the namespace of the report that they go to."""
    serves = {slug: [each.name for each in found] for slug, found in frameworks(assessment).items()}
    stamp = {"seconds": int(unix_time(assessment.finished)), "nanos": 0}
    distinct = Distinct()
    for item in assessment.unread:
        yield "", _input(f"not read: {item.location}: {item.message}", stamp)
    for finding in standing(assessment, distinct):
        yield _space(finding.resource), _found(finding, "fail", stamp, serves)
    for finding in excepted(assessment, distinct):
        yield _space(finding.resource), _found(finding, "skip", stamp, serves)
    for summary, resource, why in undecided(assessment):
        entry = _unjudged(summary.control, why, stamp)
        yield _space(resource), entry | {"resources": _references(resource)}
    for summary in assessment.controls:
        if summary.is_gap:
            yield "", _unjudged(summary.control, summary.reason, stamp)


def _input(text: str, stamp: dict[str, int]) -> dict[str, Any]:
    return {
        "policy": "kubekeep",
        "rule": "input",
        "category": "input",
        "source": "kubekeep",
        "result": "error",
        "message": _message(text),
        "timestamp": stamp,
    }


def _result(control: Control, outcome: str, message: str, stamp: dict[str, int]) -> dict[str, Any]:
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


def _found(finding: Finding, outcome: str, stamp: dict[str, int], serves: Mapping[str, list[str]]) -> dict[str, Any]:
    control, place = finding.control, finding.place
    message = "\n".join((f"{control.title}: {named(finding.resource)}", *finding.lines))
    entry = _result(control, outcome, message, stamp)
    properties = entry["properties"]
    properties["fingerprint"] = finding.uid
    if place is not None:
        properties["place"] = _text(str(place))
    if names := serves.get(control.slug):
        properties["frameworks"] = _text(", ".join(names))
    if control.link:
        properties["link"] = _text(control.link)
    if finding.exceptions:
        properties["waiver"] = _text("; ".join(map(exception_text, finding.exceptions)))
    entry["resources"] = _references(finding.resource)
    return entry


def _unjudged(control: Control, why: Reason | None, stamp: dict[str, int]) -> dict[str, Any]:
    return _result(control, "error" if is_broken(why) else "skip", f"not evaluated: {reason_text(why)}", stamp)


def _references(resource: Resource) -> list[dict[str, str]]:
    found = []
    for item in (resource, *resource.related):
        reference = {
            "apiVersion": item.api_version,
            "kind": item.kind,
            "namespace": item.namespace,
            "name": item.name,
        }
        found.append({key: _text(value) for key, value in reference.items() if value})
    return [reference for reference in found if reference]


def _text(text: str) -> str:
    return _cut(visible(text), _LONGEST)


def _message(text: str) -> str:
    return _cut("\n".join(map(visible, text.split("\n"))), 4 * _LONGEST)


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 3]}..."


def _block(value: Mapping[str, Any], depth: int) -> list[str]:
    """The lines of a mapping in block style; keys are plain words of ours, scalars are written as JSON."""
    pad = "  " * depth
    lines: list[str] = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:\n", *_block(item, depth + 1)]
        elif isinstance(item, list) and item:
            lines.append(f"{pad}{key}:\n")
            for each in item:
                lines += _item(each, depth)
        else:
            lines.append(f"{pad}{key}: {xml_safe(json_text(item))}\n")
    return lines


def _item(value: Mapping[str, Any], depth: int) -> list[str]:
    """The lines of a mapping that is an item of a sequence: the first begins with a dash."""
    first, *rest = _block(value, depth + 1)
    at = 2 * depth
    return [f"{first[:at]}- {first[at + 2 :]}", *rest]
