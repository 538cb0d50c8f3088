"""Click command with options from a configuration file, which is discovered near the scanned path or named.

The file's values are click defaults, which click converts and checks like flags; errors include their location in the
file. Never interprets an option.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import click
from click.core import ParameterSource

from kubekeep.cli.console.help_sections import SectionedCommand
from kubekeep.config.chart_values import LoadedConfiguration
from kubekeep.config.file import NAMES, ConfigurationError, find_configuration, read_configuration
from kubekeep.kube.settings import find_home_folder
from kubekeep.model.paths import display_path

_META: Final = "kubekeep.configuration"


class FileError(click.ClickException):
    """The configuration file is invalid."""

    exit_code = 2


def get_configuration(ctx: click.Context) -> LoadedConfiguration | None:
    """Return the configuration that `ctx` has read; None without a file."""
    configuration: LoadedConfiguration | None = ctx.meta.get(_META)
    return configuration


def is_from_file(ctx: click.Context, parameter: str) -> bool:
    """Return True if the value of click's `parameter` is from the configuration file."""
    return ctx.get_parameter_source(parameter) is ParameterSource.DEFAULT_MAP


def is_from_discovered_file(ctx: click.Context, parameter: str) -> bool:
    """Return True if the value is from a discovered configuration file, which may not write files."""
    configuration = get_configuration(ctx)
    return configuration is not None and not configuration.file.is_explicit and is_from_file(ctx, parameter)


class ConfiguredCommand(SectionedCommand):
    """A command with `--config` and `--no-config`; `target` returns the first path in the words of a command line.

    With `like`, the file has the keys of that command, and only the common options apply here.
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
                help=f"Use this configuration file. Default: {NAMES[0]} in the folder of the first PATH, or in a parent folder.",
            ),
            click.Option(["--no-config"], is_flag=True, expose_value=False, help="Do not use a configuration file."),
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the configuration file, then parse with its values as defaults."""
        if not ctx.resilient_parsing:
            options, _, _ = self.make_parser(ctx).parse_args(list(args))
            help_option = self.get_help_option(ctx)
            if help_option is None or help_option.name not in options:
                self._load(ctx, options)
        try:
            return super().parse_args(ctx, args)
        except click.BadParameter as error:
            raise self.locate_error(ctx, error) from error

    def invoke(self, ctx: click.Context) -> Any:
        """Print the path of the file, then run the command."""
        configuration = get_configuration(ctx)
        if configuration:
            click.echo(f"config: {display_path(configuration.file.path)}", err=True)
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            raise self.locate_error(ctx, error) from error

    def _load(self, ctx: click.Context, options: Mapping[str, Any]) -> None:
        explicit_path = options.get("config")
        if options.get("no_config"):
            if explicit_path is not None:
                raise click.UsageError("--config and --no-config cannot be combined", ctx)
            return
        try:
            path = (
                explicit_path
                if explicit_path is not None
                else find_configuration(self._target(self._words(options)), find_home_folder())
            )
            if path is None:
                return
            # Only a command line with a file pays for loading these.
            from kubekeep.cli.console.config_keys import list_keys, read_defaults  # noqa: PLC0415
            from kubekeep.config.chart_values import read_chart_values  # noqa: PLC0415

            file = read_configuration(path, is_explicit=explicit_path is not None)
            own_names = {parameter.name for parameter in self.params}
            values = read_defaults(list_keys(self._like), file)
            ctx.default_map = {name: value for name, value in values.items() if name in own_names}
            ctx.meta[_META] = LoadedConfiguration(file, read_chart_values(file))
        except ConfigurationError as error:
            raise FileError(str(error)) from error

    def _words(self, options: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the words that are neither options nor their values."""
        values = (
            options.get(parameter.name or "") for parameter in self.params if isinstance(parameter, click.Argument)
        )
        # Click uses a sentinel for an argument without words.
        return tuple(word for words in values if isinstance(words, tuple) for word in words)

    def locate_error(self, ctx: click.Context, error: click.BadParameter) -> click.ClickException:
        """Return `error` with its location if the value is from the file."""
        configuration = get_configuration(ctx)
        if configuration is None:
            return error
        from kubekeep.cli.console.config_keys import list_keys  # noqa: PLC0415 - only with a file
        from kubekeep.config.chart_values import list_entries  # noqa: PLC0415

        for name, key in list_keys(self._like).items():
            is_parameter = error.param is not None and error.param.name == key.option.name
            is_meant = is_parameter or error.param_hint in key.option.opts
            if is_meant and is_from_file(ctx, key.option.name or name):
                written = key.find_name(configuration.file)
                entries = list_entries(configuration.file.values[written], (written,))
                at = next((location for entry, location in entries if f"'{entry}'" in error.message), (written,))
                return FileError(str(configuration.file.create_error(at, f"{written}: {error.message}")))
        return error
