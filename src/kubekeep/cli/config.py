"""`kubekeep config`: explain the effective configuration of a scan, and print the schema of the file.

Reads the configuration file and the rules, policies and parameters in it; never a manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import click
from click.core import ParameterSource

from kubekeep.cli.console import outputs
from kubekeep.cli.console.config_keys import ConfigurationKey, create_schema, list_keys
from kubekeep.cli.console.configured import (
    get_configuration,
    is_from_discovered_file,
    is_from_file,
)
from kubekeep.cli.options.exception import ExceptionFileOptions, create_settings
from kubekeep.cli.scan import command as scan
from kubekeep.config.chart_values import CHARTS, LoadedConfiguration
from kubekeep.model.paths import display_path
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.usecases.request import EvaluationOptions, ScanInput, ScanRequest
from kubekeep.usecases.rule_selection import RuleFiles, RuleSetting, create_rule_options, find_invalid_setting
from kubekeep.usecases.scan import check as check_request

_WIDTH: Final = 48
"""Column of the origins, unless a value is longer."""
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_HINTS: Final = {
    RuleSetting.NAMES: "--framework",
    RuleSetting.EXCLUDED: "--exclude-controls",
    RuleSetting.PARAMS: "--controls-config",
}
_RESERVED_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Text that YAML reads as a boolean or null."""


@click.group(short_help="Check and explain the configuration file.")
def command() -> None:
    """Check and explain `kubekeep.yaml`, the file with options of a scan."""


@command.command(
    "check",
    context_settings={"ignore_unknown_options": True},
    short_help="Show the effective configuration and the origin of each value.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PATH] [OPTIONS OF SCAN]")
@click.pass_context
def check(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Show the effective configuration of `kubekeep scan` with the same arguments: each key, its value and its origin.

    The output is a valid configuration file. Exits with 2 if the configuration is invalid.
    """
    context = scan.make_context("scan", list(arguments), parent=ctx.find_root())
    with context:
        _check_request(context)
        configuration = get_configuration(context)
        click.echo(f"# {display_path(configuration.file.path)}" if configuration else "# no configuration file")
        for text, origin in _rows(context, configuration):
            click.echo(f"{text:{_WIDTH}}  # {origin}" if origin else f"# {text}")


@command.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(create_schema(list_keys(scan)), indent=2))


def _check_request(ctx: click.Context) -> None:
    """Raise the errors that the scan would raise before it reads a manifest."""
    values = ctx.params
    files = RuleFiles(
        custom=values["custom_rules"],
        bundles=(*values["use_from"], *values["artifacts"]),
        params=values["controls_config"],
    )
    try:
        rules = create_rule_options(
            files,
            frameworks=values["frameworks"],
            excluded=values["exclude_controls"],
            provider=values["cloud_provider"],
            policies=values["policies"],
        )
        discovered = is_from_discovered_file(ctx, "formats")
        outputs.plan(values["formats"], values["output"], unnamed_files=not discovered)
        exceptions = ExceptionFileOptions(exceptions=values["exceptions"], exception_sets=values["exception_sets"])
        evaluation = EvaluationOptions(
            kubernetes_version=values["kubernetes_version"],
            exceptions=create_settings(exceptions).exceptions,
        )
        check_request(ScanRequest(ScanInput(paths=()), rules, evaluation))
    except click.BadParameter as error:
        raise scan.locate_error(ctx, error) from error
    except ValueError as error:
        setting = find_invalid_setting(error, values["exclude_controls"])
        if setting is None:
            raise click.UsageError(visible(str(error)), ctx) from error
        parameter_error = click.BadParameter(str(error), ctx, param_hint=_HINTS[setting])
        raise scan.locate_error(ctx, parameter_error) from error


def _rows(ctx: click.Context, configuration: LoadedConfiguration | None) -> Iterator[tuple[str, str]]:
    """Yield each key with its value as in the file, and its origin; keys without a value have none."""
    for key in list_keys(scan).values():
        value, origin = _effective(ctx, configuration, key)
        yield (f"{key.name}: not set", "") if value in (None, (), "", {}) else (f"{key.name}: {_yaml(value)}", origin)
    if configuration and configuration.charts:
        yield f"{CHARTS}: {visible(json_text(configuration.file.values[CHARTS]))}", _origin(configuration, CHARTS)


def _effective(ctx: click.Context, configuration: LoadedConfiguration | None, key: ConfigurationKey) -> tuple[Any, str]:
    name = key.option.name or key.name
    value = ctx.params[name]
    if configuration and is_from_file(ctx, name):
        return value, _origin(configuration, key.find_name(configuration.file))
    if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        return value, "command line"
    default = key.option.show_default
    # The default of a list is a name, that of a text is a sentence.
    return (default,) if key.option.multiple and not value and isinstance(default, str) else value, "default"


def _origin(configuration: LoadedConfiguration, key: str) -> str:
    return f"{display_path(configuration.file.path)}:{configuration.file.locate((key,)).line}"


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Severity):
        return value.name.lower()
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _RESERVED_WORDS else visible(json_text(text))
