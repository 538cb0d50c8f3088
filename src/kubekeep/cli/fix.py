"""`kubekeep fix`: mend findings in the files themselves, after showing what changes and asking.

Parses, shows and asks; which edits mend what is decided elsewhere.
"""

from __future__ import annotations

import itertools
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.cli import arguments, progress
from kubekeep.cli.arguments import Names
from kubekeep.cli.atomic_files import UnwritableError, to_file
from kubekeep.cli.settings import settings
from kubekeep.fixes.edits.diff import format_patch
from kubekeep.fixes.edits.parsed_text import ParsedText
from kubekeep.fixes.plan import FileChange, Plan, write_files
from kubekeep.fixes.reported import ReportedFailures, read_reported_failures
from kubekeep.fixes.wanted_changes import UnfixedCause, UnfixedFinding
from kubekeep.model.location import Path as Steps
from kubekeep.model.location import parse_path
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.kubescape_v2.read import ReportError
from kubekeep.sources.tree import Problem
from kubekeep.usecases.fix import FixRequest, plan
from kubekeep.usecases.request import NEWEST_KUBERNETES, EvaluationOptions, RuleOptions, ScanInput, ScanRequest

_NOT_FIXED: Final = 1
_INCOMPLETE: Final = 3
_PLACES: Final = 3
"""Places of findings that are named for one control before the others are only counted."""


def _values(ctx: click.Context, param: click.Parameter, value: Names) -> dict[Steps, Any]:  # noqa: ARG001
    found: dict[Steps, Any] = {}
    for item in value:
        path, equals, text = item.partition("=")
        try:
            steps = parse_path(path)
        except ValueError as error:
            raise click.BadParameter(str(error)) from error
        said = ParsedText(text).values
        if not (steps and equals) or len(said) != 1 or isinstance(said[0], Problem):
            raise click.BadParameter(f"{item!r} is not PATH=VALUE")
        found[steps] = said[0]
    return found


@click.command(short_help="Mend findings in the files.")
@click.argument("words", nargs=-1, metavar="[framework NAMES | control IDS | workload KIND/NAME] PATH...")
@click.option("--report", type=click.Path(path_type=Path, dir_okay=False), help="Mend what this JSON report names.")
@click.option("--framework", "frameworks", multiple=True, callback=arguments.names, help="As `kubekeep scan` takes it.")
@click.option(
    "--severity",
    type=arguments.SEVERITIES,
    callback=arguments.severity,
    help="Mend only findings of this severity or above.",
)
@click.option(
    "--value",
    "values",
    multiple=True,
    metavar="PATH=VALUE",
    callback=_values,
    help="Your value for findings at paths that end so and have no fix that fits everyone: `limits.memory=256Mi`.",
)
@click.option(
    "--kubernetes-version",
    default=f"1.{NEWEST_KUBERNETES}",
    show_default=True,
    help="The version that the manifests are for.",
)
@click.option("--dry-run", is_flag=True, help="Show the changes and write nothing.")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write a patch, change no file.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@click.option("-v", "--verbose", is_flag=True, help="Name every finding that is left.")
def command(  # noqa: PLR0913 - one argument an option
    words: Names,
    report: Path | None,
    frameworks: Names,
    severity: Severity | None,
    values: dict[Steps, Any],
    kubernetes_version: str,
    output: Path | None,
    *,
    dry_run: bool,
    yes: bool,
    verbose: bool,
) -> None:
    """Mend what a scan of each PATH finds, in the files that people wrote: the smallest edits that do.

    Shows the changes, asks, and writes. What is not mended is named with the reason.

    \b
    kubekeep fix deploy/
    kubekeep fix control C-0057,C-0016 deploy/ --dry-run
    kubekeep fix deploy/ -o fix.patch
    kubekeep fix --report report.json --yes

    \b
    Exit codes:
      0  all that has a fix is fixed, or there is nothing to do
      1  something that has a fix was not fixed
      2  the command line is wrong, or nobody is there to ask
      3  something could not be read, evaluated or written
    """  # noqa: D301 - click takes the character itself
    writes = not dry_run and output is None
    if writes and not yes and not sys.stdin.isatty():
        raise click.UsageError("there is no terminal to ask on: add --yes, --dry-run or -o PATCH")
    told = _reported(report, words)
    if told is None:
        asked = arguments.asked("fix", words, frameworks)
    else:
        asked = arguments.Asked(told.files, frameworks, told.controls)
    if any(path == "-" or "://" in path for path in asked.paths):
        raise click.UsageError("only files and folders can be fixed: name a path")
    scanned = ScanRequest(
        ScanInput(paths=asked.paths),
        rules=RuleOptions(frameworks=asked.frameworks, controls=asked.controls),
        evaluation=EvaluationOptions(workload=asked.workload, kubernetes_version=kubernetes_version),
    )
    request = FixRequest(scan=scanned, severity=severity, values=values, only=None if told is None else told.has)
    try:
        with progress.counter() as note:
            planned = plan(request, on_progress=note)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    except OSError as error:
        raise UnwritableError(f"the changes could not be checked: {error}") from error
    _show(planned, output)
    _tell_left(planned, verbose=verbose)
    code = _exit_code(planned, told)
    if planned.files and writes:
        code = max(code, _write(planned, yes=yes))
    sys.exit(code)


