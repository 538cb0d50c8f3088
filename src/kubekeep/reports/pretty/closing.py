"""The end of the terminal report: passed, excepted and unevaluated controls, unread input, totals, next step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from typing import Final

from kubekeep.model.assessment import Assessment, DefinitionSummary, UnreadInput
from kubekeep.model.cluster import CoverageGap
from kubekeep.model.comparison import Comparison
from kubekeep.model.definition import Definition
from kubekeep.model.exception import AppliedException, ExceptionStatus, ExceptionUse
from kubekeep.model.text import utc_text
from kubekeep.model.verdict import Status
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.pretty.findings import count_levels, location_span
from kubekeep.reports.shared.content import count, grade, is_idle
from kubekeep.reports.shared.terminal import Span, Terminal, file_url
from kubekeep.reports.shared.unread_inputs import group_by_cause
from kubekeep.reports.shared.urgency import count_priorities, sort_failed
from kubekeep.reports.shared.vulnerabilities import list_uncovered
from kubekeep.reports.shared.wording import (
    count_noun,
    describe_enforcement,
    describe_gap,
    describe_input,
    group_by_reason,
    percent,
)

_GRADE_STYLES: Final = {"good": "green", "fair": "yellow", "poor": "red", "unknown": "dim"}
_BAR_WIDTH: Final = 10
_MAX_NAMED: Final = 20
"""Maximum number of unevaluated controls to name, unless verbose."""
_MAX_SINGLE_LINES: Final = 2
"""Maximum number of missing permissions with the same reason that get a line each instead of a group."""
_MAX_KINDS: Final = 12
"""Maximum number of hidden kinds to name for one reason."""
_ROLES_HINT: Final = " to print the required roles and the missing permissions."
_MAX_REASONS: Final = 3
"""Maximum number of reasons for incomparable findings."""
_USE_STYLES: Final = {ExceptionStatus.MATCHED: "green", ExceptionStatus.UNUSED: "dim"}
"""All other statuses need attention."""
_USE_FINDINGS: Final = 5


def write_closing(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write everything after the findings."""
    _write_passed(terminal, assessment, options)
    write_excepted(terminal, assessment, options)
    if options.audit:
        write_audit(terminal, assessment)
    _write_gaps(terminal, assessment, options)
    write_unread(terminal, assessment, options)
    base = assessment.target.base
    _write_located(terminal, "• Not assessed", list_uncovered(assessment), base)
    # Kubernetes ignores unknown fields.
    title = f"! Fields and API versions that Kubernetes {assessment.kubernetes_version} does not have"
    _write_located(terminal, title, assessment.unknown_fields, base)
    if assessment.baseline is not None:
        write_baseline(terminal, assessment.baseline)
    _write_summary(terminal, assessment)
    _write_next(terminal, assessment)


