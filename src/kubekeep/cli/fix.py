"""`kubekeep fix`: fix findings in the files, after showing the changes and asking for confirmation.

Parses, prints and prompts; never plans an edit itself.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.cli.console import arguments, progress
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.console.atomic_files import UnwritableError, open_text
from kubekeep.cli.console.completed_names import complete_words
from kubekeep.cli.console.option_group import AliasedOption
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.framework import framework_option
from kubekeep.cli.settings import settings
from kubekeep.fixes.plan import Plan, count_findings, write_files
from kubekeep.fixes.proposed_changes import ControlFinding, UnfixedCause, UnfixedFinding
from kubekeep.fixes.reported import ReportedFailures, read_reported_failures
from kubekeep.model.location import Path as Steps
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import ReportError
from kubekeep.usecases.fix import FixRequest, find_patch_folder, list_patch_lines, parse_values, plan
from kubekeep.usecases.package_scan import has_packages
from kubekeep.usecases.request import NEWEST_KUBERNETES, EvaluationOptions, RuleOptions, ScanInput, ScanRequest

_NOT_FIXED: Final = 1
_LISTED_ON_REQUEST: Final = (UnfixedCause.RISKY, UnfixedCause.UNKNOWN)
"""Causes whose findings are listed only if verbose."""
_INCLUDE: Final = "--include-risky to fix them too"
_MAX_LISTED: Final = 3
"""Maximum number of findings to list per control, unless verbose."""


def _values(ctx: click.Context, param: click.Parameter, value: Names) -> dict[Steps, Any]:  # noqa: ARG001
    try:
        return parse_values(value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command(short_help="Fix findings in the files.")
@click.argument(
    "words",
    nargs=-1,
    metavar="[framework NAMES | control IDS | workload KIND/NAME] PATH...",
    shell_complete=complete_words,
)
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Fix the findings in this JSON report.")
@framework_option
@click.option(
    "--min-severity",
    "severity",
    cls=AliasedOption,
    aliases=("--severity",),
    type=arguments.SEVERITIES,
    callback=arguments.parse_severity,
    help="Fix only findings of this severity or above.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="PATH=VALUE",
    callback=_values,
    help="Set VALUE for findings at fields that end with PATH and have no general fix: `limits.memory=256Mi`; repeatable.",
)
@click.option(
    "--kubernetes-version",
    default=f"1.{NEWEST_KUBERNETES}",
    show_default=True,
    help="Evaluate for this Kubernetes version.",
)
@click.option(
    "--include-risky", is_flag=True, help="Also make changes that can stop a program, such as to set runAsNonRoot."
)
@click.option("--dry-run", is_flag=True, help="Show the changes, and write no file.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the changes to this patch file only."
)
@click.option("-y", "--yes", is_flag=True, help="Apply the changes without confirmation.")
@click.option("-v", "--verbose", is_flag=True, help="List every finding that is not fixed.")
def command(  # noqa: PLR0913 - one argument an option
    words: Names,
    report: Path | None,
    frameworks: Names,
    severity: Severity | None,
    values: dict[Steps, Any],
    kubernetes_version: str,
    output: Path | None,
    *,
    include_risky: bool,
    dry_run: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Fix the findings of a scan of each PATH, with the smallest edits of the source files.

    Shows the changes, prompts for confirmation, and writes the files. Lists the findings that are not fixed, with reasons.
    Changes that can stop a program are made only with --include-risky, or if their control is named.

    \b
    kubekeep fix deploy/
    kubekeep fix control C-0057,C-0016 deploy/ --dry-run
    kubekeep fix deploy/ -o fix.patch
    kubekeep fix --report report.json --yes

    \b
    Exit codes:
      0  every finding with a fix is fixed, or there is none
      1  a finding with a fix was not fixed
      2  the command line is invalid, or confirmation is not possible
      3  something could not be read, evaluated or written
    """  # noqa: D301 - click takes the character itself
    writes_files = not dry_run and output is None
    if writes_files and not yes and not sys.stdin.isatty():
        raise click.UsageError("cannot ask for confirmation: not a terminal; use --yes, --dry-run or -o PATCH")
    reported_failures = _read_reported_failures(report, words)
    if reported_failures is None:
        target = arguments.parse_words("fix", words, frameworks)
    else:
        target = arguments.ParsedWords(reported_failures.files, frameworks, reported_failures.controls)
    _check_paths(target.paths)
    scan_request = ScanRequest(
        ScanInput(paths=target.paths),
        rules=RuleOptions(frameworks=target.frameworks, controls=target.controls),
        evaluation=EvaluationOptions(workload=target.workload, kubernetes_version=kubernetes_version),
    )
    request = FixRequest(
        scan=scan_request,
        severity=severity,
        values=values,
        includes_risky=include_risky,
        only=None if reported_failures is None else reported_failures.contains,
    )
    try:
        with progress.counter() as on_progress:
            fix_plan = plan(request, on_progress=on_progress)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise UnwritableError(f"the changes could not be verified: {error}") from error
    _show(fix_plan, output)
    _print_risks(fix_plan, verbose=verbose)
    _print_unfixed(fix_plan, verbose=verbose)
    code = _exit_code(fix_plan, reported_failures)
    if fix_plan.files and writes_files:
        code = max(code, _write(fix_plan, yes=yes))
    sys.exit(code)


