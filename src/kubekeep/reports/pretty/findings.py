"""Findings in the terminal report, the most urgent first: by control with location, value and fix, by resource, by file."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from kubekeep.model.assessment import Assessment, DefinitionSummary
from kubekeep.model.comparison import FindingChange
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location, parse_path, value_at
from kubekeep.model.redaction import redact
from kubekeep.model.secret_text import MASK
from kubekeep.model.severity import Severity
from kubekeep.model.subject import Subject
from kubekeep.model.text import json_text
from kubekeep.model.verdict import Evidence
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.shared.content import LEVELS, file_order
from kubekeep.reports.shared.problems import FAILED, describe_problem
from kubekeep.reports.shared.terminal import Span, Terminal, file_url
from kubekeep.reports.shared.urgency import priority_level, sort_failed, sort_findings
from kubekeep.reports.shared.vulnerability_text import describe_container
from kubekeep.reports.shared.wording import count_noun, describe_enforcement, relative_location, shorten

_SWITCH: Final = ("true", "false")
"""A present value that is the opposite of the fix is not shown."""
_RELATED: Final = re.compile(r"relatedObjects\[(\d+)\]\.?(.*)", re.DOTALL)
_RULE: Final = re.compile(r"(relatedObjects\[\d+\]\.rules\[\d+\]).*", re.DOTALL)
_LONGEST: Final = 40
"""Maximum characters of a present value on the line."""
_MARGIN: Final = 8
"""Columns before the text of a line."""
_LINES: Final = 3
"""Maximum number of lines of a file per control."""
_UNBROKEN: Final = 40
"""Maximum characters of lines and locations that are kept on one line."""


def write_findings(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write every failed control with its resources."""
    failures = assessment.group_findings()
    for summary in sort_failed(assessment):
        failed = sort_findings(failures.get(summary.definition.slug, []))
        _write_head(terminal, summary, failed)
        for finding in failed:
            _write_resource(terminal, assessment.target.base, finding)
        advice = _advice(summary.definition.fix, code_style=options.colour)
        terminal.line(Span("Fix: ", "bold green"), *advice, indent=2, hang=5)
        terminal.line()


def _advice(text: str, *, code_style: bool) -> Iterator[Span | str]:
    """Yield the first paragraph of the remediation on one line; `kubekeep explain` shows the rest.

    Code in backticks is coloured instead if `code_style` is set.
    """
    paragraph = " ".join(text.strip().partition("\n\n")[0].split())
    if not code_style or paragraph.count("`") % 2:
        yield paragraph
        return
    for number, part in enumerate(paragraph.split("`")):
        yield Span(part, "cyan" if number % 2 else "")


def _write_head(terminal: Terminal, summary: DefinitionSummary, findings: Sequence[Finding]) -> None:
    """Write the control with the highest priority of its findings."""
    control, counts = summary.definition, summary.counts
    new = sum(finding.has_new for finding in findings)
    level = max(map(priority_level, findings), default=control.level)
    evaluated = counts.passed + counts.failed
    noun = "resource" if evaluated == 1 else "resources"
    verb = "fails" if counts.failed == 1 else "fail"
    terminal.line(
        Span(f"✖ {level.label.upper()}", f"bold {level.colour}", whole=True),
        "  ",
        FAILED,
        Span(control.title, "bold"),
        "  ",
        Span(control.id, "cyan", whole=True, url=control.link),
        Span(f"  {counts.failed} of {evaluated} {noun} {verb}", "dim"),
        *([Span(f"  {new} new", "bold red", whole=True)] if new else []),
    )
    for enforcement in summary.enforcement:
        terminal.line(Span(describe_enforcement(enforcement), "dim"), indent=2)