def _reported(report: Path | None, words: Names) -> ReportedFailures | None:
    if report is None:
        return None
    if words:
        raise click.UsageError("a report says itself what to fix: leave PATH out")
    try:
        return read_reported_failures(report)
    except ReportError as error:
        raise click.BadParameter(str(error), param_hint="--report") from error


def _write(planned: Plan, *, yes: bool) -> int:
    changes, files = _counted(planned.changes, "change"), _counted(len(planned.files), "file")
    if not yes and not click.confirm(f"Apply {_these(planned.changes)}{changes} to {files}?"):
        click.echo("nothing was changed", err=True)
        return _NOT_FIXED
    failed = write_files(planned)
    for item in failed:
        click.echo(f"not written: {visible(item.name)}: {visible(item.reason)}", err=True)
    done = len(planned.files) - len(failed)
    click.echo(f"changed {_counted(done, 'file')}, {_counted(len(planned.fixed), 'finding')} fixed", err=True)
    return _INCOMPLETE if failed else 0


def _these(count: int) -> str:
    return "this " if count == 1 else "these "


def _counted(count: int, word: str) -> str:
    return f"{count} {word}{'' if count == 1 else 's'}"


def _exit_code(planned: Plan, told: ReportedFailures | None) -> int:
    stale = told.stale if told else ()
    for name in stale:
        click.echo(f"not fixed: {visible(name)} has changed since the report was made", err=True)
    unread = planned.assessment.unread
    for item in unread:
        click.echo(f"not read: {visible(str(item.location))}: {visible(item.message)}", err=True)
    if unread or stale or not (planned.assessment.results or told):
        return _INCOMPLETE
    return _NOT_FIXED if any(item.why is UnfixedCause.REFUSED for item in planned.unfixed) else 0


def _show(planned: Plan, output: Path | None) -> None:
    """The changes, as a patch: into `output`, or on standard output with what each hunk is for."""
    folder = _folder(planned.files)
    if output is None:
        terminal = sys.stdout.isatty()
        lines = itertools.chain.from_iterable(_patch(item, folder, titles=terminal) for item in planned.files)
        shown = map(_shown if terminal else str, lines)
        sys.stdout.flush()
        for line in shown:
            sys.stdout.buffer.write(f"{line}\n".encode("utf-8", "surrogateescape"))
        sys.stdout.buffer.flush()
        return
    with to_file(output) as stream:
        stream.writelines(f"{line}\n" for item in planned.files for line in _patch(item, folder, titles=False))
    click.echo(f"patch: {visible(str(output))}, to be applied in {visible(folder)}", err=True)


def _folder(files: Sequence[FileChange]) -> str:
    """The folder that the names in a patch are relative to: this one, if it holds all of the files."""
    here = os.getcwd()  # noqa: PTH109 - text for people
    places = [os.path.abspath(item.name) for item in files]  # noqa: PTH100
    return here if not places else os.path.commonpath([here, *places])


def _patch(item: FileChange, folder: str, *, titles: bool) -> Iterator[str]:
    """The lines of the patch of a file; with `titles` each hunk has the controls it mends above, else in its head."""
    name = os.path.relpath(item.name, folder).replace(os.sep, "/")
    notes = ["" if titles else " ".join(control.id for control in item.controls(hunk)) for hunk in item.hunks]
    lines = format_patch(name, item.hunks, notes)
    yield from itertools.islice(lines, 2)
    for hunk in item.hunks:
        if titles:
            yield from (f"# {control.id} {control.title}" for control in item.controls(hunk))
        yield from itertools.islice(lines, 1 + len(hunk.lines))


def _shown(line: str) -> str:
    """A line of a patch for a terminal: in colour, and harmless."""
    text = visible(line.rstrip("\r"))
    if not settings().colour:
        return text
    if line.startswith(("--- ", "+++ ")):
        return click.style(text, bold=True)
    colours = {"+": "green", "-": "red", "@": "cyan", "#": "yellow"}
    return click.style(text, fg=colours.get(line[:1]))


def _tell_left(planned: Plan, *, verbose: bool) -> None:
    """What is not mended, by reason and control."""
    fixed, changes = _counted(len(planned.fixed), "finding"), _counted(planned.changes, "change")
    click.echo(f"{fixed} can be fixed by {changes}" if planned.changes else "nothing can be fixed", err=True)
    for why in (UnfixedCause.REFUSED, UnfixedCause.YOURS, UnfixedCause.UNKNOWN):
        left = [item for item in planned.unfixed if item.why is why]
        if not left:
            continue
        hint = "" if verbose or why is not UnfixedCause.UNKNOWN else "; --verbose names them"
        click.echo(f"{why.value}: {_counted(len(left), 'finding')}{hint}", err=True)
        if verbose or why is not UnfixedCause.UNKNOWN:
            for line in _grouped(left, verbose=verbose):
                click.echo(f"  {line}", err=True)


def _grouped(left: Iterable[UnfixedFinding], *, verbose: bool) -> Iterator[str]:
    groups: dict[tuple[str, str], list[UnfixedFinding]] = {}
    for item in left:
        groups.setdefault((f"{item.control.id} {item.control.title}", item.reason), []).append(item)
    for (title, reason), items in groups.items():
        yield f"{visible(title)}: {visible(reason)}"
        shown = items if verbose else items[:_PLACES]
        for item in shown:
            place = item.evidence.location or item.resource.locate(())
            yield f"    {visible(str(place))} {visible(item.evidence.path)}".rstrip()
        if len(items) > len(shown):
            yield f"    and {len(items) - len(shown)} more"
