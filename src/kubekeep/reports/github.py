"""Annotations for GitHub Actions: workflow commands on standard output that mark lines of a pull request.

GitHub shows ten annotations per level and step and silently drops the rest. Therefore the most urgent come first, at
most ten are written, and the others follow in a folded group of the log, with a final line that counts them. The level
follows from the priority of the finding: error for critical and high, warning for medium, notice for low. Paths are
relative to the repository root, independent of the scanned folder. No line starts with text from the input.
"""

from __future__ import annotations

import heapq
import posixpath
from collections import Counter
from collections.abc import Iterator
from typing import Final, TextIO

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location
from kubekeep.model.severity import sarif_level
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.model.verdict import Cause
from kubekeep.model.workload_container import find_manifest_line
from kubekeep.reports.format import Extra, ReportFormat, ReportOptions
from kubekeep.reports.shared import wording
from kubekeep.reports.shared.affected_packages import AffectedPackageRow, get_level, get_score, list_affected
from kubekeep.reports.shared.findings import join_names
from kubekeep.reports.shared.urgency import (
    describe_priority,
    order_findings,
    priority_level,
    priority_score,
    sort_findings,
)
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.vulnerability_text import describe_container, link_to

_MAX_ANNOTATIONS: Final = 10
"""Annotations per level that GitHub shows for a step."""
_ERROR, _WARNING, _NOTICE = "error", "warning", "notice"
_LEVELS: Final = {"error": _ERROR, "warning": _WARNING, "note": _NOTICE}
"""GitHub levels by SARIF level of the priority score."""
_MAX_LOCATIONS: Final = 5
"""Maximum number of locations of a resource, and of vulnerabilities of a package, in an annotation."""
_LONGEST: Final = 1000
"""Maximum characters of one line of an annotation."""


class _Annotation(msgspec.Struct, frozen=True):
    """An annotation or a line of the log; `lines` are the message."""

    level: str
    title: str
    lines: tuple[str, ...]
    location: Location | None = None


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the annotations, the ones over GitHub's limit as a folded group, and the totals."""
    annotation_count = folded_count = 0
    for annotation, fits in _mark_fitting(assessment):
        if fits:
            stream.write(_command(annotation, assessment))
        annotation_count += fits
        folded_count += not fits
    if folded_count:
        stream.write("::group::Not shown as annotations\n")
        stream.writelines(_line(annotation, assessment) for annotation, fits in _mark_fitting(assessment) if not fits)
        stream.write("::endgroup::\n")
    stream.writelines(f"{line}\n" for line in _closing(assessment, annotation_count, folded_count))


def _mark_fitting(assessment: Assessment) -> Iterator[tuple[_Annotation, bool]]:
    """Yield all annotations, each with True if it is within GitHub's limit."""
    level_counts: Counter[str] = Counter()
    for annotation in _annotations(assessment):
        level_counts[annotation.level] += 1
        yield annotation, level_counts[annotation.level] <= _MAX_ANNOTATIONS


def _annotations(assessment: Assessment) -> Iterator[_Annotation]:
    """Yield unread input, then controls that were not evaluated, then the findings, the most urgent first.

    A package with vulnerabilities is one annotation, because few fit.
    """
    for unread in assessment.unread:
        yield _Annotation(_ERROR, "Input not read: the scan is incomplete", (unread.message,), unread.location)
    if gaps := [summary for summary in assessment.summaries if summary.is_gap]:
        yield _gaps(gaps, assessment)
    findings = assessment.findings
    controls = sort_findings(finding for finding in findings if not finding.definition.concerns_packages)
    packages = [(row, rows.subject.resource) for rows in list_affected(assessment) for row in rows.packages]
    packages.sort(key=lambda entry: entry[0].urgency)
    annotations = heapq.merge(
        ((order_findings((finding,)), _finding(finding)) for finding in controls),
        ((row.urgency, _package(row, resource)) for row, resource in packages),
        key=lambda entry: entry[0],
    )
    yield from (annotation for _, annotation in annotations)


def _gaps(gaps: list[DefinitionSummary], assessment: Assessment) -> _Annotation:
    by_cause: dict[Cause | None, list[str]] = {}
    for summary in gaps:
        by_cause.setdefault(summary.reason.cause if summary.reason else None, []).append(summary.definition.id)
    lines = (f"{', '.join(ids)}: {wording.describe_gap(cause, assessment)}" for cause, ids in by_cause.items())
    return _Annotation(_NOTICE, f"{wording.count_noun(len(gaps), 'control')} not evaluated", tuple(lines))


