"""JUnit XML for CI pipelines: a test suite per framework and per image or SBOM.

Its test cases are controls, or vulnerabilities of packages, and counters count these. The layout is Kubescape's; a scan of
single controls is one suite called `kubekeep`. Exceptions are listed in the output of their test case, which may have passed
because of them. Validates against the Jenkins schema (`junit-10.xsd`). Written element by element, never as a whole tree.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Final, NamedTuple, TextIO
from xml.sax.saxutils import escape, quoteattr

import msgspec

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.finding import Finding
from kubekeep.model.text import utc_text, visible, xml_safe
from kubekeep.model.verdict import Status
from kubekeep.reports.format import ReportFormat, ReportOptions
from kubekeep.reports.shared.affected_packages import get_level
from kubekeep.reports.shared.urgency import priority_level, sort_findings
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, VulnerableSubject, iterate_subjects
from kubekeep.reports.shared.vulnerability_text import (
    describe_container,
    describe_exploitation,
    describe_record,
    describe_vulnerability,
    link_to,
)
from kubekeep.reports.shared.wording import count_noun, describe_change, describe_exception, shorten

_LONGEST: Final = 2_000
"""Maximum characters of a line, because many XML readers reject texts over ten million characters."""

_Findings = Mapping[str, list[Finding]]


class _Suite(msgspec.Struct, frozen=True):
    """A test suite: name, controls sorted by ID, compliance if anything was evaluated, and coverage."""

    name: str
    classname: str
    controls: tuple[DefinitionSummary, ...]
    compliance: float | None
    coverage: float | None

    def count(self, status: Status) -> int:
        """Return the number of controls with the status."""
        return sum(summary.status is status for summary in self.controls)


class _Counts(NamedTuple):
    """Numbers of test cases of a suite."""

    tests: int
    failures: int
    skipped: int


def render(assessment: Assessment, stream: TextIO, options: ReportOptions) -> None:  # noqa: ARG001 - for people only
    """Write the document. Unread input is a separate suite of failures."""
    suites = _suites(assessment)
    failures, excepted = assessment.group_findings(), assessment.group_excepted_findings()
    unread, unassessed = len(assessment.unread), len(assessment.unassessed)
    images = [_count_image(subject) for subject in iterate_subjects(assessment)]
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    totals = {
        "name": "Kubekeep Scanning",
        "tests": sum(len(suite.controls) for suite in suites)
        + sum(image.tests for image in images)
        + unread
        + unassessed,
        "failures": sum(suite.count(Status.FAILED) for suite in suites)
        + sum(image.failures for image in images)
        + unread,
        "errors": 0,
    }
    stream.write(f"<testsuites{_attributes(totals)}>\n")
    moment = utc_text(assessment.finished)
    for number, suite in enumerate(suites):
        _write_suite(stream, suite, number, moment, (failures, excepted))
    for number, subject in enumerate(iterate_subjects(assessment), start=len(suites)):
        _write_image(stream, subject, number, moment)
    if unread:
        _write_unread(stream, assessment, len(suites) + len(images), moment)
    if unassessed:
        _write_unassessed(stream, assessment, len(suites) + len(images) + bool(unread), moment)
    stream.write("</testsuites>\n")


def _suites(assessment: Assessment) -> list[_Suite]:
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    if not assessment.frameworks:
        controls = _by_id(assessment.controls)
        has_other_suites = not controls and assessment.summaries
        suite = _Suite("kubekeep", "Kubekeep", controls, assessment.compliance, assessment.coverage)
        return [] if has_other_suites else [suite]
    suites = [
        _Suite(
            framework.framework.name,
            framework.framework.name,
            _by_id(by_slug[slug] for slug in framework.controls),
            framework.compliance,
            framework.coverage,
        )
        for framework in assessment.frameworks
    ]
    members = {slug for framework in assessment.frameworks for slug in framework.controls}
    others = _by_id(summary for summary in assessment.controls if summary.definition.slug not in members)
    return [*suites, _Suite("Without a framework", "Without a framework", others, None, None)] if others else suites


def _by_id(controls: Iterable[DefinitionSummary]) -> tuple[DefinitionSummary, ...]:
    return tuple(sorted(controls, key=lambda summary: summary.definition.id))


def _write_suite(
    stream: TextIO, suite: _Suite, number: int, moment: str, findings: tuple[_Findings, _Findings]
) -> None:
    skipped = suite.count(Status.NOT_EVALUATED)
    counts = _Counts(len(suite.controls), suite.count(Status.FAILED), skipped)
    _open_suite(stream, number, suite.name, counts, moment)
    figures = {"complianceScore": suite.compliance, "coverage": suite.coverage}
    stream.write("    <properties>\n")
    for name, value in figures.items():
        if value is not None:
            stream.write(f"      <property{_attributes({'name': name, 'value': f'{value:.2f}'})}/>\n")
    stream.write("    </properties>\n")
    for summary in suite.controls:
        _write_case(stream, summary, suite.classname, *findings)
    stream.write("  </testsuite>\n")


def _write_case(
    stream: TextIO, summary: DefinitionSummary, prefix: str, failures: _Findings, excepted: _Findings
) -> None:
    control = summary.definition
    case = _attributes({"classname": f"{prefix}/{control.id}", "name": control.title})
    excepted_findings = excepted.get(control.slug, ())
    if summary.status is Status.PASSED and not excepted_findings:
        stream.write(f"    <testcase{case}/>\n")
        return
    stream.write(f"    <testcase{case}>\n")
    if summary.status is Status.NOT_EVALUATED:
        reason = summary.reason
        message = f"{reason.cause}: {reason.text}" if reason else "notEvaluated"
        stream.write(f"      <skipped{_attributes({'message': message})}/>\n")
    elif summary.status is Status.FAILED:
        _write_failure(stream, summary, failures.get(control.slug, []))
    if excepted_findings:
        stream.write("      <system-out>")
        _write_lines(stream, itertools.chain.from_iterable(map(_excepted_lines, excepted_findings)))
        stream.write("</system-out>\n")
    stream.write("    </testcase>\n")


def _write_failure(stream: TextIO, summary: DefinitionSummary, failures: Sequence[Finding]) -> None:
    control = summary.definition
    ordered = sort_findings(failures)
    level = priority_level(ordered[0]) if ordered else control.level
    message = f"{level.label}: {control.title} failed on {count_noun(len(failures), 'resource')}"
    stream.write(f"      <failure{_attributes({'type': 'Control', 'message': message})}>")
    stream.write(_text(f"Remediation: {' '.join(control.fix.split())}\n"))
    if control.link:
        stream.write(_text(f"More details: {control.link}\n"))
    stream.write("\n")
    _write_lines(stream, itertools.chain.from_iterable(map(_lines, ordered)))
    stream.write("</failure>\n")


def _excepted_lines(finding: Finding) -> Iterable[str]:
    """Yield the line of a resource, then a line with the reason for each excepted location."""
    first, *locations = _lines(finding)
    yield f"covered by exceptions: {first}"
    for location, evidence in zip(locations, finding.evidence, strict=True):
        exception = evidence.exception
        if exception is not None:
            until = f" until {utc_text(exception.expires)}" if exception.expires else ""
            yield f"{location} [{exception.name}{until}{f': {exception.reason}' if exception.reason else ''}]"


def _lines(finding: Finding) -> Iterable[str]:
    """Yield Kubescape's line for a resource, then our line for each location in the form that editors link."""
    resource = finding.subject
    source = f"; sourcePath: {resource.source.path}" if resource.source else ""
    yield (
        f"apiVersion: {resource.api_version}; kind: {resource.kind}; namespace: {resource.namespace}; "
        f"name: {resource.name}{source}; priority: {priority_level(finding).label}"
    )
    for evidence in finding.evidence:
        location = evidence.location or resource.locate(())
        yield f"  {f'{location}: ' if location else ''}{describe_change(evidence)}"


