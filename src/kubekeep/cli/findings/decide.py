"""`kubekeep findings decide`: a decision on findings of a server. Parses and prints; never connects itself."""

from __future__ import annotations

import datetime as dt
from typing import Any

import click

from kubekeep.cli.console.moment import DAY
from kubekeep.cli.console.option_group import add_groups, create_option
from kubekeep.cli.options.decision_scope import DecisionScopeOptions
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.cli.options.submit import SubmitOptions
from kubekeep.cli.server_access import open_server_results
from kubekeep.model.decision import DecisionKind, DecisionScope, DecisionState
from kubekeep.model.scanned_source import ANY_SOURCE
from kubekeep.model.server_details import DecisionDetails, DecisionDraft
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.server_results import ServerResults


@click.command(short_help="Accept a risk, or say what will not or is being fixed.")
@click.argument("findings", nargs=-1, metavar="[FINDING]...")
@click.option(
    "--as", "kind_name", required=True, type=click.Choice([kind.value for kind in DecisionKind]), help="Decide this."
)
@click.option("--reason", required=True, help="Record the reason of the decision.")
@click.option("--expires", type=DAY, help="End the decision at the start of this day. Default: after 90 days.")
@click.option("--owner", help="Record the person or the team that takes care of it.")
@click.option("--due", type=DAY, help="Record the day until which the owner has time.")
@add_groups(lambda scope: {"scope": scope}, DecisionScopeOptions)
@add_groups(lambda address: {"address": address}, ServerAddressOptions)
@create_option(SubmitOptions, "token_file")
def command(
    findings: tuple[str, ...],
    scope: DecisionScopeOptions,
    address: ServerAddressOptions,
    token_file: str | None,
    kind_name: str,
    **fields: Any,
) -> None:
    """Decide on each FINDING, or on all findings of controls in a scope, also those that come later.

    FINDING is the first column of `kubekeep findings list`. Without one, --control and --source are required.

    \b
    kubekeep findings decide 12.9ab35c71 --as accepted-risk --reason "The driver needs it, see OPS-17"
    kubekeep findings decide --control C-0057 --source '*' --namespace storage --as will-not-fix --reason "..."
    """  # noqa: D301 - click takes the character itself
    _check(findings, scope)
    with open_server_results(address, token_file) as results:
        if findings:
            selected = results.select_findings([results.find_finding(finding) for finding in findings])
        else:
            selected = _create_scope(scope, results)
        made = results.decide(DecisionDraft(kind=DecisionKind(kind_name), scope=selected, **fields))
        url = results.describe_decision(made.id)
    click.echo(visible(_describe(made)))
    click.echo(visible(url))


def _check(findings: tuple[str, ...], scope: DecisionScopeOptions) -> None:
    """Raise click.UsageError without a scope, and for two."""
    if findings and scope != DecisionScopeOptions():
        raise click.UsageError("FINDING and the options of a scope cannot be combined: name findings, or a scope")
    if not findings and not (scope.control and scope.source):
        raise click.UsageError("name each FINDING, or a scope with --control and --source; '*' is every source")


def _create_scope(scope: DecisionScopeOptions, results: ServerResults) -> DecisionScope:
    patterns = tuple(name for name in scope.source if name.endswith(ANY_SOURCE))
    sources = results.find_sources(name for name in scope.source if not name.endswith(ANY_SOURCE))
    return DecisionScope(
        definitions=scope.control,
        sources=(*patterns, *sorted({source.key for source in sources})),
        namespaces=scope.namespace,
        kinds=scope.kind,
        names=scope.name,
        images=scope.image,
        repositories=scope.repository,
        packages=scope.package,
    )


def _describe(decision: DecisionDetails) -> str:
    name = f"Decision {decision.id} ({decision.kind})"
    if decision.state is DecisionState.PROPOSED:
        return f"{name} waits for the approval of a second person; until then its findings count"
    end = f"until {decision.expires.astimezone(dt.UTC):%Y-%m-%d}"
    if not decision.kind.covers:
        return f"{name} is {decision.state} {end}; its findings count as before"
    problems = f" and {count_noun(decision.problems, 'problem')} of images" if decision.problems else ""
    return f"{name} is {decision.state} {end}: it covers {count_noun(decision.findings, 'finding')}{problems}"
