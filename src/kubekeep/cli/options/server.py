"""Options for the server that receives results. Parses; connects to nothing."""

from typing import Annotated, Final

import click

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, create_option

_FILE: Final = click.Path(exists=True, dir_okay=False)


class ServerAddressOptions(OptionGroup, frozen=True):
    """Options of the address of a server and of the connection to it, as given."""

    section = HelpSection.SERVER

    server: Annotated[
        str,
        Option(
            "--server",
            "Use the server at this address. Default: KUBEKEEP_SERVER, or the server of the last `kubekeep login`.",
            Key.EXPLICIT,
            metavar="URL",
        ),
    ] = ""
    server_ca: Annotated[
        str | None,
        Option(
            "--server-ca",
            "Trust the certificates in this PEM file for the server, in addition to those of the system.",
            Key.EXPLICIT,
            type=_FILE,
        ),
    ] = None
    server_plain_http: Annotated[
        bool,
        Option("--server-plain-http", "Permit an http:// address. Not needed for localhost.", Key.EXPLICIT),
    ] = False


server_option: Final = create_option(ServerAddressOptions, "server")
