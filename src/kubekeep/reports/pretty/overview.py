"""The default view of the terminal report: one screen with totals, the most urgent resources and the next commands.

Shows a part of the findings and always the number of the others. Never more than about 45 lines at 100 columns.
"""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

import msgspec

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location
from kubekeep.model.subject import Subject
from kubekeep.model.text import visible
from kubekeep.model.verdict import Evidence, Status
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.closing import score_cells, score_style, write_audit, write_baseline, write_unread
from kubekeep.reports.pretty.findings import count_levels, kustomization_spans, location_span
from kubekeep.reports.pretty.vulnerabilities import write_vulnerabilities
from kubekeep.reports.shared.affected_packages import has_only_vulnerabilities
from kubekeep.reports.shared.content import file_order
from kubekeep.reports.shared.terminal import Span, Terminal, cells, file_url
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import count_noun, describe_fix, describe_input, percent

_LINES: Final = 45
_HEADLINE: Final = 3
_PROBLEMS: Final = 3
"""Maximum number of problems of such a resource."""
_FRAMEWORKS: Final = 6
_DEFAULT: Final = "recommended"
"""Slug of the default framework of a scan."""
_QUIET: Final = frozenset({ExceptionStatus.MATCHED, ExceptionStatus.UNUSED})
"""Statuses of exceptions that need no attention."""
_UNREAD: Final = 3
_IDS: Final = 3
"""Maximum number of controls named for one problem."""


class MergedProblem(msgspec.Struct, frozen=True):
    """Findings of one resource that report the same field, the most urgent first, with the evidence of that one."""

    findings: tuple[Finding, ...]

    @property
    def first(self) -> Finding:
        """The most urgent finding."""
        return self.findings[0]

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """The evidence of the most urgent finding, in the order of the file."""
        return tuple(sorted(self.first.evidence, key=file_order))


def merge_problems(findings: Iterable[Finding]) -> list[MergedProblem]:
    """Return the problems of one resource, most urgent first: findings of the same field are one problem.

    Findings are merged if they share a path or if one control declares that it overlaps with the other.
    """
    groups: list[list[Finding]] = []
    for finding in sorted(findings, key=_urgency):
        group = next((group for group in groups if any(_repeats(finding, other) for other in group)), None)
        if group is None:
            groups.append([finding])
        else:
            group.append(finding)
    return [MergedProblem(tuple(group)) for group in groups]


def _urgency(finding: Finding) -> tuple[bool, float, bool, str]:
    """Sort key: new findings first, then by priority; of equal ones, controls that others overlap with first."""
    return not finding.has_new, -finding.priority.score, bool(finding.definition.overlaps), finding.id


def _repeats(finding: Finding, other: Finding) -> bool:
    one, two = finding.definition, other.definition
    if one.slug in two.overlaps or two.slug in one.overlaps:
        return True
    # The empty path is the resource as a whole, about which unrelated controls report different problems.
    paths = {evidence.path for evidence in finding.evidence if evidence.path}
    return not paths.isdisjoint(evidence.path for evidence in other.evidence)


