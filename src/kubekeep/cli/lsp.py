"""`kubekeep lsp`: start the language server. Reports a missing package; the server itself knows no command line."""

from __future__ import annotations

import contextlib
import io
import os
import sys
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console import arguments
from kubekeep.cli.console.config_keys import create_schema, list_keys
from kubekeep.cli.console.configured import ConfiguredCommand, get_configuration
from kubekeep.cli.options.request import request_options
from kubekeep.cli.scan import command as scan
from kubekeep.cli.settings import database_folder
from kubekeep.lsp.launch import FileSettings, Launch
from kubekeep.model.errors import RequestError
from kubekeep.model.severity import Severity
from kubekeep.usecases.request import ScanRequest
from kubekeep.vulnerabilities.options import VulnerabilityOptions

_MISSING: Final = "pygls is not installed: pip install 'kubekeep[lsp]'"


@click.command(short_help="Start the language server for editors.")
@click.option(
    "--stdio", is_flag=True, help="Accepted for editors that add it: the server always uses standard input and output."
)
def command(stdio: bool) -> None:  # noqa: FBT001 - click's signature
    """Start the language server on standard input and output (LSP 3.17), for editors.

    It shows findings while you type, with fixes, suppression comments, exceptions and explanations. It never uses the
    network and never writes a file: the editor applies its changes.
    """
    del stdio
    try:
        from kubekeep.lsp.server import serve  # noqa: PLC0415 - its packages are optional
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] not in {"pygls", "lsprotocol", "cattrs", "attrs"}:
            raise
        raise click.UsageError(_MISSING) from error
    sys.exit(serve(Launch(create_schema(list_keys(scan)), read_settings)))


@click.command(cls=ConfiguredCommand, target=arguments.find_first_path, like=scan)
@request_options("scan")
@click.option("--min-severity", type=arguments.SEVERITIES, callback=arguments.parse_severity)
def _settings(request: ScanRequest, min_severity: Severity | None, **_: Any) -> None:
    """Store the options of a configuration file."""
    context = click.get_current_context()
    folder = database_folder()
    if folder is not None and folder.is_dir():
        # For the SBOMs of the workspace.
        read = msgspec.structs.replace(request.input.read, vulnerabilities=VulnerabilityOptions(database=str(folder)))
        request = msgspec.structs.replace(request, input=msgspec.structs.replace(request.input, read=read))
    context.obj = request, min_severity


def read_settings(path: str, configuration: str) -> FileSettings:
    """Return the options for a scan of `path`; see `kubekeep.lsp.launch.ReadSettings`."""
    named = ["--config", configuration] if configuration else []
    try:
        # The name of the file on standard error would be an error in the log of the editor.
        with contextlib.redirect_stderr(io.StringIO()), _settings.make_context("lsp", [*named, path]) as context:
            _settings.invoke(context)
            request, minimum = context.obj
            loaded = get_configuration(context)
    except click.ClickException as error:
        raise RequestError(error.format_message()) from error
    file = os.path.abspath(loaded.file.path) if loaded else ""  # noqa: PTH100
    return FileSettings(request, file, minimum)
