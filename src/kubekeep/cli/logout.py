"""`kubekeep logout`: remove the stored token for a server. Sends nothing."""

from __future__ import annotations

import click

from kubekeep.cli.options.server import server_option
from kubekeep.cli.server_access import convert_server_errors
from kubekeep.model.text import visible
from kubekeep.uplink.address import parse_server_address
from kubekeep.uplink.settings import read_server_variables
from kubekeep.usecases.server_login import find_default_server, log_out


@click.command(short_help="Remove the token for a server.")
@server_option
def command(server: str) -> None:
    """Remove the stored token for a server. The token remains valid at the server until it expires or is revoked there."""
    with convert_server_errors():
        address = server or read_server_variables().server or find_default_server()
        if not address:
            click.echo("not logged in at any server")
            return
        address = parse_server_address(address, plain_http=True)
        removed = log_out(address)
    click.echo(f"logged out of {visible(address)}" if removed else f"not logged in at {visible(address)}")