def _finding(finding: Finding) -> _Annotation:
    control = finding.definition
    changes = [wording.describe_change(evidence) for evidence in finding.evidence]
    if len(changes) > _MAX_LOCATIONS:
        changes[_MAX_LOCATIONS:] = [f"and {wording.count_noun(len(changes) - _MAX_LOCATIONS, 'more location')}"]
    reasons = describe_priority(finding.priority)
    priority = (f"Priority: {reasons}",) if reasons else ()
    link = (f"See {control.link}",) if control.link else ()
    return _Annotation(
        _LEVELS[sarif_level(priority_score(finding))],
        f"{priority_level(finding).label}: {control.title} ({control.id})",
        (finding.subject.label, *changes, *priority, *link),
        finding.location,
    )


def _package(row: AffectedPackageRow, resource: Subject) -> _Annotation:
    """Return the annotation of a package with vulnerabilities, at its entry in an SBOM or where a workload runs its image."""
    first = row.entries[0]
    lines = (
        resource.label,
        f"upgrade to {row.fixed_version}" if row.fixed_version else "no fixed version is known",
        join_names((entry.id for entry in row.entries), _MAX_LOCATIONS),
        "known to be exploited" if row.is_exploited else "",
        join_names((f"run by {describe_container(container)}" for container in first.containers), _MAX_LOCATIONS),
        f"See {link_to(first.id)}",
    )
    count_text = wording.count_noun(len(row.entries), "vulnerability")
    return _Annotation(
        _LEVELS[sarif_level(get_score(first))],
        f"{get_level(first).label}: {row.package} {row.version} has {count_text}",
        tuple(filter(None, lines)),
        row.location or find_manifest_line(first.containers),
    )


def _closing(assessment: Assessment, annotation_count: int, folded_count: int) -> Iterator[str]:
    excepted_count = len(assessment.excepted_findings)
    failed = wording.count_noun(assessment.counts.failed, "failed resource")
    yield f"Kubekeep: {failed}, {wording.count_noun(annotation_count, 'annotation')} for GitHub."
    if folded_count:
        yield (
            f"{wording.count_noun(folded_count, 'result')} not shown as annotations, because GitHub shows "
            f"{_MAX_ANNOTATIONS} for each level: see the collapsed group of this log."
        )
    for uncovered in list_uncovered(assessment):
        yield _shorten(f"{_NOTICE}: {uncovered.location}: {uncovered.message}")
    if excepted_count:
        yield f"{wording.count_noun(excepted_count, 'finding')} covered by exceptions."


def _command(annotation: _Annotation, assessment: Assessment) -> str:
    """Return a workflow command on one line."""
    properties = {"title": annotation.title}
    location = annotation.location
    if location is not None:
        properties = {"file": _in_repository(location.file, assessment), **_columns(location), **properties}
    parameters = ",".join(f"{name}={_property(value)}" for name, value in properties.items())
    message = "%0A".join(_data(_shorten(line)) for line in annotation.lines)
    return f"::{annotation.level} {parameters}::{message}\n"


def _columns(location: Location) -> dict[str, str]:
    """Return the lines, and the columns only for a range within one line, as GitHub requires."""
    if location.region is None:
        return {}
    start, end = location.region.start, location.region.end
    lines = {"line": str(start.line), "endLine": str(end.line)}
    if start.line == end.line:
        lines |= {"col": str(start.column), "endColumn": str(end.column)}
    return lines


def _in_repository(file: str, assessment: Assessment) -> str:
    """Return the path relative to the repository root, or unchanged outside a repository."""
    if assessment.repository is None:
        return file
    root = f"{assessment.repository.root.rstrip('/')}/"
    path = posixpath.normpath(posixpath.join(assessment.target.base, file))
    return path.removeprefix(root) if path.startswith(root) else file


def _line(annotation: _Annotation, assessment: Assessment) -> str:
    """Return a line of the log."""
    location = annotation.location
    location_text = f" {Location(_in_repository(location.file, assessment), location.region)}" if location else ""
    return _shorten(f"{annotation.level}:{location_text} {annotation.title}: {annotation.lines[0]}") + "\n"


def _shorten(text: str) -> str:
    # The runner also accepts old-style commands (##[error]) in the middle of a line.
    visible_text = visible(text[: _LONGEST + 1]).replace("##[", "##\\x5b")
    return visible_text if len(visible_text) <= _LONGEST else f"{visible_text[:_LONGEST]}…"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(_shorten(text)).replace(":", "%3A").replace(",", "%2C")


FORMAT: Final = ReportFormat(
    name="github",
    extension=".txt",
    owns_extension=False,
    media_type="text/plain",
    description="annotations for GitHub Actions, the most urgent first, to standard output",
    render=render,
    aliases=("github-actions",),
    extras=frozenset({Extra.REPOSITORY}),
)