def _write_resource(terminal: Terminal, base: str, finding: Finding) -> None:
    resource = finding.subject
    evidence = sorted(finding.evidence, key=lambda entry: (entry.change is not FindingChange.NEW, *file_order(entry)))
    head = evidence[0].location if evidence else None
    head = head or resource.locate(())
    location_spans: list[Span | str] = [location_span(str(head), head, base), "  "] if head else []
    kustomization = kustomization_spans(resource)
    level = priority_level(finding)
    label = level.label.upper()
    terminal.line(
        Span(label, level.colour, whole=True),
        " " * (10 - len(label)),
        *location_spans,
        Span(resource.label, "bold", whole=True),
        *kustomization,
        indent=2,
    )
    if _share_message(resource, evidence):
        _write_joined_fields(terminal, resource, evidence, head, base)
        return
    redacted = redact(resource) if any(entry.exists for entry in evidence) else {}
    for entry in evidence:
        prefix = _relative_location(entry.location, head, base)
        if entry.change is FindingChange.NEW:
            prefix.insert(0, Span("NEW ", "bold red"))
        terminal.line(*prefix, *_change(entry, resource, redacted), indent=4)
        _write_setting(terminal, base, entry.location)
        if entry.commit is not None:
            commit = entry.commit
            commit_text = f"{commit.hash[:10]} {commit.date:%Y-%m-%d} {commit.author}: {commit.subject}"
            terminal.line(Span(f"last changed in {commit_text}", "dim"), indent=6)


def _share_message(resource: Subject, evidence: Sequence[Evidence]) -> bool:
    """Return True if several fields of joined resources have one message and no fix."""
    return (
        bool(resource.related)
        and len(evidence) > 1
        and {entry.message for entry in evidence} == {evidence[0].message or None}
        and not any(entry.delete or entry.fix is not None for entry in evidence)
    )


def _write_joined_fields(
    terminal: Terminal, resource: Subject, evidence: Sequence[Evidence], head: Location | None, base: str
) -> None:
    """Write evidence with one message, as that of a subject with a binding and a role: the message, then the fields."""
    new = [Span("NEW ", "bold red")] if any(entry.change is FindingChange.NEW for entry in evidence) else []
    terminal.line(*new, evidence[0].message, indent=4)
    # Fields of one rule are fixed together.
    paths = {_RULE.sub(r"\1", entry.path): entry for entry in reversed(evidence)}
    spans: list[Span | str] = ["review "]
    for number, (path, entry) in enumerate(reversed(paths.items())):
        spans += [", "] if number else []
        spans += [*_relative_location(entry.location, head, base), *_path_spans(path, resource)]
    terminal.line(*spans, indent=4)


def location_span(text: str, location: Location, base: str) -> Span:
    """Return text that links to the file of the location."""
    return Span(text, "underline", whole=True, url=file_url(base, location.file))


def count_levels(counts: Mapping[Severity, int], emphasis: str = "") -> list[Span | str]:
    """Return the numbers of the levels that occur, worst first. emphasis: "bold" or no style beside the colour."""
    spans: list[Span | str] = []
    for level in LEVELS:
        if counts[level]:
            text = f"{counts[level]:,} {level.label.lower()}"
            spans += [" · " if spans else "", Span(text, f"{emphasis} {level.colour}", whole=True)]
    return spans


def _relative_location(location: Location | None, head: Location | None, base: str) -> list[Span | str]:
    """Return the spans of a location that differs from `head`, the location beside the resource; else []."""
    text = relative_location(location, head)
    return [location_span(text, location, base), ": "] if location is not None and text else []


def kustomization_spans(resource: Subject) -> list[Span | str]:
    """Return the kustomization that builds the resource, as several may build it from the same file."""
    source = resource.source
    if source is None or source.origin is None or not source.file_type.shares_files:
        return []
    return [Span(f"  in {source.origin.folder}", "dim")]


def _write_setting(terminal: Terminal, base: str, location: Location | None) -> None:
    """Write the value that the template inserted at a location, if any."""
    setting = location.setting if location else None
    if setting is not None:
        url = file_url(base, setting.file) if setting.region else ""
        terminal.line("from ", Span(str(setting), "underline", whole=True, url=url), indent=6)


def _change(evidence: Evidence, resource: Subject, document: dict[str, Any]) -> Iterator[Span | str]:
    path = list(_path_spans(evidence.path, resource))
    if evidence.fix is not None:
        value = Span(evidence.fix, "green", whole=len(evidence.fix) <= _LONGEST)
        yield from ("set ", *path, " to ", value) if evidence.exists else ("add ", *path, ": ", value)
    else:
        yield from (("delete " if evidence.delete else "review "), *path)
    notes = "; ".join(filter(None, (_present_value(evidence, document), evidence.message)))
    if notes:
        yield Span(f"  ({notes})", "dim")


