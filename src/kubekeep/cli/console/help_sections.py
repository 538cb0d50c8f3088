"""Sections of options in the help text, for commands with many of them. Parses nothing."""

from __future__ import annotations

from typing import Final

import click

from kubekeep.cli.console.option_group import DEFAULT_RANK, HelpSection, get_section

_MANY: Final = 20
"""Number of options from which a command has sections."""


def write_options(command: click.Command, ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the options of a command, in sections if there are many."""
    options = [param for param in command.get_params(ctx) if isinstance(param, click.Option)]
    records = [(option, record) for option in options if (record := option.get_help_record(ctx))]
    if len(records) < _MANY:
        with formatter.section("Options"):
            formatter.write_dl([record for _, record in records])
        return
    records.sort(key=lambda entry: getattr(entry[0], "rank", DEFAULT_RANK))
    for section in HelpSection:
        rows = [record for option, record in records if get_section(option) is section]
        if rows:
            with formatter.section(section.value):
                formatter.write_dl(rows)
