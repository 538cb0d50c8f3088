"""The server of the options of a command, and messages for errors of its access."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import click

from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.model.errors import KubekeepError, RequestError
from kubekeep.model.text import visible
from kubekeep.uplink.address import parse_server_address
from kubekeep.uplink.connection import ServerAccess
from kubekeep.uplink.selection import ServerOptions
from kubekeep.uplink.settings import read_server_variables
from kubekeep.usecases.server_login import find_default_server
from kubekeep.usecases.server_results import ServerResults, open_results
from kubekeep.usecases.submission import find_server


class ServerAccessError(click.ClickException):
    """A server cannot be reached, or does not accept the login."""

    exit_code = INCOMPLETE


@contextlib.contextmanager
def convert_server_errors() -> Iterator[None]:
    """Convert invalid addresses to errors of the command line, and other failures to a message and an exit code."""
    try:
        yield
    except RequestError as error:
        raise click.UsageError(visible(str(error))) from error
    except KubekeepError as error:
        raise ServerAccessError(visible(str(error))) from error


def create_access(options: ServerAddressOptions) -> ServerAccess:
    """Return the server for a login. Raises click.UsageError without one, and ServerAddressError."""
    address = options.server or read_server_variables().server or find_default_server()
    if not address:
        raise click.UsageError("no server: use --server URL, or set KUBEKEEP_SERVER")
    return ServerAccess(
        address=parse_server_address(address, plain_http=options.server_plain_http),
        authority_file=options.server_ca or "",
    )


@contextlib.contextmanager
def open_server_results(options: ServerAddressOptions, token_file: str | None) -> Iterator[ServerResults]:
    """Open the results of the server of options, variables or logins, and convert its errors."""
    selection = create_server_options(options, token_file)
    with convert_server_errors(), open_results(find_server(selection)) as results:
        yield results


def create_server_options(options: ServerAddressOptions, token_file: str | None = None) -> ServerOptions:
    """Return the server that options name."""
    return ServerOptions(
        server=options.server,
        token_file=token_file or "",
        authority_file=options.server_ca or "",
        plain_http=options.server_plain_http,
    )
