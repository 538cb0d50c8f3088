"""JUnit XML, for pipelines: a suite for each framework, a test case for each of its controls.

The layout is Kubescape's; a scan of single controls is one suite called `kubekeep`. Counters count controls. What
somebody accepts stands in the output of its case, which may have passed for that reason.
Validates against the Jenkins schema (`junit-10.xsd`). Written element by element, never as a whole tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, TextIO
from xml.sax.saxutils import escape, quoteattr

import msgspec

from kubekeep.model.assessment import Assessment, ControlSummary
from kubekeep.model.finding import Status, Verdict
from kubekeep.model.resource import Resource
from kubekeep.model.text import utc_text, visible, xml_safe
from kubekeep.reports.format import Format, Options
from kubekeep.reports.shared.wording import change

_LONGEST: Final = 2_000
"""Characters of a line: many readers give up on a text of ten million."""

_Findings = dict[str, list[tuple[Resource, Verdict]]]


class _Suite(msgspec.Struct, frozen=True):
    """One suite: its name, its controls sorted by id, its compliance if anything was evaluated, and its coverage."""

    name: str
    classname: str
    controls: tuple[ControlSummary, ...]
    compliance: float | None
    coverage: float

    def count(self, status: Status) -> int:
        """How many of its controls have `status`."""
        return sum(summary.status is status for summary in self.controls)


def render(assessment: Assessment, stream: TextIO, options: Options) -> None:  # noqa: ARG001 - for people only
    """Write the document. What could not be read is told in a suite of its own, as errors of the scan."""
    suites = _suites(assessment)
    failures, excepted = assessment.failures(), assessment.excepted()
    unread = len(assessment.unread)
    stream.write('<?xml version="1.0" encoding="UTF-8"?>\n')
    totals = {
        "name": "Kubekeep Scanning",
        "tests": sum(len(suite.controls) for suite in suites) + unread,
        "failures": sum(suite.count(Status.FAILED) for suite in suites) + unread,
        "errors": 0,
    }
    stream.write(f"<testsuites{_attributes(totals)}>\n")
    moment = utc_text(assessment.finished)
    for number, suite in enumerate(suites):
        _write_suite(stream, suite, number, moment, (failures, excepted))
    if unread:
        _write_unread(stream, assessment, len(suites), moment)
    stream.write("</testsuites>\n")


def _suites(assessment: Assessment) -> list[_Suite]:
    by_slug = {summary.control.slug: summary for summary in assessment.controls}
    if not assessment.frameworks:
        return [_Suite("kubekeep", "Kubekeep", _by_id(assessment.controls), assessment.compliance, assessment.coverage)]
    return [
        _Suite(
            framework.framework.name,
            framework.framework.name,
            _by_id(by_slug[slug] for slug in framework.controls),
            framework.compliance,
            framework.coverage,
        )
        for framework in assessment.frameworks
    ]


def _by_id(controls: Iterable[ControlSummary]) -> tuple[ControlSummary, ...]:
    return tuple(sorted(controls, key=lambda summary: summary.control.id))


def _write_suite(
    stream: TextIO, suite: _Suite, number: int, moment: str, findings: tuple[_Findings, _Findings]
) -> None:
    failures, excepted = findings
    attributes = {
        "id": number,
        "name": suite.name,
        "tests": len(suite.controls),
        "failures": suite.count(Status.FAILED),
        "errors": 0,
        "skipped": suite.count(Status.NOT_EVALUATED),
        "timestamp": moment,
    }
    stream.write(f"  <testsuite{_attributes(attributes)}>\n")
    figures = {"complianceScore": suite.compliance, "coverage": suite.coverage}
    stream.write("    <properties>\n")
    for name, value in figures.items():
        if value is not None:
            stream.write(f"      <property{_attributes({'name': name, 'value': f'{value:.2f}'})}/>\n")
    stream.write("    </properties>\n")
    for summary in suite.controls:
        _write_case(stream, summary, suite.classname, failures, excepted)
    stream.write("  </testsuite>\n")


def _write_case(stream: TextIO, summary: ControlSummary, prefix: str, failures: _Findings, excepted: _Findings) -> None:
    control = summary.control
    case = _attributes({"classname": f"{prefix}/{control.id}", "name": control.title})
    accepted = excepted.get(control.slug, ())
    if summary.status is Status.PASSED and not accepted:
        stream.write(f"    <testcase{case}/>\n")
        return
    stream.write(f"    <testcase{case}>\n")
    if summary.status is Status.NOT_EVALUATED:
        reason = summary.reason
        message = f"{reason.cause}: {reason.text}" if reason else "notEvaluated"
        stream.write(f"      <skipped{_attributes({'message': message})}/>\n")
    elif summary.status is Status.FAILED:
        _write_failure(stream, summary, failures.get(control.slug, []))
    if accepted:
        stream.write("      <system-out>")
        stream.writelines(
            f"{_text(_shown(line))}\n" for resource, verdict in accepted for line in _accepted(resource, verdict)
        )
        stream.write("</system-out>\n")
    stream.write("    </testcase>\n")


def _write_failure(stream: TextIO, summary: ControlSummary, found: Sequence[tuple[Resource, Verdict]]) -> None:
    control = summary.control
    message = f"{control.title} failed on {len(found)} resource{'' if len(found) == 1 else 's'}"
    stream.write(f"      <failure{_attributes({'type': 'Control', 'message': message})}>")
    stream.write(_text(f"Remediation: {' '.join(control.fix.split())}\n"))
    if control.link:
        stream.write(_text(f"More details: {control.link}\n"))
    stream.write("\n")
    stream.writelines(f"{_text(_shown(line))}\n" for resource, verdict in found for line in _lines(resource, verdict))
    stream.write("</failure>\n")


def _accepted(resource: Resource, verdict: Verdict) -> Iterable[str]:
    """A line for a resource, then one for each place that somebody accepts, with the reason."""
    first, *places = _lines(resource, verdict)
    yield f"accepted: {first}"
    for place, evidence in zip(places, verdict.evidence, strict=True):
        exception = evidence.exception
        if exception is not None:
            until = f" until {utc_text(exception.expires)}" if exception.expires else ""
            yield f"{place} [{exception.name}{until}{f': {exception.reason}' if exception.reason else ''}]"


def _lines(resource: Resource, verdict: Verdict) -> Iterable[str]:
    """Kubescape's line for a resource, then one of ours for each place, in the form that editors open."""
    source = f"; sourcePath: {resource.source.path}" if resource.source else ""
    yield (
        f"apiVersion: {resource.api_version}; kind: {resource.kind}; namespace: {resource.namespace}; "
        f"name: {resource.name}{source}"
    )
    for evidence in verdict.evidence:
        location = evidence.location or resource.locate(())
        yield f"  {f'{location}: ' if location else ''}{change(evidence)}"