def _count_image(subject: VulnerableSubject) -> _Counts:
    """Return the numbers of test cases of an image: its vulnerabilities, and packages that were not assessed.

    An image without either has one case, which passes.
    """
    skipped = len(subject.unassessed)
    return _Counts(max(1, len(subject.vulnerabilities) + skipped), len(subject.open), skipped)


def _write_image(stream: TextIO, subject: VulnerableSubject, number: int, moment: str) -> None:
    _open_suite(stream, number, f"Vulnerabilities of {visible(subject.reference)}", _count_image(subject), moment)
    prefix = f"Vulnerabilities/{visible(subject.reference)}"
    for entry in subject.vulnerabilities:
        _write_vulnerability(stream, entry, prefix)
    for gap in subject.unassessed:
        name = " of ".join(filter(None, (count_noun(len(gap.packages), "package"), gap.ecosystem)))
        case = _attributes({"classname": prefix, "name": visible(name)})
        skipped = _attributes({"message": visible(f"not assessed: {gap.reason}")})
        stream.write(f"    <testcase{case}>\n      <skipped{skipped}/>\n    </testcase>\n")
    if not subject.vulnerabilities and not subject.unassessed:
        case = _attributes({"classname": prefix, "name": "No known vulnerabilities"})
        stream.write(f"    <testcase{case}/>\n")
    stream.write("  </testsuite>\n")