def _check_paths(paths: Iterable[str]) -> None:
    for path in paths:
        if has_packages(path):
            raise click.UsageError(f"{visible(path)} cannot be fixed: name the folder with its Dockerfile or manifests")
        if path == "-" or "://" in path:
            raise click.UsageError("only files and folders can be fixed: name a path")


def _read_reported_failures(report: Path | None, words: Names) -> ReportedFailures | None:
    if report is None:
        return None
    if words:
        raise click.UsageError("PATH cannot be combined with --report")
    try:
        return read_reported_failures(report)
    except ReportError as error:
        raise click.BadParameter(str(error), param_hint="--report") from error


def _write(fix_plan: Plan, *, yes: bool) -> int:
    changes, files = _format_count(fix_plan.changes, "change"), _format_count(len(fix_plan.files), "file")
    if not yes and not click.confirm(f"Apply {'this' if fix_plan.changes == 1 else 'these'} {changes} to {files}?"):
        click.echo("no file was changed", err=True)
        return _NOT_FIXED
    failed = write_files(fix_plan)
    for failure in failed:
        click.echo(f"not written: {visible(failure.name)}: {visible(failure.reason)}", err=True)
    written_count = len(fix_plan.files) - len(failed)
    click.echo(
        f"changed {_format_count(written_count, 'file')}, {_format_count(fix_plan.fixed_findings, 'finding')} fixed{_partly(fix_plan)}",
        err=True,
    )
    return INCOMPLETE if failed else 0


def _partly(fix_plan: Plan) -> str:
    """Return the number of findings that are fixed only in part; empty if there are none."""
    return f" ({fix_plan.partly_fixed_findings} only in part)" if fix_plan.partly_fixed_findings else ""


