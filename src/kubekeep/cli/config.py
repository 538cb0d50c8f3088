"""`kubekeep config`: explain the effective configuration of a scan, and print the schema of the file.

Reads the configuration file and what it names of rules, policies and parameters; never a manifest.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, Final

import click
from click.core import ParameterSource

from kubekeep.cli import outputs
from kubekeep.cli.config_keys import Key, schema
from kubekeep.cli.configured import Loaded, is_from_file, is_from_found_file, loaded
from kubekeep.cli.scan import command as scan
from kubekeep.config.chart_values import CHARTS
from kubekeep.exceptions.load import ExceptionOptions
from kubekeep.library.extra import gather
from kubekeep.library.params import ParamsError, read_params
from kubekeep.model.paths import display_path
from kubekeep.model.severity import Severity
from kubekeep.model.text import json_text, visible
from kubekeep.posture.select import UnknownNameError
from kubekeep.usecases.request import EvaluationOptions, RuleOptions, ScanInput, ScanRequest
from kubekeep.usecases.scan import check as check_request

_WIDTH: Final = 48
"""Where the origins start, unless a value is longer."""
_PLAIN: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]*")
_WORDS: Final = frozenset({"true", "false", "yes", "no", "on", "off", "y", "n", "null"})
"""Text that YAML takes for something else."""


@click.group(short_help="Check and explain the configuration file.")
def command() -> None:
    """Check and explain `kubekeep.yaml`, where the options of a scan may stand."""


@command.command(
    "check",
    context_settings={"ignore_unknown_options": True},
    short_help="Show the effective configuration and where each value came from.",
)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PATH] [OPTIONS OF SCAN]")
@click.pass_context
def check(ctx: click.Context, arguments: tuple[str, ...]) -> None:
    """Show what `kubekeep scan` with the same arguments would go by: each key, its value and where that came from.

    What is printed can be kept as a configuration file. Exits with 2 when something in the file is wrong.
    """
    context = scan.make_context("scan", list(arguments), parent=ctx.find_root())
    with context:
        _hold(context)
        found = loaded(context)
        click.echo(f"# {display_path(found.file.path)}" if found else "# no configuration file")
        for said, origin in _rows(context, found):
            click.echo(f"{said:{_WIDTH}}  # {origin}" if origin else f"# {said}")


@command.command("schema")
def print_schema() -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    click.echo(json.dumps(schema(scan.keys), indent=2))


def _hold(ctx: click.Context) -> None:
    """Raise what the scan would raise before it reads a manifest."""
    said = ctx.params
    try:
        rules = gather(said["custom_rules"], (*said["use_from"], *said["artifacts"]))
        params = read_params(said["controls_config"], rules.known) if said["controls_config"] else {}
        found = is_from_found_file(ctx, "formats")
        outputs.plan(said["formats"], said["output"], unnamed_files=not found)
        check_request(
            ScanRequest(
                ScanInput(paths=()),
                rules=RuleOptions(
                    frameworks=said["frameworks"],
                    params=params,
                    provider=said["cloud_provider"],
                    policies=said["policies"],
                    extra=rules,
                    excluded=said["exclude_controls"],
                ),
                evaluation=EvaluationOptions(
                    kubernetes_version=said["kubernetes_version"],
                    exceptions=ExceptionOptions(files=said["exceptions"], sets=said["exception_sets"]),
                ),
            )
        )
    except click.BadParameter as error:
        raise scan.placed(ctx, error) from error
    except UnknownNameError as error:
        excluded = any(repr(name) in str(error) for name in said["exclude_controls"])
        hint = "--exclude-controls" if excluded else "--framework"
        raise scan.placed(ctx, click.BadParameter(str(error), ctx, param_hint=hint)) from error
    except ParamsError as error:
        raise scan.placed(ctx, click.BadParameter(str(error), ctx, param_hint="--controls-config")) from error
    except ValueError as error:
        raise click.UsageError(visible(str(error)), ctx) from error


def _rows(ctx: click.Context, found: Loaded | None) -> Iterator[tuple[str, str]]:
    """Each key with its value, as the file would have it, and its origin; none for what is not set."""
    for key in scan.keys.values():
        value, origin = _effective(ctx, found, key)
        yield (f"{key.name}: not set", "") if value in {None, (), ""} else (f"{key.name}: {_yaml(value)}", origin)
    if found and found.charts:
        yield f"{CHARTS}: {visible(json_text(found.file.values[CHARTS]))}", _origin(found, CHARTS)


def _effective(ctx: click.Context, found: Loaded | None, key: Key) -> tuple[Any, str]:
    name = key.option.name or key.name
    value = ctx.params[name]
    if found and is_from_file(ctx, name):
        return value, _origin(found, key.name)
    if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE:
        return value, "command line"
    said = key.option.show_default
    # What stands for no names is a name; what stands for no text is a sentence.
    return (said,) if key.option.multiple and not value and isinstance(said, str) else value, "default"


def _origin(found: Loaded, key: str) -> str:
    return f"{display_path(found.file.path)}:{found.file.locate((key,)).line}"


def _yaml(value: Any) -> str:
    if isinstance(value, tuple):
        return f"[{', '.join(map(_yaml, value))}]"
    if isinstance(value, Severity):
        return value.name.lower()
    if isinstance(value, bool | int | float):
        return json.dumps(value)
    text = str(value)
    return text if _PLAIN.fullmatch(text) and text.lower() not in _WORDS else visible(json_text(text))
