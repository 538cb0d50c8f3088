"""`kubekeep exceptions`: add, list and check exceptions, and show the findings that each one covers.

Parses and prints; never matches an exception itself.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.cli.console import arguments, progress
from kubekeep.cli.console.arguments import Names
from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.exception import ExceptionFileOptions, create_settings
from kubekeep.cli.options.framework import framework_option
from kubekeep.exceptions.sets import list_sets
from kubekeep.model.errors import KubekeepError
from kubekeep.model.exception import ExceptionStatus, ExceptionUse
from kubekeep.model.paths import display_path
from kubekeep.model.text import utc_text, visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.exception_lists import ExceptionScope, check_files, describe_exceptions
from kubekeep.usecases.exceptions import (
    ERROR_STATUSES,
    add,
    build_entry,
    format_entries,
    import_rules,
)
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import scan

_PROBLEM: Final = 1
_UNREADABLE: Final = 2
_FILES: Final = click.argument("files", nargs=-1, metavar="FILE...")
_SETS: Final = click.option(
    "--exception-set",
    "sets",
    multiple=True,
    type=click.Choice(list_sets()),
    help="Include this ready-made set; repeatable.",
)


def _reject_empty(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:  # noqa: ARG001
    """Click callback: reject an empty value, which would match anything."""
    if value is not None and not value.strip():
        raise click.BadParameter("the value is empty; omit the option to match any value")
    try:
        (value or "").encode()
    except UnicodeEncodeError as error:
        raise click.BadParameter("the value is not UTF-8 text") from error
    return value


def _names(ctx: click.Context, param: click.Parameter, value: Names) -> Names:
    """Click callback: return comma-separated names of a repeatable option; reject an empty value."""
    for text in value:
        _reject_empty(ctx, param, "".join(arguments.parse_names(ctx, param, (text,))))
    return arguments.parse_names(ctx, param, value)


@click.group(short_help="Add, list and check exceptions.")
def command() -> None:
    """Add, list and check exceptions: approved deviations with a scope, a reason and an expiry date."""


@command.command("add")
@click.argument("file", type=click.Path(dir_okay=False))
@click.option(
    "--control",
    "controls",
    multiple=True,
    callback=_names,
    help="Cover these controls: number, name or pattern; repeatable. Default: all.",
)
@click.option(
    "--framework",
    "frameworks",
    multiple=True,
    callback=_names,
    help="Cover findings only in these frameworks; repeatable.",
)
@click.option("--namespace", metavar="PATTERN", callback=_reject_empty, help="Cover only namespaces that match.")
@click.option("--kind", metavar="PATTERN", callback=_reject_empty, help="Cover only resources of kinds that match.")
@click.option("--name", metavar="PATTERN", callback=_reject_empty, help="Cover only resources with names that match.")
@click.option(
    "--container", metavar="PATTERN", callback=_reject_empty, help="Cover only containers with names that match."
)
@click.option(
    "--package",
    "packages",
    multiple=True,
    metavar="PURL",
    callback=_names,
    help="Cover only findings about this package of an image, such as pkg:npm/lodash@4.17.20; repeatable.",
)
@click.option("--reason", required=True, callback=_reject_empty, help="Record the reason of the exception.")
@click.option(
    "--expires",
    metavar="DATE",
    callback=_reject_empty,
    help="Set the expiry: the last valid day (2027-01-31), or a time in RFC 3339.",
)
def add_entry(  # noqa: PLR0913, PLR0917 - one argument an option
    file: str,
    controls: Names,
    frameworks: Names,
    namespace: str | None,
    kind: str | None,
    name: str | None,
    container: str | None,
    packages: Names,
    reason: str,
    expires: str | None,
) -> None:
    """Add an exception to FILE, and create FILE if it does not exist. The rest of FILE is not changed.

    A PATTERN is a regular expression that must match the whole value: web, web-.*, Deployment|StatefulSet.

    \b
    kubekeep exceptions add exceptions.yaml --control C-0057 --namespace kube-system --reason "set up by the vendor"
    """  # noqa: D301 - click takes the character itself
    patterns = {"kind": kind, "namespace": namespace, "name": name, "containerName": container}
    entry = build_entry(
        controls,
        frameworks,
        {key: value or "" for key, value in patterns.items()},
        reason,
        expires or "",
        packages=packages,
    )
    try:
        use = add(file, entry)
    except KubekeepError as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{visible(file)}: added {visible(use.exception.name)}", err=True)
    for doubt in use.scope_warnings:
        click.echo(f"{visible(file)}: warning: {visible(doubt)}", err=True)


@command.command("list")
@_FILES
@_SETS
@arguments.layout_option("pretty", "json")
def show(files: Names, sets: Names, layout: str) -> None:
    """List the exceptions in each FILE, and those of ready-made sets."""
    _check_names(files, sets)
    try:
        exceptions = describe_exceptions(files, sets)
    except KubekeepError as error:
        raise click.UsageError(str(error)) from error
    if layout == "json":
        click.echo(json.dumps([_row(exception) for exception in exceptions]))
        return
    for exception in exceptions:
        for line in _format_exception(exception):
            click.echo(visible(line))


@command.command()
@_FILES
@_SETS
def check(files: Names, sets: Names) -> None:
    """Check each FILE without a scan, for exceptions that have expired, are too broad, or name unknown controls.

    Exits with 1 if an exception has a problem, and with 2 if a file cannot be used.
    """
    _check_names(files, sets)
    try:
        uses = check_files(files, sets)
    except KubekeepError as error:
        click.echo(str(error))
        sys.exit(_UNREADABLE)
    problems = [use for use in uses if use.status in ERROR_STATUSES or use.scope_warnings]
    for use in problems:
        status = use.status if use.status in ERROR_STATUSES else "warning"
        click.echo(f"{_format_location(use)}: {status}: {visible(use.exception.name)}{_text(use)}")
    click.echo(f"{len(uses)} exception{'' if len(uses) == 1 else 's'}, {len(problems)} with problems", err=True)
    sys.exit(_PROBLEM if problems else 0)


@command.command("import")
@click.argument("file", type=click.Path())
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the exceptions to this new file."
)
def import_file(file: str, output: Path | None) -> None:
    """Convert an ignore FILE of Trivy or Grype to an exceptions file.

    FILE is .trivyignore, .trivyignore.yaml or a configuration of Grype with the key ignore. Rules without an exact
    equivalent are reported and left out; the command then exits with 3.

    \b
    kubekeep exceptions import .trivyignore -o exceptions.yaml
    """  # noqa: D301 - click takes the character itself
    if output is not None and os.path.lexists(output):
        raise click.UsageError(f"{visible(str(output))} exists already: name a new file")
    try:
        rules = import_rules(file)
    except KubekeepError as error:
        raise click.UsageError(str(error)) from error
    if rules.entries:
        is_json = output is not None and output.suffix.lower() == ".json"
        write_text(format_entries(rules.entries, is_json=is_json), output)
    for rule in rules.skipped:
        click.echo(f"{visible(display_path(file))}: {rule.position}: not imported: {visible(rule.reason)}", err=True)
    count = count_noun(len(rules.entries), "rule")
    click.echo(f"{count} of {rules.format} imported, {len(rules.skipped)} not imported", err=True)
    sys.exit(INCOMPLETE if rules.skipped else 0)


@command.command()
@click.argument("file", type=click.Path())
@click.argument("paths", nargs=-1, required=True, metavar="PATH...")
@framework_option
@click.option("--snapshot", is_flag=True, help="Treat the files as a whole cluster (`kubectl get -o yaml`).")
def test(file: str, paths: Names, frameworks: Names, *, snapshot: bool) -> None:
    """Scan each PATH and show the findings that each exception in FILE covers.

    Exits with 1 if an exception covers no finding.
    """
    exceptions = ExceptionFileOptions(exceptions=(file,), honor_inline_exceptions=False)
    request = ScanRequest(
        ScanInput(paths=paths, snapshot=snapshot),
        rules=RuleOptions(frameworks=frameworks),
        evaluation=EvaluationOptions(exceptions=create_settings(exceptions).exceptions),
    )
    try:
        with progress.counter() as on_progress:
            assessment = scan(request, stdin=sys.stdin.buffer, on_progress=on_progress)
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    for use in assessment.exceptions:
        click.echo(f"{_format_location(use)}: {use.status}: {visible(use.exception.name)}{_text(use)}")
        for finding in use.findings:
            click.echo(f"    {finding.control}  {visible(finding.label)}")
    for unread in assessment.unread:
        click.echo(visible(f"{unread.location}: {unread.message}"), err=True)
    if assessment.unread:
        sys.exit(INCOMPLETE)
    sys.exit(0 if all(use.status is ExceptionStatus.MATCHED for use in assessment.exceptions) else _PROBLEM)


def _check_names(files: Names, sets: Names) -> None:
    if not (files or sets):
        raise click.UsageError(
            "name a FILE, or a set with --exception-set; `kubekeep list exception-sets` lists the sets"
        )


def _format_location(use: ExceptionUse) -> str:
    return visible(str(use.exception.location)) if use.exception.location else "-"


def _text(use: ExceptionUse) -> str:
    return f": {visible(use.text)}" if use.text else ""


def _format_exception(scope: ExceptionScope) -> Iterator[str]:
    exception = scope.exception
    until = f"  until {utc_text(exception.expires)}" if exception.expires else ""
    yield f"{exception.name}{until}"
    yield f"    controls   {', '.join(scope.controls) or 'all'}"
    yield from _format_alternatives("resources", scope.resources or [{}])
    for title, conditions in (("labels", scope.objects), ("in", scope.namespaces)):
        if conditions:
            yield f"    {title:9}  {', '.join(conditions)}"
    yield from _format_alternatives("packages", scope.packages)
    if exception.reason:
        yield f"    reason     {exception.reason}"


def _format_alternatives(title: str, alternatives: list[dict[str, str]]) -> Iterator[str]:
    for number, conditions in enumerate(alternatives):
        text = " ".join(f"{key}={value}" for key, value in conditions.items())
        yield f"    {'or' if number else title:9}  {text or 'all'}"


def _row(scope: ExceptionScope) -> dict[str, Any]:
    exception = scope.exception
    return {
        "name": exception.name,
        "controls": scope.controls,
        "resources": scope.resources,
        "objectSelector": scope.objects,
        "namespaceSelector": scope.namespaces,
        "packages": scope.packages,
        "reason": exception.reason,
        "expires": utc_text(exception.expires) if exception.expires else None,
        "place": str(exception.location) if exception.location else None,
    }