def _format_count(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _exit_code(fix_plan: Plan, reported_failures: ReportedFailures | None) -> int:
    changed_names = reported_failures.stale if reported_failures else ()
    for name in changed_names:
        click.echo(f"not fixed: {visible(name)} has changed since the report was written", err=True)
    unread = fix_plan.assessment.unread
    for part in unread:
        click.echo(f"not read: {visible(str(part.location))}: {visible(part.message)}", err=True)
    if unread or changed_names or not (fix_plan.assessment.results or reported_failures):
        return INCOMPLETE
    return _NOT_FIXED if any(finding.cause is UnfixedCause.REFUSED for finding in fix_plan.unfixed) else 0


def _show(fix_plan: Plan, output: Path | None) -> None:
    """Write the changes as a patch into `output`, or to standard output with the purpose of each hunk."""
    folder = find_patch_folder(fix_plan.files)
    if output is None:
        terminal = sys.stdout.isatty()
        lines = itertools.chain.from_iterable(
            list_patch_lines(change, folder, for_people=terminal) for change in fix_plan.files
        )
        sys.stdout.flush()
        for line in map(_style_line if terminal else str, lines):
            sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    if not fix_plan.files:
        click.echo(f"no finding can be fixed: {visible(str(output))} was not written", err=True)
        return
    with open_text(output) as stream:
        stream.writelines(
            f"{line}\n" for change in fix_plan.files for line in list_patch_lines(change, folder, for_people=False)
        )
    click.echo(f"patch: {visible(str(output))}; apply it in {visible(folder)}", err=True)


def _style_line(line: str) -> str:
    """Return a line of a patch for a terminal: coloured, without control characters."""
    text = visible(line.rstrip("\r"))
    if not settings().colour:
        return text
    if line.startswith(("--- ", "+++ ")):
        return click.style(text, bold=True)
    colours = {"+": "green", "-": "red", "@": "cyan", "#": "yellow"}
    return click.style(text, fg=colours.get(line[:1]))


def _print_risks(fix_plan: Plan, *, verbose: bool) -> None:
    """Print the changes that can stop a program."""
    for risk, findings in fix_plan.risks.items():
        click.echo(f"warning: {risk}", err=True)
        for line in _list_locations(findings, verbose=verbose):
            click.echo(line, err=True)


def _print_unfixed(fix_plan: Plan, *, verbose: bool) -> None:
    """Print the number of findings with a known fix, as a scan counts them, and those not fixed by reason and control."""
    known = f"{_format_count(fix_plan.fixable_findings, 'finding')} with a known fix"
    fixed = f"{fix_plan.fixed_findings} can be fixed by {_format_count(fix_plan.changes, 'change')}{_partly(fix_plan)}"
    rest = fixed if fix_plan.changes else "none can be fixed automatically"
    click.echo(f"{known}; {rest}" if fix_plan.fixable_findings else "no findings with a known fix", err=True)
    for why in (UnfixedCause.REFUSED, UnfixedCause.NEEDS_USER, UnfixedCause.RISKY, UnfixedCause.UNKNOWN):
        unfixed = [finding for finding in fix_plan.unfixed if finding.cause is why]
        if not unfixed:
            continue
        is_listed = verbose or why not in _LISTED_ON_REQUEST
        options = [_INCLUDE] if why is UnfixedCause.RISKY else []
        options += [] if is_listed else ["--verbose to list them"]
        hint = f"; use {' and '.join(options)}" if options else ""
        click.echo(f"{why.value}: {_format_count(count_findings(unfixed), 'finding')}{hint}", err=True)
        if is_listed:
            for line in _group_by_reason(unfixed, verbose=verbose):
                click.echo(f"  {line}", err=True)


def _group_by_reason(unfixed: Iterable[UnfixedFinding], *, verbose: bool) -> Iterator[str]:
    groups: dict[tuple[str, str], list[UnfixedFinding]] = {}
    for finding in unfixed:
        groups.setdefault((f"{finding.control.id} {finding.control.title}", finding.reason), []).append(finding)
    for (title, reason), findings in groups.items():
        yield f"{visible(title)}: {visible(reason)}"
        yield from _list_locations(findings, verbose=verbose)


def _list_locations(findings: Sequence[ControlFinding | UnfixedFinding], *, verbose: bool) -> Iterator[str]:
    first_findings = findings if verbose else findings[:_MAX_LISTED]
    for finding in first_findings:
        location = finding.evidence.location or finding.resource.locate(())
        yield f"    {visible(str(location))} {visible(finding.evidence.path)}".rstrip()
    if len(findings) > len(first_findings):
        yield f"    and {len(findings) - len(first_findings)} more"
