"""Help texts of commands with many options: sections, and one screen with the common options. Parses nothing."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

import click

from kubekeep.cli.console.lazy_group import HELP_ALL, SHOWS_ALL
from kubekeep.cli.console.option_group import DEFAULT_RANK, HelpSection, get_section

_MANY: Final = 20
"""Number of options from which a command has sections."""
_MAX_LINES: Final = 60
"""Lines of a help text; a longer one shows the common options only."""
_WIDTH: Final = 80
_CLAUSE: Final = re.compile(r"[.;:](?: |$)| \[default: ")
"""End of the first clause of a description."""


class SectionedCommand(click.Command):
    """A command whose help text has sections, and fits one screen unless `--help-all` requests all options."""

    def get_help(self, ctx: click.Context) -> str:
        """Return the help text."""
        if self._shows_all(ctx):
            return super().get_help(ctx)
        ctx.meta[SHOWS_ALL] = True
        # Measured at a fixed width, so that the text does not depend on the terminal.
        formatter = click.HelpFormatter(width=_WIDTH)
        self.format_help(ctx, formatter)
        if formatter.getvalue().count("\n") > _MAX_LINES:
            del ctx.meta[SHOWS_ALL]
        return super().get_help(ctx)

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, in sections if there are many."""
        options = [param for param in self.get_params(ctx) if isinstance(param, click.Option)]
        if not self._shows_all(ctx):
            _write_common(options, ctx, formatter)
            return
        records = [(option, record) for option in options if (record := option.get_help_record(ctx))]
        if len(records) < _MANY:
            with formatter.section("Options"):
                formatter.write_dl([record for _, record in records])
            return
        for section, rows in _group(records):
            with formatter.section(section.value):
                formatter.write_dl(rows)

    def _shows_all(self, ctx: click.Context) -> bool:
        return bool(ctx.meta.get(SHOWS_ALL))


def _group(
    records: Sequence[tuple[click.Option, tuple[str, str]]],
) -> Iterator[tuple[HelpSection, list[tuple[str, str]]]]:
    """Yield the sections with the records of their options, by rank."""
    ordered = sorted(records, key=lambda entry: getattr(entry[0], "rank", DEFAULT_RANK))
    for section in HelpSection:
        rows = [record for option, record in ordered if get_section(option) is section]
        if rows:
            yield section, rows


def _write_common(options: Sequence[click.Option], ctx: click.Context, formatter: click.HelpFormatter) -> None:
    """Write the common options, each with the first clause of its description, and the way to the others."""
    shown = [option for option in options if getattr(option, "is_common", True)]
    records = []
    for option in shown:
        record = option.get_help_record(ctx)
        if record is not None and option.name not in {"config", "no_config"}:
            records.append((option, (record[0], _CLAUSE.split(record[1], maxsplit=1)[0])))
    for section, rows in _group(records):
        with formatter.section("Options" if section is HelpSection.OTHER else section.value):
            formatter.write_dl(rows)
    number = sum(option.get_help_record(ctx) is not None for option in options)
    formatter.write_paragraph()
    formatter.write_text(f"{ctx.command_path} {HELP_ALL} shows all {number} options with their details.")
