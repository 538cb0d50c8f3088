"""`kubekeep list`: the frameworks, the controls and the ready-made exceptions, as text, JSON or CSV."""

from __future__ import annotations

import csv
import itertools
import json
import sys
from collections.abc import Sequence
from typing import Any

import click
import msgspec

from kubekeep.cli.console import arguments
from kubekeep.cli.console.arguments import SEVERITIES, parse_severity
from kubekeep.cli.console.completed_names import complete_frameworks
from kubekeep.model.control import Control
from kubekeep.model.errors import KubekeepError
from kubekeep.model.framework import Framework
from kubekeep.model.severity import Severity
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.catalog import list_frameworks, read_content, select_controls

_LAYOUT = arguments.layout_option("pretty", "json", "csv")


@click.group(short_help="List frameworks, controls or sets of exceptions.")
def command() -> None:
    """List the frameworks, the controls or the ready-made sets of exceptions."""


@command.command()
@_LAYOUT
def frameworks(layout: str) -> None:
    """List the frameworks with their numbers of controls and of requirements, by the data that these require."""
    frameworks = sorted(list_frameworks(), key=lambda framework: framework.kubescape_set)
    if layout != "pretty":
        _write(layout, [_framework(framework) for framework in frameworks])
        return
    for is_set, group in itertools.groupby(frameworks, key=lambda framework: framework.kubescape_set):
        if is_set:
            click.echo(f"\n{click.style('Sets of Kubescape', bold=True)}")
        for framework in group:
            click.echo(f"{framework.slug:23}  {framework.title}")
            click.echo(click.style(f"{'':25}{_describe_counts(framework)}", dim=True))


@command.command()
@_LAYOUT
@click.option(
    "--framework",
    multiple=True,
    shell_complete=complete_frameworks,
    help="List only controls of this framework; repeatable.",
)
@click.option(
    "--severity", type=SEVERITIES, callback=parse_severity, help="List only controls of this severity or above."
)
@click.option("--kind", default="", help="List only controls for resources of this kind, such as Ingress.")
def controls(layout: str, framework: tuple[str, ...], severity: Severity | None, kind: str) -> None:
    """List the controls with severity and required data; JSON and CSV also contain the frameworks."""
    try:
        ordered = select_controls(framework, severity, kind)
    except KubekeepError as error:
        raise click.BadParameter(str(error), param_hint="--framework") from error
    if not ordered:
        click.echo("no control meets all of these conditions", err=True)
    if layout != "pretty":
        _write(layout, [_control(control) for control in ordered])
        return
    for control in ordered:
        click.echo(f"{control.id:31} {control.level.label:9} {control.required_data.value:11} {control.title}")


@command.command("exception-sets")
@_LAYOUT
def exception_sets(layout: str) -> None:
    """List the ready-made sets of exceptions for --exception-set. `kubekeep exceptions list` shows their exceptions."""
    from kubekeep.usecases.exception_lists import describe_sets  # noqa: PLC0415 - no other list needs it

    rows = [msgspec.to_builtins(each) for each in describe_sets()]
    if layout != "pretty":
        _write(layout, rows)
        return
    for row in rows:
        click.echo(f"{row['name']:12} {row['exceptions']:3} exceptions  {row['title']}")


# The former name, which help texts do not show: `kubekeep exceptions list` is another listing.
command.add_command(
    click.Command("exceptions", callback=exception_sets.callback, params=exception_sets.params, hidden=True)
)


def _describe_counts(framework: Framework) -> str:
    """Return the number of controls of a framework, and its requirements by the data that they require."""
    content = read_content(framework)
    if not content.controls:
        return framework.description.strip()
    counts = ", ".join(f"{count} {answer}" for answer, count in content.counts.items())
    total = count_noun(content.controls, "control")
    if content.is_numbered:
        total += f" · {count_noun(len(content.requirements), 'requirement')}"
    return f"{total}: {counts}"


def _framework(framework: Framework) -> dict[str, Any]:
    content = read_content(framework)
    return {
        "name": framework.slug,
        "title": framework.title,
        "version": framework.version,
        "controls": content.controls,
        "requirements": dict(content.counts),
        "kubescape_set": framework.kubescape_set,
    }


def _control(control: Control) -> dict[str, Any]:
    return {
        "id": control.id,
        "slug": control.slug,
        "name": control.title,
        "area": control.area,
        "severity": control.level.label,
        "score": control.severity,
        "answer": control.required_data.value,
        "frameworks": [framework.slug for framework in list_frameworks() if framework.has(control)],
    }


def _write(layout: str, rows: Sequence[dict[str, Any]]) -> None:
    if layout == "json":
        click.echo(json.dumps(rows))
        return
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(rows[0])
    writer.writerows([_cell(value) for value in row.values()] for row in rows)


def _cell(value: Any) -> Any:
    if isinstance(value, dict):
        return " ".join(f"{key.replace(' ', '-')}={count}" for key, count in value.items())
    return " ".join(value) if isinstance(value, list) else value