def _path_spans(text: str, resource: Subject) -> Iterator[Span | str]:
    """Yield the path. A path into a related resource names it: `rules[0] of Role reader`."""
    match = _RELATED.match(text)
    if match is None or int(match[1]) >= len(resource.related):
        yield Span(text, "cyan", whole=True) if text else "the whole resource"
        return
    owner = resource.related[int(match[1])]
    if match[2]:
        yield from (Span(match[2], "cyan", whole=True), " of ")
    yield f"{owner.kind} {owner.name}"


def _present_value(evidence: Evidence, document: dict[str, Any]) -> str:
    """Return the present value: `now true`; empty for long values and redacted ones."""
    if not evidence.path:
        return ""
    if not evidence.exists:
        return "" if evidence.fix or evidence.message else "not set"
    try:
        value = value_at(document, parse_path(evidence.path))
    except (LookupError, ValueError):
        return ""
    text = value if isinstance(value, str) else json_text(value)
    if MASK in text:
        return ""
    if evidence.fix in _SWITCH and text in _SWITCH:
        return ""
    return f"now {text}" if 0 < len(text) <= _LONGEST else ""


def write_resources(terminal: Terminal, assessment: Assessment) -> None:
    """Write every failed resource with its controls."""
    by_resource: dict[int, tuple[Subject, list[Finding]]] = {
        id(result.subject): (result.subject, []) for result in assessment.results
    }
    for finding in assessment.findings:
        by_resource[id(finding.subject)][1].append(finding)
    failed = [(resource, findings) for resource, findings in by_resource.values() if findings]
    for _, findings in failed:
        findings.sort(key=lambda finding: (not finding.has_new, -finding.priority.score, -finding.score, finding.id))
    failed.sort(key=lambda pair: _weight(pair[1]), reverse=True)
    images = _group_images(failed)
    for resource, findings in failed:
        _write_resource_controls(terminal, assessment.target.base, resource, findings, images)
    if failed:
        terminal.line()


def _group_images(failed: Iterable[tuple[Subject, list[Finding]]]) -> dict[str, list[str]]:
    """Return the images with vulnerabilities by the display name of the workload that runs them, with their numbers."""
    images: dict[str, list[str]] = {}
    for resource, findings in failed:
        count = sum(finding.definition.concerns_packages for finding in findings)
        for workload in dict.fromkeys(container.workload for container in findings[0].containers) if count else ():
            images.setdefault(workload, []).append(f"runs {resource.name}: {count_noun(count, 'vulnerability')}")
    return images


def write_files(terminal: Terminal, assessment: Assessment) -> None:
    """Write every file, the most urgent first, with its findings and their text in the order of lines.

    Resources without a file come last.
    """
    by_file: dict[str, list[tuple[Finding, Evidence | None]]] = {}
    for finding in assessment.findings:
        for entry in finding.evidence or (None,):
            location = (entry.location if entry else None) or finding.location
            by_file.setdefault(location.file if location else "", []).append((finding, entry))
    for file in sorted(by_file, key=lambda name: (not name, *_urgency(by_file[name]), name)):
        entries = sorted(by_file[file], key=lambda pair: (_line(*pair), -pair[0].priority.score, pair[0].id))
        title = Span(file, "bold underline", whole=True, url=file_url(assessment.target.base, file))
        terminal.line(
            *([title] if file else ["not in a file"]), Span(f"  {count_noun(len(entries), 'location')}", "dim")
        )
        written = 0
        for finding, entry in entries:
            line = _line(finding, entry)
            text = _find_text(entry, line)
            if text and line != written:
                number, room = f"{line:>6}  ", terminal.width - _MARGIN
                terminal.line(Span(number, "dim", whole=True), Span(shorten(text, room - 1), "dim", whole=True))
            _write_place(terminal, finding, entry, 0 if text else line)
            written = line if text else 0
        terminal.line()


def _find_text(evidence: Evidence | None, line: int) -> str:
    """Return the text of a line without its indentation, masked as the whole excerpt; empty if it is not known."""
    excerpt = evidence.excerpt if evidence else None
    index = line - excerpt.first if excerpt else -1
    return excerpt.lines[index].strip() if excerpt and 0 <= index < len(excerpt.lines) else ""