def write_overview(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the view. If nothing was assessed, only the gaps of a cluster: the exit message of the command says the rest."""
    if not assessment.results:
        if assessment.target.cluster is not None:
            write_unread(terminal, assessment, options)
        return
    findings = assessment.findings
    by_resource = _group_by_resource(findings)
    _write_headline(terminal, assessment, findings)
    vulnerabilities = [finding for finding in findings if finding.definition.concerns_packages]
    shown = write_vulnerabilities(terminal, assessment)
    if vulnerabilities:
        by_resource = _group_by_resource(finding for finding in findings if not finding.definition.concerns_packages)
    below = 7 + min(len(assessment.frameworks), _FRAMEWORKS) + min(len(assessment.unread), _UNREAD)
    below += min(len(assessment.unknown_fields), _UNREAD + 1)
    shown += _write_first(terminal, assessment, by_resource, _LINES - _HEADLINE - below)
    _write_frameworks(terminal, assessment)
    if assessment.baseline is not None:
        write_baseline(terminal, assessment.baseline)
    if options.audit:
        write_audit(terminal, assessment)
    if assessment.target.cluster is not None:
        write_unread(terminal, assessment, options)
    _write_gaps(terminal, assessment)
    _write_next(terminal, assessment, by_resource, len(findings) - shown, repeatable=options.repeatable)


def _write_headline(terminal: Terminal, assessment: Assessment, findings: Sequence[Finding]) -> None:
    figures: list[Span | str] = []
    if assessment.compliance is not None or not has_only_vulnerabilities(assessment):
        compliance = Span(f"compliance {percent(assessment.compliance)}", f"bold {score_style(assessment.compliance)}")
        coverage = Span(f"coverage {percent(assessment.coverage)}", "yellow" if assessment.coverage < 100 else "")
        figures = ["  ", compliance, " · ", coverage]
    terminal.line(Span(describe_input(assessment), "bold"), *figures)
    counts = Counter(finding.priority.level for finding in findings)
    if findings:
        terminal.line(count_noun(len(findings), "finding"), ": ", *count_levels(counts, "bold"))
    elif assessment.status is Status.NOT_EVALUATED or assessment.unread:
        terminal.line(Span("No findings in what was evaluated", "bold yellow"))
    else:
        terminal.line(Span("✔ No findings", "bold green"))
    terminal.line()


def _group_by_resource(findings: Iterable[Finding]) -> list[list[Finding]]:
    """Return the findings of each resource, the most urgent resource first."""
    by_resource: dict[int, list[Finding]] = {}
    for finding in findings:
        by_resource.setdefault(id(finding.subject), []).append(finding)
    return sorted(by_resource.values(), key=_resource_urgency)


def _write_first(
    terminal: Terminal, assessment: Assessment, by_resource: Sequence[Sequence[Finding]], lines: int
) -> int:
    """Write the most urgent resources, as many as there is room for; return the number of findings shown."""
    if not by_resource:
        return 0
    terminal.line(Span("Fix first", "bold"))
    shown = 0
    lines -= 2
    for group in by_resource:
        problems = merge_problems(group)
        lines -= 2 + min(len(problems), _PROBLEMS + 1)
        if shown and lines < 0:
            break
        shown += _write_resource(terminal, assessment.target.base, problems)
    terminal.line()
    return shown


def _resource_urgency(findings: Sequence[Finding]) -> tuple[bool, list[float], str]:
    """Sort key: resources with new findings first, then by their most urgent findings, compared one by one."""
    scores = sorted(-finding.priority.score for finding in findings)[: _PROBLEMS * 2]
    # With the zero, a resource with more findings comes before one with fewer.
    return not any(finding.has_new for finding in findings), [*scores, 0.0], findings[0].subject.label


def _write_resource(terminal: Terminal, base: str, problems: Sequence[MergedProblem]) -> int:
    first = problems[0].first
    resource, level = first.subject, first.priority.level
    location = _find_location(resource, problems[0])
    terminal.line(
        Span(f"{level.label.upper():8}", f"bold {level.colour}", whole=True),
        "  ",
        *([Span("NEW ", "bold red")] if first.has_new else []),
        Span(resource.label, "bold", whole=True),
        *((Span("  "), location_span(str(location), location, base)) if location else ()),
        *kustomization_spans(resource),
        indent=2,
    )
    context = _describe_context(problems)
    if context:
        terminal.line(Span(context, "dim"), indent=12, hang=0)
    for problem in problems[:_PROBLEMS]:
        _write_problem(terminal, base, problem, location)
    rest = problems[_PROBLEMS:]
    if rest:
        terminal.line(Span(f"… and {count_noun(len(rest), 'more problem')}", "dim"), indent=12)
    return sum(len(problem.findings) for problem in problems[:_PROBLEMS])


def _find_location(resource: Subject, problem: MergedProblem) -> Location | None:
    """Return the first location of the most urgent problem, else that of the resource."""
    located = (evidence.location for evidence in problem.evidence if evidence.location is not None)
    return next(located, None) or resource.locate(())


def _write_problem(terminal: Terminal, base: str, problem: MergedProblem, head: Location | None) -> None:
    """Write one problem on one line: the line in the file, the cause, further locations, and the controls."""
    evidence = problem.evidence
    first = evidence[0] if evidence else None
    location = first.location if first else None
    line, where = _describe_location(location, head, terminal.width // 3) if location else ("", "")
    text = _describe(problem, first)
    more = f" (+{len(evidence) - 1} more)" if len(evidence) > 1 else ""
    ids = [finding.id for finding in problem.findings]
    names = " ".join(ids[:_IDS]) + (f" +{len(ids) - _IDS}" if len(ids) > _IDS else "")
    room = terminal.width - 12 - cells(more) - cells(names) - cells(where) - 2
    url = file_url(base, location.file) if location else ""
    terminal.line(
        Span(f"{line or '·':>8}", "dim", whole=True, url=url),
        "  ",
        Span(_shorten(text, max(room, 20)), whole=True),
        Span(more, "dim", whole=True),
        Span(where, "dim underline", whole=True, url=url),
        "  ",
        Span(names, "cyan", whole=True, url=problem.first.definition.link),
        indent=2,
        hang=10,
    )


def _describe_location(location: Location, head: Location | None, room: int) -> tuple[str, str]:
    """Return the line in the file of `head`, and the source of a value or the location in another file, if any.

    room: columns for the second; the key of a value and the folders of its file are left out if they do not fit.
    """
    # A file of an image has the image as the first part of its name.
    elsewhere = head is not None and location.file != head.file and not head.file.startswith(f"{location.file}!")
    line = str(location.region.start.line) if location.region and not elsewhere else ""
    if location.setting:
        setting = location.setting
        number = f":{setting.region.start.line}" if setting.region else ""
        forms = (str(setting), f"{setting.file}{number}", f"{setting.file.rpartition('/')[2]}{number}")
        return line, f"  from {next((form for form in forms if cells(form) + 7 <= room), forms[-1])}"
    return line, f"  {location}" if elsewhere else ""


def _describe(problem: MergedProblem, evidence: Evidence | None) -> str:
    """Return the cause of a problem: the step that makes it critical, else the message of the rule, else the fix."""
    finding = problem.first
    if finding.priority.step:
        return finding.priority.step
    if evidence is None:
        return finding.title
    return evidence.message or describe_fix(evidence, finding.subject)


def _describe_context(problems: Iterable[MergedProblem]) -> str:
    """Return the facts about a resource that raise the priority of its findings."""
    reasons = (reason for problem in problems for finding in problem.findings for reason in finding.priority.reasons)
    return ", ".join(dict.fromkeys(reasons))


def _shorten(text: str, room: int) -> str:
    """Return the text on one line, cut to the columns of the room."""
    line = " ".join(visible(text).split())
    if cells(line) <= room:
        return line
    while cells(line) > room - 1:
        line = line[:-1]
    return f"{line.rstrip()}…"


def _write_frameworks(terminal: Terminal, assessment: Assessment) -> None:
    failed = {summary.definition.slug for summary in assessment.summaries if summary.status is Status.FAILED}
    if has_only_vulnerabilities(assessment):
        return
    rows = [
        [
            *score_cells(summary.framework.slug, summary.compliance, summary.coverage),
            Span(f"{len(failed.intersection(summary.controls))} of {len(summary.controls)}"),
        ]
        for summary in assessment.frameworks[:_FRAMEWORKS]
    ]
    if not rows:
        return
    heads = ("Framework", "Compliance", "", "Coverage", "Failed controls")
    terminal.table([[Span(head, "dim") for head in heads], *rows])
    if [summary.framework.slug for summary in assessment.frameworks] == [_DEFAULT]:
        terminal.line(Span("kubekeep scan framework allcontrols evaluates every numbered control", "dim"))
    left = len(assessment.frameworks) - len(rows)
    if left > 0:
        terminal.line(Span(f"… and {count_noun(left, 'more framework')} (--view all)", "dim"))
    terminal.line()


def _write_gaps(terminal: Terminal, assessment: Assessment) -> None:
    """Write what was not read, not known and not evaluated, a line each."""
    files = assessment.unread if assessment.target.cluster is None else ()
    attention = [use for use in assessment.exceptions if use.status not in _QUIET or use.scope_warnings]
    fields, uncovered, base = assessment.unknown_fields, list_uncovered(assessment), assessment.target.base
    located = (
        ("✖ not read", "bold red", files),
        ("• not assessed", "yellow", uncovered),
        ("! API", "bold yellow", fields),
    )
    for label, style, inputs in located:
        entries = [(location_span(str(entry.location), entry.location, base), entry.message) for entry in inputs]
        _write_some(terminal, label, style, entries, "--view all")
    exceptions = [
        (
            Span(use.exception.name, "bold"),
            use.text or "; ".join(use.scope_warnings) or f"this exception is {use.status}",
        )
        for use in attention
    ]
    _write_some(terminal, "! exception", "bold yellow", exceptions, "--audit-exceptions")
    gaps = sum(summary.is_gap for summary in assessment.summaries)
    excepted = len(assessment.excepted_findings)
    if gaps:
        text = f"{count_noun(gaps, 'control')} not evaluated (--view all lists the reasons)"
        terminal.line(Span(f"• {text}", "yellow"))
    if excepted:
        terminal.line(Span(f"◌ {count_noun(excepted, 'finding')} covered by exceptions", "dim"))
    if any((files, uncovered, fields, attention, gaps, excepted)):
        terminal.line()


def _write_some(terminal: Terminal, label: str, style: str, entries: Sequence[tuple[Span, str]], option: str) -> None:
    """Write the first entries, a line each, and the number of the others with the option that shows them."""
    for span, text in entries[:_UNREAD]:
        terminal.line(Span(f"{label}  ", style), span, "  ", text, hang=len(label) + 2)
    if len(entries) > _UNREAD:
        terminal.line(Span(f"{label}  … and {len(entries) - _UNREAD:,} more ({option})", style))


def _write_next(
    terminal: Terminal,
    assessment: Assessment,
    by_resource: Sequence[Sequence[Finding]],
    hidden: int,
    *,
    repeatable: bool,
) -> None:
    """Write the next commands: for the first problem, for known fixes, and for the findings not shown."""
    commands = list(_list_commands(assessment, by_resource, hidden, repeatable=repeatable)) if by_resource else []
    if not commands:
        return
    terminal.line(Span("Next", "bold"))
    size = max(cells(command) for command, _ in commands)
    for command, text in commands:
        gap = " " * (size - cells(command) + 2)
        note = _shorten(text, max(terminal.width - size - 4, 20))
        terminal.line(Span(command, "bold cyan", whole=True), gap, Span(note, "dim"), indent=2)


def _list_commands(
    assessment: Assessment, by_resource: Sequence[Sequence[Finding]], hidden: int, *, repeatable: bool
) -> Iterator[tuple[str, str]]:
    """Yield commands with their purpose; they name the frameworks of the scan, unless they are the default.

    Commands that read the input again are only shown if they can repeat the scan.
    """
    paths = assessment.target.paths
    slugs = [summary.framework.slug for summary in assessment.frameworks]
    names = () if slugs == [_DEFAULT] else ("framework", ",".join(slugs))
    words = shlex.join((*names, *paths))
    top = merge_problems(by_resource[0])[0].first
    if not top.definition.is_user_supplied:
        yield f"kubekeep explain {top.id}", top.title
    fixable = sum(finding.has_fix for findings in by_resource for finding in findings)
    can_repeat = repeatable and bool(slugs) and _are_files(paths)
    if fixable and can_repeat:
        yield f"kubekeep fix {words}", f"{count_noun(fixable, 'finding')} with a known fix"
    if hidden > 0:
        command = f"kubekeep scan {words} --view resource" if can_repeat else "the same command with --view resource"
        yield command, f"{count_noun(hidden, 'finding')} not shown here"


def _are_files(paths: Sequence[str]) -> bool:
    """Return True if a later command can read the paths again, unlike standard input and pipes."""
    return bool(paths) and not any(path == "-" or path.startswith("/dev/") for path in paths)