def _write_unread(stream: TextIO, assessment: Assessment, number: int, moment: str) -> None:
    """A pipeline that looks only at failures must not take a scan with holes for a good one."""
    count = len(assessment.unread)
    attributes = {
        "id": number,
        "name": "Input that was not read",
        "tests": count,
        "failures": count,
        "errors": 0,
        "skipped": 0,
        "timestamp": moment,
    }
    stream.write(f"  <testsuite{_attributes(attributes)}>\n")
    for item in assessment.unread:
        case = _attributes({"classname": "Kubekeep/input", "name": visible(str(item.location))})
        failure = _attributes({"type": "Input", "message": visible(item.message)})
        stream.write(f"    <testcase{case}>\n      <failure{failure}/>\n    </testcase>\n")
    stream.write("  </testsuite>\n")


def _shown(line: str) -> str:
    shown = visible(line[: _LONGEST + 1])
    return shown if len(shown) <= _LONGEST else f"{shown[:_LONGEST]}…"


def _attributes(values: Mapping[str, object]) -> str:
    return "".join(f" {name}={_quoted(str(value))}" for name, value in values.items())


def _quoted(value: str) -> str:
    # line breaks in attributes would be read back as spaces (XML 1.0 §3.3.3)
    return quoteattr(xml_safe(value), {"\n": "&#10;", "\r": "&#13;", "\t": "&#9;"})


def _text(value: str) -> str:
    return escape(xml_safe(value), {"\r": "&#13;"})


FORMAT: Final = Format(
    name="junit",
    extension=".xml",
    media_type="application/xml",
    description="JUnit XML: a test suite for each framework, a test for each control",
    render=render,
)
