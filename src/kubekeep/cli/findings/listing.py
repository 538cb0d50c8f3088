"""`kubekeep findings list`: open findings of a server. Parses and prints; never connects itself."""

from __future__ import annotations

import sys
from typing import Final

import click
import msgspec

from kubekeep.cli.console.arguments import layout_option
from kubekeep.cli.console.option_group import add_groups, create_option
from kubekeep.cli.findings.terminal import open_terminal
from kubekeep.cli.findings.text import write_findings
from kubekeep.cli.options.finding_filter import FindingFilterOptions
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.cli.options.submit import SubmitOptions
from kubekeep.cli.server_access import open_server_results
from kubekeep.model.server_results import FindingResult
from kubekeep.model.text import json_text
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.server_results import FindingList, FindingSelection, ServerResults, get_key

_DEFAULT_LIMIT: Final = 25
_ORDERS: Final = ("priority", "severity", "oldest", "newest")


@click.command(short_help="List open findings, the most urgent first.")
@add_groups(lambda filters: {"filters": filters}, FindingFilterOptions)
@click.option(
    "--order", type=click.Choice(_ORDERS), default=_ORDERS[0], show_default=True, help="List these findings first."
)
@click.option(
    "--limit",
    type=click.IntRange(0),
    default=_DEFAULT_LIMIT,
    show_default=True,
    help="List this number of findings; 0 lists all.",
)
@layout_option("pretty", "jsonl")
@add_groups(lambda address: {"address": address}, ServerAddressOptions)
@create_option(SubmitOptions, "token_file")
def command(
    filters: FindingFilterOptions,
    order: str,
    limit: int,
    layout: str,
    address: ServerAddressOptions,
    token_file: str | None,
) -> None:
    """List the findings of workloads and other resources in the scope of your role, the most urgent first.

    Several values of a filter select findings with any of them. The format jsonl has one JSON document a line.

    \b
    kubekeep findings list --source production --priority critical --priority high
    kubekeep findings list --opened-since 1d --limit 0 --format jsonl
    """  # noqa: D301 - click takes the character itself
    with open_server_results(address, token_file) as results:
        selection = _create_selection(filters, results)
        if layout == "jsonl":
            _write_lines(results, selection, order, limit)
            return
        listed = results.list_findings(selection, order, limit or sys.maxsize)
        results.remember(listed.findings)
        write_findings(open_terminal(), listed.findings)
    click.echo(_describe_total(listed, selection), err=True)


def _create_selection(filters: FindingFilterOptions, results: ServerResults) -> FindingSelection:
    values = msgspec.structs.asdict(filters)
    sources = results.find_sources(values.pop("source"))
    return FindingSelection(
        source=tuple(sorted({source.id for source in sources})),
        definition=values.pop("control"),
        definition_kind=values.pop("problem"),
        **values,
    )


def _write_lines(results: ServerResults, selection: FindingSelection, order: str, limit: int) -> None:
    """Write findings while they are read: a fleet has millions."""
    for number, finding in enumerate(results.iterate_findings(selection, order), start=1):
        click.echo(json_text(_describe(finding, results)))
        if number == limit:
            break


def _describe(finding: FindingResult, results: ServerResults) -> dict[str, object]:
    key = get_key(finding)
    return {"key": str(key), "url": results.describe_finding(key), **msgspec.to_builtins(finding)}


def _describe_total(listed: FindingList, selection: FindingSelection) -> str:
    if not listed.findings:
        return "no findings with these filters" if selection != FindingSelection() else "no open findings"
    shown = len(listed.findings)
    if listed.is_exact and shown == listed.total:
        return count_noun(shown, "finding")
    more = "" if listed.is_exact else "more than "
    return f"{shown:,} of {more}{count_noun(listed.total, 'finding')}; --limit 0 lists all"
