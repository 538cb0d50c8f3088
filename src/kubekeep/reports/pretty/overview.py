"""The default view of the terminal report: one screen with totals, the most urgent problems and the next commands.

Shows a part of the findings and always the number of the others. At most 45 lines at 100 columns and 55 at 80, with the
messages of the command.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from kubekeep.model.assessment import Assessment
from kubekeep.model.exception import ExceptionStatus
from kubekeep.model.finding import Finding
from kubekeep.model.location import Location
from kubekeep.model.text import visible
from kubekeep.model.verdict import Status
from kubekeep.model.workload import pod_path
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.closing import score_cells, score_style, write_audit, write_baseline, write_unread
from kubekeep.reports.pretty.findings import count_levels, kustomization_spans, location_span
from kubekeep.reports.pretty.fleet import PackageWriter, count_findings, list_shown, write_bases
from kubekeep.reports.pretty.vulnerabilities import write_vulnerabilities
from kubekeep.reports.shared.affected_packages import has_only_vulnerabilities
from kubekeep.reports.shared.fleet import FleetPackage, build_fleet, group_packages, has_fleet
from kubekeep.reports.shared.problems import (
    EverywhereProblem,
    MergedProblem,
    SharedProblem,
    describe_cause,
    describe_context,
    select_problems,
)
from kubekeep.reports.shared.terminal import BufferedTerminal, Span, Terminal, cells, count_rows, file_url
from kubekeep.reports.shared.unread_inputs import group_by_cause
from kubekeep.reports.shared.urgency import priority_level
from kubekeep.reports.shared.vulnerabilities import iterate_subjects, list_uncovered, measure_coverage
from kubekeep.reports.shared.wording import count_noun, describe_input, limit_notes, percent

_LINES: Final = 45
"""Maximum lines of the view, with those that the command prints beside it."""
_NARROW_LINES: Final = 55
_WIDE: Final = 100
"""Minimum columns of a terminal for the lower number of lines."""
_NOTE: Final = 24
"""Minimum columns of the note beside a command."""
_MESSAGES: Final = 3
"""Lines of messages about incomplete input and gates, which the command prints below the view."""
_WRAPPED: Final = 24
"""Columns that two lines lose because they end with a whole word."""
_MAX_EVERYWHERE: Final = 3
"""Maximum number of controls that fail everywhere."""
_FRAMEWORKS: Final = 6
_REMEDY: Final = re.compile(r"(?:delete it and )?run `(kubekeep [^`]+)`")
_DEFAULT: Final = "recommended"
"""Slug of the default framework of a scan."""
_QUIET: Final = frozenset({ExceptionStatus.MATCHED, ExceptionStatus.UNUSED})
"""Statuses of exceptions that need no attention."""
_ENTRIES: Final = 3
"""Maximum number of entries of each kind of gap; one where they leave too few lines for findings."""
_MIN_LINES: Final = 15
"""Lines for findings below which gaps are cut."""
_IDS: Final = 3
"""Maximum number of controls named for one problem."""
_LAST: Final = (True, 0.0)
"""Sort key behind those of all problems."""
_NAMED: Final = 2
"""Maximum number of problems that name the same control."""


def write_overview(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the view. If nothing was assessed, only the gaps of a cluster: the exit message of the command says the rest."""
    if not assessment.results:
        if assessment.target.cluster is not None:
            write_unread(terminal, assessment, options)
        return
    findings = assessment.findings
    controls = [finding for finding in findings if not finding.definition.concerns_packages]
    groups, everywhere = select_problems(assessment, controls)
    head, closing, preview = terminal.copy(), terminal.copy(), terminal.copy()
    _write_headline(head, assessment, findings)
    headline = head.rows
    # The commands depend on the problems shown, their number of lines does not.
    _write_next(preview, assessment, controls, next(iter(controls), None), 1, repeatable=options.repeatable)
    lines = _count_lines(terminal, assessment) - head.rows - preview.rows
    _write_closing(closing, assessment, options, _ENTRIES)
    if lines - closing.rows < _MIN_LINES:
        closing = terminal.copy()
        _write_closing(closing, assessment, options, 1)
    lines -= closing.rows
    images = 0
    if has_fleet(assessment):
        fleet = build_fleet(iterate_subjects(assessment))
        images = len(fleet.images)
        if not any(image.containers for image in fleet.images):
            write_bases(closing, fleet.bases)
            lines -= min(len(fleet.bases), 4) + 2 if fleet.bases else 0
        shown_findings, shown = _write_first(head, assessment, groups, everywhere, lines, fleet.packages)
    else:
        shown = write_vulnerabilities(head, assessment, lines // 2 if controls else lines)
        lines -= head.rows - headline
        shown_findings, _ = _write_first(head, assessment, groups, everywhere, lines)
    top = next(iter(shown_findings), None)
    # A finding can be part of a problem and of a control that fails everywhere.
    hidden = len(findings) - shown - len({id(finding) for finding in shown_findings})
    _write_next(closing, assessment, controls, top, hidden, repeatable=options.repeatable, images=images)
    terminal.write_lines((*head.lines, *closing.lines))


def _count_lines(terminal: Terminal, assessment: Assessment) -> int:
    """Return the lines of the screen that are left beside the notes and messages of the command."""
    notes = sum(count_rows(note, terminal.width) for note in limit_notes(assessment.notes))
    return (_LINES if terminal.width >= _WIDE else _NARROW_LINES) - notes - _MESSAGES


def _write_closing(terminal: Terminal, assessment: Assessment, options: ReportOptions, entries: int) -> None:
    """Write everything between the findings and the next commands, with a number of entries of each kind of gap."""
    _write_frameworks(terminal, assessment)
    if assessment.baseline is not None:
        write_baseline(terminal, assessment.baseline)
    if options.audit:
        write_audit(terminal, assessment)
    if assessment.target.cluster is not None:
        write_unread(terminal, assessment, options)
    _write_gaps(terminal, assessment, entries)


def _write_headline(terminal: Terminal, assessment: Assessment, findings: Sequence[Finding]) -> None:
    figures: list[Span | str] = []
    if assessment.compliance is not None or not has_only_vulnerabilities(assessment):
        compliance = Span(f"compliance {percent(assessment.compliance)}", f"bold {score_style(assessment.compliance)}")
        coverage = Span(f"coverage {percent(assessment.coverage)}", "yellow" if assessment.coverage < 100 else "")
        figures = ["  ", compliance, " · ", coverage]
    terminal.line(Span(describe_input(assessment), "bold"), *figures)
    counts = Counter(finding.priority.level for finding in findings)
    packages = measure_coverage(assessment)
    unassessed = f" · {text}" if packages is not None and (text := packages.describe()) else ""
    if findings:
        terminal.line(
            count_noun(len(findings), "finding"), ": ", *count_levels(counts, "bold"), Span(unassessed, "bold yellow")
        )
    elif assessment.status is Status.NOT_EVALUATED or assessment.unread or unassessed:
        terminal.line(Span(f"No findings in what was evaluated{unassessed}", "bold yellow"))
    else:
        terminal.line(Span("✔ No findings", "bold green"))
    terminal.line()


def _write_first(
    terminal: Terminal,
    assessment: Assessment,
    groups: Sequence[Sequence[SharedProblem]],
    everywhere: Sequence[EverywhereProblem],
    lines: int,
    packages: Sequence[FleetPackage] = (),
) -> tuple[list[Finding], int]:
    """Write the most urgent problems and upgrades in one list, as many as there is room for.

    Return the findings that are shown, and the number of those about packages.
    """
    if not groups and not everywhere and not packages:
        return [], 0
    lines -= 2
    upgrades, images = _fit_packages(terminal, packages, lines, has_problems=bool(groups or everywhere))
    blocks = [
        _Block((not members[0].is_new, -members[0].score), texts, ())
        for members, texts in zip(images, upgrades, strict=True)
    ]
    rest = len(packages) - sum(map(len, images))
    lines -= sum(map(len, upgrades)) + bool(rest)
    most_urgent = min((block.order for block in blocks), default=_LAST)
    blocks += _list_problems(terminal, assessment.target.base, groups, everywhere, lines, most_urgent)
    blocks.sort(key=lambda block: block.order)
    terminal.line(Span("Fix first", "bold"))
    for block in blocks:
        terminal.write_lines(block.lines)
    if rest:
        others = count_noun(rest, "more package")
        terminal.line(Span(f"… and {others} with vulnerabilities (--view package)", "dim"), indent=2)
    terminal.line()
    shown = [package for members in images for package in list_shown(members)]
    return [finding for block in blocks for finding in block.findings], count_findings(shown)


def _list_problems(
    terminal: Terminal,
    base: str,
    groups: Sequence[Sequence[SharedProblem]],
    everywhere: Sequence[EverywhereProblem],
    lines: int,
    most_urgent: tuple[bool, float],
) -> Iterator[_Block]:
    """Yield the problems that fit; the first one in any case if nothing else is more urgent. most_urgent: that of packages."""
    names = _ControlNames(groups, everywhere)
    for problem in everywhere[:_MAX_EVERYWHERE]:
        block = terminal.copy()
        _write_everywhere(block, problem)
        lines -= block.rows
        yield _Block(_order(problem.first), block.lines, problem.findings)
    for number, group in enumerate(groups):
        order = _order(group[0].first)
        fitting = _fit_group(terminal, base, group, names, lines)
        if fitting is None and number == 0 and order <= most_urgent:
            fitting = _fit_group(terminal, base, group[:1], names, _LINES)
        if fitting is None:
            return
        block, problems = fitting
        lines -= block.rows
        yield _Block(order, block.lines, tuple(finding for problem in problems for finding in problem.findings))


class _Block(NamedTuple):
    """Lines about a problem or an upgrade, with their sort key and the findings about controls."""

    order: tuple[bool, float]
    lines: list[str]
    findings: Sequence[Finding]


def _order(finding: Finding) -> tuple[bool, float]:
    return not finding.has_new, -finding.priority.score


def _fit_packages(
    terminal: Terminal, packages: Sequence[FleetPackage], lines: int, *, has_problems: bool
) -> tuple[list[list[str]], list[list[FleetPackage]]]:
    """Return the lines of the first packages, and these packages; a part of the lines is left for problems."""
    has_workloads = any(package.containers for package in packages)
    # Where upgrades have one line each, most of the screen is for them.
    room = lines if not has_problems else max(lines // 2, 3) if has_workloads else lines - min(lines // 4, 6)
    texts: list[list[str]] = []
    groups = group_packages(packages)
    writer = PackageWriter(terminal, [group[0] for group in groups[:room]])
    for group in groups[:room]:
        block = terminal.copy()
        writer.write_group(block, group)
        if texts and block.rows > room:
            break
        room -= block.rows
        texts.append(block.lines)
    return texts, groups[: len(texts)]


def _fit_group(
    terminal: Terminal, base: str, group: Sequence[SharedProblem], names: _ControlNames, lines: int
) -> tuple[BufferedTerminal, Sequence[SharedProblem]] | None:
    """Return the text of a resource with its problems, or its first problem alone, that fits; None if neither does."""
    for problems in (group, group[:1]):
        block = terminal.copy()
        _write_resource(block, base, problems, names)
        if block.rows <= lines:
            return block, problems
    return None


class _ControlNames:
    """The controls named beside problems: each at most twice, the most urgent one of a problem always."""

    def __init__(self, groups: Iterable[Iterable[SharedProblem]], everywhere: Iterable[EverywhereProblem]) -> None:
        self._counts = Counter(problem.first.id for group in groups for problem in group)
        self._counts.update({problem.first.id: _NAMED for problem in everywhere})

    def describe(self, findings: Sequence[Finding]) -> str:
        """Return the controls of a problem, with the number of those that are not named."""
        names = [findings[0].id]
        for finding in findings[1:]:
            if len(names) < _IDS and self._counts[finding.id] < _NAMED:
                self._counts[finding.id] += 1
                names.append(finding.id)
        rest = len({finding.id for finding in findings}) - len(names)
        return " ".join(names) + (f" +{rest}" if rest else "")


def _write_everywhere(terminal: Terminal, problem: EverywhereProblem) -> None:
    """Write a control that fails on every resource on one line, with an example."""
    level, subjects = (
        priority_level(problem.first),
        {id(finding.subject): finding.subject for finding in problem.findings},
    )
    noun = "workload" if all(pod_path(subject) is not None for subject in subjects.values()) else "resource"
    start = f"all {count_noun(len(subjects), noun)}, such as: "
    text = describe_cause(problem.example)
    room = terminal.width - 12 - cells(start) - cells(problem.first.id) - 2
    terminal.line(
        Span(f"{level.label.upper():8}", f"bold {level.colour}", whole=True),
        "  ",
        Span(start, "bold", whole=True),
        Span(_shorten(text, max(room, 20)), whole=True),
        "  ",
        Span(problem.first.id, "cyan", whole=True, url=problem.first.definition.link),
        indent=2,
        hang=10,
    )


def _write_resource(terminal: Terminal, base: str, group: Sequence[SharedProblem], names: _ControlNames) -> None:
    first = group[0].first
    resource, level = first.subject, priority_level(first)
    location = group[0].problem.location
    terminal.line(
        Span(f"{level.label.upper():8}", f"bold {level.colour}", whole=True),
        "  ",
        *([Span("NEW ", "bold red")] if first.has_new else []),
        Span(resource.label, "bold", whole=True),
        *((Span("  "), location_span(str(location), location, base)) if location else ()),
        *_describe_sharing(group),
        indent=2,
        hang=10,
    )
    context = describe_context(group)
    if context:
        terminal.line(Span(context, "dim"), indent=12, hang=0)
    for problem in group:
        _write_problem(terminal, base, problem.problem, location, names)


def _describe_sharing(group: Sequence[SharedProblem]) -> list[Span | str]:
    """Return the kustomization of the resource, or the numbers of overlays and resources that share its lines."""
    overlays, resources = max(problem.overlays for problem in group), max(problem.resources for problem in group)
    parts = [f"in {count_noun(overlays, 'overlay')}"] if overlays > 1 else []
    parts += [f"and {count_noun(resources - 1, 'more resource')}"] if resources > 1 else []
    if parts:
        return [Span(f"  {', '.join(parts)}", "dim", whole=True)]
    return kustomization_spans(group[0].first.subject)


def _write_problem(
    terminal: Terminal, base: str, problem: MergedProblem, head: Location | None, controls: _ControlNames
) -> None:
    """Write one problem on one line: the line in the file, the cause, further locations, and the controls."""
    evidence = problem.evidence
    first = evidence[0] if evidence else None
    location = first.location if first else None
    line, where = _describe_location(location, head, terminal.width // 3) if location else ("", "")
    text = describe_cause(problem)
    more = f" (+{len(evidence) - 1} more)" if len(evidence) > 1 else ""
    names = controls.describe(problem.findings)
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


def _write_gaps(terminal: Terminal, assessment: Assessment, count: int) -> None:
    """Write what was not read, not known and not evaluated: the first `count` of each kind, a line each."""
    files = assessment.unread if assessment.target.cluster is None else ()
    attention = [use for use in assessment.exceptions if use.status not in _QUIET or use.scope_warnings]
    fields, uncovered, base = assessment.unknown_fields, list_uncovered(assessment), assessment.target.base
    located = (
        ("✖ not read", "bold red", files),
        ("• not assessed", "yellow", uncovered),
        ("! API", "bold yellow", fields),
    )
    for label, style, inputs in located:
        entries = [
            (location_span(entry.label, entry.location, base), entry.message) for entry in group_by_cause(inputs)
        ]
        _write_some(terminal, label, style, entries, count, "--view all")
    exceptions = [
        (
            Span(use.exception.name, "bold"),
            use.text or "; ".join(use.scope_warnings) or f"this exception is {use.status}",
        )
        for use in attention
    ]
    _write_some(terminal, "! exception", "bold yellow", exceptions, count, "--audit-exceptions")
    gaps = sum(summary.is_gap for summary in assessment.summaries)
    excepted = len(assessment.excepted_findings)
    if gaps:
        text = f"{count_noun(gaps, 'control')} not evaluated (--view all lists the reasons)"
        terminal.line(Span(f"• {text}", "yellow"))
    if excepted:
        terminal.line(Span(f"◌ {count_noun(excepted, 'finding')} covered by exceptions", "dim"))
    if any((files, uncovered, fields, attention, gaps, excepted)):
        terminal.line()


def _write_some(
    terminal: Terminal, label: str, style: str, entries: Sequence[tuple[Span, str]], count: int, option: str
) -> None:
    """Write the first entries, a line each, and the number of the others with the option that shows them."""
    for span, text in entries[:count]:
        room = max(2 * terminal.width - 2 * len(label) - cells(span.text) - _WRAPPED, terminal.width // 2)
        terminal.line(Span(f"{label}  ", style), span, "  ", _shorten(text, room), hang=len(label) + 2)
    if len(entries) > count:
        terminal.line(Span(f"{label}  … and {len(entries) - count:,} more ({option})", style))


def _write_next(
    terminal: Terminal,
    assessment: Assessment,
    findings: Sequence[Finding],
    top: Finding | None,
    hidden: int,
    *,
    repeatable: bool,
    images: int = 0,
) -> None:
    """Write the next commands: for the first problem, for known fixes, and for the findings not shown."""
    commands = list(_list_remedies(assessment))
    if images > 1:
        commands.append(("the same command with --view image", f"{images:,} images one by one"))
    if top is not None:
        commands += _list_commands(assessment, findings, top, hidden, repeatable=repeatable)
    if not commands:
        return
    terminal.line(Span("Next", "bold"))
    longest = terminal.width - 2 - _NOTE
    size = max((cells(command) for command, _ in commands if cells(command) <= longest), default=0)
    for command, text in commands:
        # The note of a command that leaves no room for it follows on a line of its own.
        fits = cells(command) <= longest
        gap = " " * (size - cells(command) + 2) if fits else "  "
        note = _shorten(text, terminal.width - (size + 4 if fits else 6))
        terminal.line(Span(command, "bold cyan", whole=True), gap, Span(note, "dim", whole=True), indent=2, hang=4)


def _list_remedies(assessment: Assessment) -> Iterator[tuple[str, str]]:
    """Yield the command that a message about unread input names: what was not assessed may be worse than the findings."""
    for unread in assessment.unread:
        if match := _REMEDY.search(unread.message):
            yield match[1], unread.message[: match.start()].rstrip(" :;,")
            return


def _list_commands(
    assessment: Assessment, findings: Sequence[Finding], top: Finding, hidden: int, *, repeatable: bool
) -> Iterator[tuple[str, str]]:
    """Yield commands with their purpose; they name the frameworks of the scan, unless they are the default.

    Commands that read the input again are only shown if they can repeat the scan.
    """
    paths = assessment.target.paths
    slugs = [summary.framework.slug for summary in assessment.frameworks]
    names = () if slugs == [_DEFAULT] else ("framework", ",".join(slugs))
    words = shlex.join((*names, *paths))
    if not top.definition.is_user_supplied:
        yield f"kubekeep explain {top.id}", top.title
    fixable = sum(finding.has_fix for finding in findings)
    can_repeat = repeatable and bool(slugs) and _are_files(paths)
    if fixable and can_repeat:
        yield f"kubekeep fix {words}", f"{count_noun(fixable, 'finding')} with a known fix"
    if hidden > 0:
        command = f"kubekeep scan {words} --view resource" if can_repeat else "the same command with --view resource"
        yield command, f"{count_noun(hidden, 'finding')} not shown here"


def _are_files(paths: Sequence[str]) -> bool:
    """Return True if a later command can read the paths again, unlike standard input and pipes."""
    return bool(paths) and not any(path == "-" or path.startswith("/dev/") for path in paths)
