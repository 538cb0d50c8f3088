"""The server of the options of a command, and messages for errors of its access. Connects to nothing."""

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
from kubekeep.uplink.settings import read_server_variables
from kubekeep.usecases.server_login import find_default_server


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
