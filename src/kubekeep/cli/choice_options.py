"""The options of `kubekeep scan` that say which resources it judges and which controls it leaves out. Parses only."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click

from kubekeep.cli import arguments
from kubekeep.model.resource_selection import ResourceSelection
from kubekeep.posture.choice import parse_labels


def _labels(ctx: click.Context, param: click.Parameter, value: str) -> str:  # noqa: ARG001 - click's signature
    try:
        return str(value and parse_labels(value) and value)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def choice_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options as click takes them, handed on as two arguments: `choice`, and `excluded` for controls."""

    @functools.wraps(function)
    def gathered(**given: Any) -> None:
        excluded = given.pop("exclude_controls")
        choice = ResourceSelection(
            include_namespaces=given.pop("include_namespaces"),
            exclude_namespaces=given.pop("exclude_namespaces"),
            include_kinds=given.pop("include_kinds"),
            exclude_kinds=given.pop("exclude_kinds"),
            labels=given.pop("label_selector"),
        )
        function(choice=choice, excluded=excluded, **given)

    for option in _options():
        gathered = option(gathered)
    return gathered


def _options() -> tuple[Callable[..., Any], ...]:
    return (
        click.option(
            "--label-selector",
            default="",
            metavar="SELECTOR",
            callback=_labels,
            help="Judge only resources with these labels, as `kubectl -l` takes them: `app=web,env in (a,b)`.",
        ),
        _names("--exclude-kinds", "Do not judge resources of these kinds; `*Role` is a pattern."),
        _names("--include-kinds", "Judge only resources of these kinds; `*Role` is a pattern."),
        _names("--exclude-namespaces", "Do not judge resources in these namespaces; `team-*` is a pattern.", "-e"),
        _names("--include-namespaces", "Judge only resources in these namespaces; `team-*` is a pattern."),
        _names("--exclude-controls", "Leave these controls out of the scan and of its scores."),
    )


def _names(flag: str, text: str, short: str = "") -> Callable[..., Any]:
    names = (short, flag) if short else (flag,)
    return click.option(*names, multiple=True, callback=arguments.names, help=text)
