"""Click group whose subcommands are modules, imported only to run them."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, Final

import click

HELP_ALL: Final = "--help-all"
SHOWS_ALL: Final = "kubekeep.shows_all"
"""Key in `Context.meta` of a request for all options in the help text."""


class LazyGroup(click.Group):
    """A group of commands in the modules of a package.

    package: name of the package. commands: the module that holds each command in an attribute `command`, or
    `module:attribute`, and the short help, by name in the order of help texts.
    """

    def __init__(
        self, *arguments: Any, package: str, commands: Mapping[str, tuple[str, str]], **attributes: Any
    ) -> None:
        super().__init__(*arguments, **attributes)
        self._package = package
        self._commands = commands

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """Return the names of the commands."""
        return list(self._commands)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        """Return the command with this name, importing its module; None for an unknown one."""
        if cmd_name not in self._commands:
            return None
        module, _, attribute = self._commands[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(f"{self._package}.{module}"), attribute or "command")
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Return the command that the first word names. Raises a usage error with a suggestion for an unknown one."""
        if args and args[0] not in self._commands and not args[0].startswith("-") and not ctx.resilient_parsing:
            from kubekeep.cli.console.unknown_command import refuse_unknown  # noqa: PLC0415 - only for an error

            refuse_unknown(ctx, args[0], self._commands)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """Write the short help of all commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in self._commands.items()])
