"""Filters of findings of a server. Parses only."""

import datetime as dt
from typing import Annotated, Final

import click

from kubekeep.cli.console.arguments import SEVERITIES, parse_names
from kubekeep.cli.console.moment import PAST
from kubekeep.cli.console.option_group import HelpSection, Option, OptionGroup

_PROBLEMS: Final = click.Choice(["misconfiguration", "vulnerability", "secret", "signature", "drift", "runtime"])
_DUE: Final = click.Choice(["overdue", "week"])
_STATES: Final = click.Choice(["open", "decided", "suppressed", "unknown"])


class FindingFilterOptions(OptionGroup, frozen=True):
    """Filters of a list of findings, as given; several values of one filter select findings with any of them."""

    section = HelpSection.OTHER

    source: Annotated[
        tuple[str, ...],
        Option("--source", "Select this cluster, repository or registry: name or key; repeatable."),
    ] = ()
    namespace: Annotated[
        tuple[str, ...],
        Option("-n --namespace", "Select this namespace; repeatable.", callback=parse_names),
    ] = ()
    kind: Annotated[
        tuple[str, ...],
        Option("--kind", "Select this kind of resource; repeatable.", callback=parse_names),
    ] = ()
    name: Annotated[
        tuple[str, ...],
        Option("--name", "Select resources with this name; repeatable.", callback=parse_names),
    ] = ()
    owner: Annotated[
        tuple[str, ...],
        Option("--owner", "Select this owner; - for none. Repeatable."),
    ] = ()
    label: Annotated[
        tuple[str, ...],
        Option("--label", "Select this label: app=web, or app for any value; repeatable."),
    ] = ()
    control: Annotated[
        tuple[str, ...],
        Option("--control", "Select this control or advisory, such as C-0057; repeatable.", callback=parse_names),
    ] = ()
    problem: Annotated[
        tuple[str, ...], Option("--problem", "Select this type of problem; repeatable.", type=_PROBLEMS)
    ] = ()
    priority: Annotated[
        tuple[str, ...], Option("--priority", "Select this priority; repeatable.", type=SEVERITIES)
    ] = ()
    severity: Annotated[
        tuple[str, ...],
        Option("--severity", "Select controls of this severity; repeatable.", type=SEVERITIES),
    ] = ()
    text: Annotated[str, Option("--text", "Select by text in the control, its title or the name of the workload.")] = ""
    opened_since: Annotated[
        dt.datetime | None,
        Option(
            "--opened-since", "Select findings that are new or came back since this day, or in this age.", type=PAST
        ),
    ] = None
    opened_before: Annotated[
        dt.datetime | None, Option("--opened-before", "Select findings opened before this day.", type=PAST)
    ] = None
    state: Annotated[
        str,
        Option(
            "--state",
            "Select open findings, those that a decision or an exception covers, or those that the last scan did not see.",
            type=_STATES,
            show_default=True,
        ),
    ] = "open"
    due: Annotated[
        str | None,
        Option("--due", "Select findings that are overdue, or due within a week, by the service levels.", type=_DUE),
    ] = None
    exposed: Annotated[
        bool | None,
        Option("--exposed/--not-exposed", "Select workloads that can, or cannot, be reached from outside."),
    ] = None
