"""`kubekeep findings show`: one finding of a server. Parses and prints; never connects itself."""

from __future__ import annotations

import click
import msgspec

from kubekeep.cli.console.arguments import layout_option
from kubekeep.cli.console.option_group import add_groups, create_option
from kubekeep.cli.findings.terminal import open_terminal
from kubekeep.cli.findings.text import write_details
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.cli.options.submit import SubmitOptions
from kubekeep.cli.server_access import open_server_results
from kubekeep.model.text import json_text
from kubekeep.usecases.server_results import FindingDetails


@click.command(short_help="Show why and where a finding is, its fix and its history.")
@click.argument("finding")
@layout_option("pretty", "json")
@add_groups(lambda address: {"address": address}, ServerAddressOptions)
@create_option(SubmitOptions, "token_file")
def command(finding: str, layout: str, address: ServerAddressOptions, token_file: str | None) -> None:
    """Show FINDING: why it matters, where it is, what to change, its decision and its history.

    FINDING is the first column of `kubekeep findings list`, or the key in its JSON and in addresses of the pages.

    \b
    kubekeep findings show 12.9ab35c71
    kubekeep findings show 12.3fa19c0277e1b2d4.9ab35c71e2f40816 --format json
    """  # noqa: D301 - click takes the character itself
    with open_server_results(address, token_file) as results:
        details = results.get_finding(results.find_finding(finding))
        url = results.describe_finding(details.key)
    if layout == "json":
        click.echo(json_text(_describe(details, url)))
    else:
        write_details(open_terminal(), details, url)


def _describe(details: FindingDetails, url: str) -> dict[str, object]:
    subject = details.subject
    return {
        "key": str(details.key),
        "url": url,
        "sourceName": subject.source_name,
        "sourceKey": subject.source_key,
        "branch": subject.branch,
        "subject": subject.entry.subject,
        **msgspec.to_builtins(details.finding),
        "earlier": details.earlier,
        "decision": details.decision,
    }