def _urgency(entries: Iterable[tuple[Finding, Evidence | None]]) -> tuple[bool, float]:
    """Return a sort key: new findings first, then by the highest priority."""
    return min((not finding.has_new, -finding.priority.score) for finding, _ in entries)


def _line(finding: Finding, evidence: Evidence | None) -> int:
    """Return the line of a piece of evidence, 0 if unknown."""
    location = (evidence.location if evidence else None) or finding.location
    return location.region.start.line if location and location.region else 0


def _write_place(terminal: Terminal, finding: Finding, evidence: Evidence | None, line: int) -> None:
    """Write a finding with the number of its line, 0 for none."""
    level = priority_level(finding)
    text = describe_problem(finding, evidence)
    terminal.line(
        *([Span(f"{line:>6}  ", "dim", whole=True)] if line else []),
        Span(f"{level.label.upper():8}", f"bold {level.colour}", whole=True),
        "  ",
        text,
        "  ",
        Span(finding.id, "cyan", whole=True, url=finding.definition.link),
        *([Span("  NEW", "bold red")] if finding.has_new else []),
        indent=0 if line else _MARGIN,
        hang=18 if line else 10,
    )


def _weight(findings: list[Finding]) -> tuple[bool, float, int]:
    """Return a sort key: new findings, the highest priority, the number of findings."""
    new = any(finding.has_new for finding in findings)
    return new, max(finding.priority.score for finding in findings), len(findings)


def _write_resource_controls(
    terminal: Terminal, base: str, resource: Subject, findings: list[Finding], images: Mapping[str, Sequence[str]]
) -> None:
    head = resource.locate(())
    location_spans: list[Span | str] = ["  ", location_span(str(head), head, base)] if head else []
    count = f"  {_count_problems(findings)}"
    name = Span(f"✖ {resource.label}", "bold", whole=True)
    terminal.line(name, *location_spans, *kustomization_spans(resource), Span(count, "dim"))
    running = [f"run by {describe_container(container)}" for container in findings[0].containers]
    for text in (*running, *images.get(resource.label, ())):
        terminal.line(Span(text, "dim"), indent=2)
    for finding in findings:
        control, level = finding.definition, priority_level(finding)
        locations = _describe_locations(finding, head)
        line_spans: list[Span | str] = (
            ["  ", Span(locations, "dim", whole=len(locations) < _UNBROKEN)] if locations else []
        )
        terminal.line(
            Span(f"{level.label.upper():8}", f"bold {level.colour}", whole=True),
            "  ",
            Span(control.id, "cyan", whole=True, url=control.link),
            "  ",
            *([Span("NEW ", "bold red")] if finding.has_new else []),
            describe_problem(finding, min(finding.evidence, key=file_order, default=None)),
            *line_spans,
            indent=2,
            hang=20,
        )


def _count_problems(findings: Sequence[Finding]) -> str:
    """Return `3 controls fail, 1 vulnerability`."""
    controls = sum(not finding.definition.concerns_packages for finding in findings)
    counts = []
    if controls:
        counts.append(f"{count_noun(controls, 'control')} {'fails' if controls == 1 else 'fail'}")
    if len(findings) > controls:
        counts.append(count_noun(len(findings) - controls, "vulnerability"))
    return ", ".join(counts)


def _describe_locations(finding: Finding, head: Location | None) -> str:
    """Return the lines in the resource's file and other locations: `lines 12, 15 and 3 more locations`."""
    locations = list(dict.fromkeys(evidence.location for evidence in finding.evidence if evidence.location is not None))
    lines = sorted(
        {
            location.region.start.line
            for location in locations
            if location.region is not None and head is not None and location.file == head.file
        }
    )
    others = list(dict.fromkeys(str(location) for location in locations if head is None or location.file != head.file))
    parts = [f"line{'s' if len(lines) > 1 else ''} {', '.join(map(str, lines[:_LINES]))}"] if lines else []
    parts += others[: max(0, _LINES - len(lines))]
    more = len(lines) + len(others) - min(len(lines), _LINES) - len(others[: max(0, _LINES - len(lines))])
    if more:
        parts.append(f"{more} more location{'s' if more > 1 else ''}")
    return " and ".join(filter(None, (", ".join(parts[:-1]), parts[-1]))) if parts else ""
