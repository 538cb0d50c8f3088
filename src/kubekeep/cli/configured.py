"""A command whose options may also stand in a configuration file, found beside what is scanned or named.

Joins the file to click: its values are defaults that click converts and judges as it does flags, and an error about
one of them names its place. Never decides what an option means.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click
import msgspec
from click.core import ParameterSource

from kubekeep.cli.config_keys import Key, defaults, keys
from kubekeep.config.chart_values import list_entries, read_chart_values
from kubekeep.config.file import NAMES, Configuration, ConfigurationError, find_configuration, read_configuration
from kubekeep.kube.settings import home_folder
from kubekeep.model.paths import display_path
from kubekeep.sources.options import ChartValues

_META: Final = "kubekeep.configuration"


class FileError(click.ClickException):
    """The configuration file is wrong."""

    exit_code = 2


class Loaded(msgspec.Struct, frozen=True):
    """The configuration file of a command line, and the values of single charts in it."""

    file: Configuration
    charts: Mapping[str, ChartValues]


def loaded(ctx: click.Context) -> Loaded | None:
    """What `ctx` read, if there is a file."""
    found: Loaded | None = ctx.meta.get(_META)
    return found


def per_chart() -> Mapping[str, ChartValues]:
    """Values for single charts by absolute path, for the command that is running."""
    found = loaded(click.get_current_context())
    return found.charts if found else {}


def is_from_file(ctx: click.Context, parameter: str) -> bool:
    """Whether the value of click's `parameter` came from the configuration file."""
    return ctx.get_parameter_source(parameter) is ParameterSource.DEFAULT_MAP


def is_from_found_file(ctx: click.Context, parameter: str) -> bool:
    """Whether it came from a configuration file that nobody named, and that may write no files."""
    found = loaded(ctx)
    return found is not None and not found.file.named and is_from_file(ctx, parameter)


class Configured(click.Command):
    """A command with `--config` and `--no-config`; `target` tells the first path in the words of a command line.

    With `like`, the file is one for that command, and says here what this command has too.
    """

    def __init__(
        self,
        *arguments: Any,
        target: Callable[[tuple[str, ...]], str],
        like: click.Command | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._target = target
        self._like = like or self
        self.params += [
            click.Option(
                ["--config"],
                type=click.Path(),
                expose_value=False,
                help=f"Configuration file, instead of the {NAMES[0]} found in the folder of the first PATH or above.",
            ),
            click.Option(["--no-config"], is_flag=True, expose_value=False, help="Use no configuration file."),
        ]

    @property
    def keys(self) -> dict[str, Key]:
        """The keys that a configuration file may have for this command."""
        return keys(self._like)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the configuration file, then parse as click does, with what it says as defaults."""
        if not ctx.resilient_parsing:
            said, _, _ = self.make_parser(ctx).parse_args(list(args))
            asks_help = self.get_help_option(ctx)
            if asks_help is None or asks_help.name not in said:
                self._load(ctx, said)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise self.placed(ctx, error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Say which file is used, then run."""
        found = loaded(ctx)
        if found:
            click.echo(f"config: {display_path(found.file.path)}", err=True)
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            raise self.placed(ctx, error) from error

    def _load(self, ctx: click.Context, said: Mapping[str, Any]) -> None:
        named = said.get("config")
        if said.get("no_config"):
            if named is not None:
                raise click.UsageError("--config and --no-config exclude each other", ctx)
            return
        try:
            path = named if named is not None else find_configuration(self._target(self._words(said)), home_folder())
            if path is None:
                return
            file = read_configuration(path, named=named is not None)
            mine = {item.name for item in self.params}
            said_here = defaults(self.keys, file)
            ctx.default_map = {name: value for name, value in said_here.items() if name in mine}
            ctx.meta[_META] = Loaded(file, read_chart_values(file))
        except ConfigurationError as error:
            raise FileError(str(error)) from error

    def _words(self, said: Mapping[str, Any]) -> tuple[str, ...]:
        """What is neither an option nor its value."""
        found = (said.get(item.name or "") for item in self.params if isinstance(item, click.Argument))
        # Click has a mark of its own for an argument without words.
        return tuple(word for words in found if isinstance(words, tuple) for word in words)

    def placed(self, ctx: click.Context, error: click.BadParameter) -> click.ClickException:
        """`error`, with its place if the value that it is about stands in the file."""
        found = loaded(ctx)
        for name, key in self.keys.items():
            same = error.param is not None and error.param.name == key.option.name
            is_meant = same or error.param_hint in key.option.opts
            if found and is_meant and is_from_file(ctx, key.option.name or name):
                items = list_entries(found.file.values[name], (name,))
                at = next((place for item, place in items if f"'{item}'" in error.message), (name,))
                return FileError(str(found.file.error(at, f"{name}: {error.message}")))
        return error