def _write_vulnerability(stream: TextIO, entry: ReportedVulnerability, prefix: str) -> None:
    case = _attributes({"classname": prefix, "name": visible(f"{entry.id} in {entry.package} {entry.version}")})
    location = entry.evidence.location or entry.subject.locate(())
    lines = [
        f"{location}: {describe_vulnerability(entry)}" if location else describe_vulnerability(entry),
        f"Priority: {get_level(entry).label}",
        f"Severity: {entry.severity.label}{f', CVSS {entry.score:g}' if entry.score is not None else ''}",
        f"Exploitation: {exploitation}" if (exploitation := describe_exploitation(entry)) else "",
        *(f"Run by {describe_container(container)}" for container in entry.containers),
        *(f"Compared: {describe_record(record)}" for record in entry.records),
        *entry.notes,
        f"More details: {link_to(entry.id)}",
    ]
    element, attributes = "system-out", ""
    if entry.exception is None:
        message = visible(f"{get_level(entry).label}: {describe_vulnerability(entry)}")
        element, attributes = "failure", _attributes({"type": "Vulnerability", "message": message})
    else:
        lines.insert(0, describe_exception(entry.exception))
    stream.write(f"    <testcase{case}>\n      <{element}{attributes}>")
    _write_lines(stream, filter(None, lines))
    stream.write(f"</{element}>\n    </testcase>\n")


def _write_unread(stream: TextIO, assessment: Assessment, number: int, moment: str) -> None:
    """Write unread input as failures, so that a pipeline that only checks failures does not pass an incomplete scan."""
    count = len(assessment.unread)
    _open_suite(stream, number, "Input that was not read", _Counts(count, count, 0), moment)
    for unread in assessment.unread:
        case = _attributes({"classname": "Kubekeep/input", "name": visible(str(unread.location))})
        failure = _attributes({"type": "Input", "message": visible(unread.message)})
        stream.write(f"    <testcase{case}>\n      <failure{failure}/>\n    </testcase>\n")
    stream.write("  </testsuite>\n")


def _write_unassessed(stream: TextIO, assessment: Assessment, number: int, moment: str) -> None:
    """Write the parts that the input names and that were not read as skipped tests, because they are no errors."""
    count = len(assessment.unassessed)
    _open_suite(stream, number, "Input that was not assessed", _Counts(count, 0, count), moment)
    for part in assessment.unassessed:
        case = _attributes({"classname": "Kubekeep/input", "name": visible(str(part.location))})
        skipped = _attributes({"message": visible(part.message)})
        stream.write(f"    <testcase{case}>\n      <skipped{skipped}/>\n    </testcase>\n")
    stream.write("  </testsuite>\n")


def _open_suite(stream: TextIO, number: int, name: str, counts: _Counts, moment: str) -> None:
    attributes = {
        "id": number,
        "name": name,
        "tests": counts.tests,
        "failures": counts.failures,
        "errors": 0,
        "skipped": counts.skipped,
        "timestamp": moment,
    }
    stream.write(f"  <testsuite{_attributes(attributes)}>\n")


def _write_lines(stream: TextIO, lines: Iterable[str]) -> None:
    stream.writelines(f"{_text(shorten(line, _LONGEST))}\n" for line in lines)


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f" {name}={_quoted(str(value))}" for name, value in values.items())


def _quoted(value: str) -> str:
    # Parsers turn unescaped line breaks in attributes into spaces (XML 1.0 §3.3.3).
    return quoteattr(xml_safe(value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _text(value: str) -> str:
    return escape(xml_safe(value), {"\r": "&#13;"})


FORMAT: Final = ReportFormat(
    name="junit",
    extension=".xml",
    media_type="application/xml",
    description="JUnit XML: a test suite for each framework, a test for each control",
    render=render,
)