def _write_passed(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    passed = [summary for summary in assessment.summaries if summary.status is Status.PASSED]
    idle = [summary for summary in assessment.summaries if is_idle(summary)]
    if passed:
        terminal.line(Span(f"✔ {count_noun(len(passed), 'control')} passed", "green"))
        for summary in passed if options.verbose else ():
            enforcement = "; ".join(map(describe_enforcement, summary.enforcement))
            _write_control(terminal, summary.definition, Span(f"  {enforcement}" if enforcement else "", "dim"))
    if idle:
        terminal.line(Span(f"· {count_noun(len(idle), 'control')} without matching resources", "dim"))
        for summary in idle if options.verbose else ():
            _write_control(terminal, summary.definition)
    if passed or idle:
        terminal.line()


def _write_control(terminal: Terminal, control: Definition, *details: Span) -> None:
    terminal.line(Span(control.id, "cyan", whole=True), "  ", control.title, *details, indent=2)


def _write_gaps(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the unevaluated controls by reason; if there are many, only their number unless verbose."""
    gaps = [summary for summary in assessment.summaries if summary.is_gap]
    if not gaps:
        return
    title = Span(f"• {count_noun(len(gaps), 'control')} not evaluated", "bold yellow")
    if len(gaps) > _MAX_NAMED and not options.verbose:
        terminal.line(title, "  (use --verbose to list them)")
        counts = Counter(summary.reason.cause if summary.reason else None for summary in gaps)
        for cause, amount in counts.most_common():
            terminal.line(f"{amount:4} ", Span(describe_gap(cause, assessment), "dim"), indent=2)
    else:
        terminal.line(title)
        _write_reasons(terminal, gaps)
    terminal.line()


def _write_reasons(terminal: Terminal, gaps: Iterable[DefinitionSummary]) -> None:
    for text, summaries in group_by_reason(gaps).items():
        if len(summaries) == 1:
            _write_control(terminal, summaries[0].definition)
        else:
            terminal.line(Span(", ".join(summary.definition.id for summary in summaries), "cyan"), indent=2, hang=0)
        terminal.line(Span(text, "dim"), indent=4, hang=0)


def write_unread(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the input that was not read; the gaps of a cluster by reason."""
    if not assessment.unread:
        return
    gaps = assessment.target.cluster.gaps if assessment.target.cluster else ()
    hidden = {gap.permission for gap in gaps}
    # Gaps in cloud data are not caused by permissions in the cluster.
    by_cluster = not all(gap.next_step for gap in gaps)
    title = _incomplete(len(assessment.unread), len(hidden), "cluster" if by_cluster else "cloud")
    terminal.line(Span(f"✖ {title}: this scan is incomplete", "bold red"))
    by_reason = {reason: group for reason, group in _group_by_reason(gaps).items() if len(group) > _MAX_SINGLE_LINES}
    for reason, group in by_reason.items():
        _write_hidden(terminal, reason, group, options)
    _write_places(terminal, assessment, hidden, {gap.permission for group in by_reason.values() for gap in group})
    if gaps and by_cluster:
        option = Span("--dry-run", "bold cyan", whole=True)
        terminal.line(Span("Run the same command with ", "dim"), option, Span(_ROLES_HINT, "dim"), indent=2)
    terminal.line()


def _write_located(terminal: Terminal, title: str, entries: Sequence[UnreadInput], base: str) -> None:
    """Write a title and the entries with their locations; nothing without entries."""
    if not entries:
        return
    terminal.line(Span(title, "bold yellow"))
    for entry in group_by_cause(entries):
        terminal.line(location_span(entry.label, entry.location, base), "  ", entry.message, indent=2)
    terminal.line()


def _write_places(
    terminal: Terminal, assessment: Assessment, hidden: AbstractSet[str], grouped: AbstractSet[str]
) -> None:
    """Write the unread input except entries of `grouped`; entries of `hidden` are permissions, not files."""
    for unread in group_by_cause(entry for entry in assessment.unread if entry.location.file not in grouped):
        is_file = unread.location.file not in hidden
        url = file_url(assessment.target.base, unread.location.file) if is_file else ""
        style = "underline" if is_file else "bold"
        terminal.line(Span(unread.label, style, whole=True, url=url), "  ", unread.message, indent=2)


def _group_by_reason(gaps: Iterable[CoverageGap]) -> dict[str, list[CoverageGap]]:
    """Group the coverage gaps of a cluster by reason."""
    groups: dict[str, list[CoverageGap]] = {}
    for gap in gaps:
        if not gap.next_step:
            groups.setdefault(gap.text, []).append(gap)
    return groups


def _write_hidden(terminal: Terminal, reason: str, gaps: Iterable[CoverageGap], options: ReportOptions) -> None:
    """Write the gaps of one reason, one line per namespace; many kinds are only counted unless verbose."""
    terminal.line(Span(reason), indent=2)
    kinds_by_scope: dict[tuple[str, str], list[str]] = {}
    for gap in gaps:
        kind = f"{gap.resource}.{gap.group}" if gap.group else gap.resource
        namespace = "" if gap.name else gap.namespace
        kinds_by_scope.setdefault((gap.verb, namespace), []).append(f"{kind}/{gap.name}" if gap.name else kind)
    for (verb, namespace), kinds in kinds_by_scope.items():
        most = len(kinds) if options.verbose else _MAX_KINDS
        more = f" and {len(kinds) - most} more (use --verbose to list them)" if len(kinds) > most else ""
        namespace_text = f"in namespace {namespace}: " if namespace else ""
        terminal.line(f"{verb} {namespace_text}", Span(", ".join(kinds[:most]), "bold"), more, indent=4)


def _incomplete(unread: int, hidden: int, platform: str) -> str:
    """Return the title for `unread` parts of the input, `hidden` of which are permissions missing on the platform."""
    return (
        f"Input not read in {count_noun(unread, 'location')}"
        if hidden < unread
        else f"Some data of the {platform} could not be read"
    )


def write_baseline(terminal: Terminal, comparison: Comparison) -> None:
    """Write the changes since the baseline, and the incomparable findings by reason."""
    new = Span(f"{len(comparison.new)} new", "bold red" if comparison.new else "green")
    excepted_text = f", {len(comparison.excepted)} covered by exceptions" if comparison.excepted else ""
    more = f", {len(comparison.unchanged)} unchanged, {len(comparison.resolved)} resolved{excepted_text} since {comparison.base}"
    terminal.line(Span("Baseline", "bold"), "  ", new, more)
    reasons = Counter(difference.reason for difference in comparison.incomparable)
    first_reasons = reasons.most_common(_MAX_REASONS)
    for reason, amount in first_reasons:
        terminal.line(Span(f"{count_noun(amount, 'finding')} cannot be compared: {reason}", "yellow"), indent=2)
    if len(reasons) > len(first_reasons):
        rest = count_noun(reasons.total() - sum(amount for _, amount in first_reasons), "finding")
        more = f"{rest} more cannot be compared, for {len(reasons) - len(first_reasons)} other reasons"
        terminal.line(Span(more, "yellow"), indent=2)
    for warning in comparison.warnings:
        terminal.line(Span(f"the scans differ: {warning}", "yellow"), indent=2)
    terminal.line()


def _write_summary(terminal: Terminal, assessment: Assessment) -> None:
    by_slug = {summary.definition.slug: summary for summary in assessment.summaries}
    headings = ("Framework", "Compliance", "", "Coverage", "Failed", "Passed", "Not evaluated")
    rows = [[Span(head, "dim") for head in headings]]
    for framework in assessment.frameworks:
        members = [by_slug[slug] for slug in framework.controls]
        rows.append(_row(framework.framework.slug, framework.compliance, framework.coverage, members))
    if not any(len(framework.controls) == len(assessment.summaries) for framework in assessment.frameworks):
        rows.append(_row("overall", assessment.compliance, assessment.coverage, list(assessment.summaries)))
    terminal.line(Span("Summary", "bold"))
    terminal.table(rows, indent=2)
    terminal.line()
    _write_priorities(terminal, assessment)


def _row(name: str, compliance: float | None, coverage: float, controls: list[DefinitionSummary]) -> list[Span]:
    counts = count(controls)
    amounts = (counts.failed, counts.passed, counts.gaps)
    return [*score_cells(name, compliance, coverage), *(Span(str(amount)) for amount in amounts)]


def score_cells(name: str, compliance: float | None, coverage: float) -> list[Span]:
    """Return the first cells of a row about a framework."""
    style = score_style(compliance)
    return [
        Span(name, "bold"),
        Span(percent(compliance), style),
        Span(_draw_bar(compliance), style),
        Span(percent(coverage), "yellow" if coverage < 100 else ""),
    ]


def score_style(compliance: float | None) -> str:
    """Return the style of a compliance score."""
    return _GRADE_STYLES[grade(compliance)]


def _draw_bar(value: float | None) -> str:
    """Return a percentage as a bar of ten cells."""
    filled = math.floor((value or 0) * _BAR_WIDTH / 100)
    return "█" * filled + "░" * (_BAR_WIDTH - filled)


def _write_priorities(terminal: Terminal, assessment: Assessment) -> None:
    failed = sort_failed(assessment)
    spans: list[Span | str] = [describe_input(assessment), f", {count_noun(len(failed), 'failed control')}"]
    counts = count_priorities(assessment.findings)
    if counts:
        spans += [f"; {count_noun(counts.total(), 'finding')} by priority", ": ", *count_levels(counts)]
    terminal.line(*spans, indent=2)
    terminal.line()


def _write_next(terminal: Terminal, assessment: Assessment) -> None:
    failed = sort_failed(assessment)
    if failed:
        control = failed[0].definition
        first = f"start with {control.id} ({control.title})"
        command = Span(f"kubekeep explain {control.id}", "bold cyan", whole=True)
        terminal.line(
            Span("→ Next: ", "bold"), *([f"{first}."] if control.is_user_supplied else [f"{first}: ", command])
        )
    elif assessment.unread:
        terminal.line(Span("→ Next: ", "bold"), f"{_suggest_reading(assessment)}, and scan again.")
    elif assessment.counts.total == 0:
        terminal.line(Span("→ Next: ", "bold"), _suggest_target(assessment))
    elif any(summary.is_gap for summary in assessment.summaries):
        terminal.line(Span("→ Next: ", "bold"), "no control failed; provide the missing data for the controls above.")
    elif assessment.group_excepted_findings():
        terminal.line(Span("✔ All failures are covered by exceptions.", "bold green"))
    else:
        terminal.line(Span("✔ No control failed, and all input was evaluated.", "bold green"))


def _suggest_reading(assessment: Assessment) -> str:
    gaps = assessment.target.cluster.gaps if assessment.target.cluster else ()
    hidden = {gap.permission for gap in gaps}
    is_hidden = all(unread.location.file in hidden for unread in assessment.unread) and not any(
        gap.next_step for gap in gaps
    )
    return "request the missing permissions" if is_hidden else "fix the input that was not read"


def _suggest_target(assessment: Assessment) -> str:
    """Return the next step if no resource was evaluated."""
    if assessment.target.cluster is None:
        return "no resources found; check the path."
    if str(assessment.resource_selection):
        return "these controls apply to none of the selected resources."
    return "these controls apply to none of the resources of the cluster."


def write_excepted(terminal: Terminal, assessment: Assessment, options: ReportOptions) -> None:
    """Write the number of excepted findings; with `verbose` each one with its reason."""
    excepted = assessment.group_excepted_findings()
    if not excepted:
        return
    count = sum(map(len, excepted.values()))
    title = Span(f"◌ {count_noun(count, 'finding')} covered by exceptions", "bold")
    terminal.line(title, *([] if options.verbose else ["  (use --verbose to list them)"]))
    controls = [
        summary.definition
        for summary in assessment.summaries
        if options.verbose and summary.definition.slug in excepted
    ]
    for control in controls:
        _write_control(terminal, control)
        for finding in excepted[control.slug]:
            location = finding.evidence[0].location or finding.subject.locate(())
            head: list[Span | str] = (
                [location_span(str(location), location, assessment.target.base), "  "] if location else []
            )
            terminal.line(*head, Span(finding.subject.label, "bold", whole=True), indent=4)
            for exception in finding.suppressions:
                terminal.line(*_describe_exception(exception, assessment.target.base), indent=6)
    terminal.line()


def _describe_exception(exception: AppliedException, base: str) -> Iterator[Span | str]:
    """Yield the reason, end date and source of an exception."""
    yield exception.reason or Span("no reason given", "dim")
    if exception.expires is not None:
        yield Span(f"  until {utc_text(exception.expires)[:10]}", "dim")
    if exception.location is not None:
        yield "  "
        yield location_span(str(exception.location), exception.location, base)


def write_audit(terminal: Terminal, assessment: Assessment) -> None:
    """Write the use of each exception, those without a match first."""
    uses = assessment.exceptions
    if not uses:
        terminal.line(Span("No exceptions", "bold"))
        terminal.line()
        return
    terminal.line(Span("Exceptions", "bold"))
    for use in sorted(
        uses, key=lambda use: (use.status is ExceptionStatus.MATCHED, use.status is ExceptionStatus.UNUSED)
    ):
        _write_use(terminal, use, assessment.target.base)
    terminal.line()


def _write_use(terminal: Terminal, use: ExceptionUse, base: str) -> None:
    count = len(use.findings)
    covers = f"{count} finding{'' if count == 1 else 's'}" if count else ""
    details = ", ".join(filter(None, (covers, use.text)))
    status = Span(f"{use.status:16}", _USE_STYLES.get(use.status, "yellow"), whole=True)
    terminal.line(status, use.exception.name, Span(f"  {details}" if details else "", "dim"), indent=2, hang=16)
    terminal.line(*_describe_exception(use.exception, base), indent=18)
    for finding in use.findings[:_USE_FINDINGS]:
        terminal.line(Span(finding.control, "cyan", whole=True), "  ", Span(finding.label, whole=True), indent=18)
    if count > _USE_FINDINGS:
        terminal.line(Span(f"… and {count - _USE_FINDINGS} more", "dim"), indent=18)
