"""`kubekeep mcp`: start the Model Context Protocol server. Parses options only; never runs a tool."""

from __future__ import annotations

from pathlib import Path

import click

from kubekeep.cli.console.arguments import parse_listen_address
from kubekeep.cli.console.option_group import add_groups
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.cli.server_access import convert_server_errors, create_server_options
from kubekeep.cli.settings import database_folder
from kubekeep.model.errors import RequestError
from kubekeep.uplink.errors import ServerLoginError
from kubekeep.uplink.selection import ServerOptions
from kubekeep.uplink.settings import read_server_variables
from kubekeep.usecases.submission import find_server

_DEFAULT_TIMEOUT = 120


@click.command(short_help="Serve the tools to an AI assistant.")
@click.option(
    "--root",
    "roots",
    multiple=True,
    type=click.Path(),
    show_default="the working folder",
    help="Let clients read files in this folder; repeatable.",
)
@click.option("--allow-writes", is_flag=True, help="Let clients write fixes to files in the roots.")
@click.option("--allow-cluster", is_flag=True, help="Let clients scan the cluster of the kubeconfig.")
@click.option(
    "--allow-network",
    is_flag=True,
    help="Let clients scan http and https addresses, repositories, and images in registries.",
)
@click.option("--kubeconfig", default="", type=click.Path(), help="Use this kubeconfig with --allow-cluster.")
@click.option("--context", default="", help="Use this context of the kubeconfig with --allow-cluster.")
@click.option(
    "--timeout",
    default=_DEFAULT_TIMEOUT,
    show_default=True,
    type=click.IntRange(1, 3600),
    help="Limit the seconds of a tool call.",
)
@click.option(
    "--http",
    "address",
    metavar="[ADDRESS:]PORT",
    callback=parse_listen_address,
    help="Serve streamable HTTP at this port instead of standard input and output. Default address: 127.0.0.1.",
)
@click.option(
    "--token-file",
    type=click.Path(path_type=Path, dir_okay=False),
    show_default="the variable KUBEKEEP_MCP_TOKEN",
    help="Require the bearer token in this file; needed for an address that is not loopback.",
)
@click.option(
    "--allowed-host", "hosts", multiple=True, metavar="HOST[:PORT]", help="Accept this Host header; repeatable."
)
@add_groups(lambda results: {"results": results}, ServerAddressOptions)
def command(  # noqa: PLR0913 - one argument an option
    roots: tuple[str, ...],
    kubeconfig: str,
    context: str,
    timeout: int,
    address: tuple[str, int] | None,
    token_file: Path | None,
    hosts: tuple[str, ...],
    results: ServerAddressOptions,
    *,
    allow_writes: bool,
    allow_cluster: bool,
    allow_network: bool,
) -> None:
    """Serve scans, explanations, fixes and comparisons to an AI assistant (Model Context Protocol).

    The assistant starts the command and talks to it through standard input and output. It reads files in the roots, and
    nothing else, unless an option allows more. With a login of `kubekeep login`, or --server, it also reads the results of
    that server in the scope of your role.

    \b
    kubekeep mcp --root deploy/
    kubekeep mcp --root deploy/ --allow-writes
    kubekeep mcp --http 8765 --token-file token.txt
    """  # noqa: D301 - click takes the character itself
    try:
        # Loaded only to serve: the SDK is an optional dependency.
        from kubekeep.mcp.server import create_server  # noqa: PLC0415
        from kubekeep.mcp.settings import ServerSettings, read_token  # noqa: PLC0415
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package == "kubekeep":
            raise
        raise click.UsageError(f"{package} is not installed: pip install 'kubekeep[mcp]'") from error
    if address is None and (token_file or hosts):
        raise click.UsageError("--token-file and --allowed-host require --http")
    settings = ServerSettings(
        roots=roots or (".",),
        allow_cluster=allow_cluster,
        allow_network=allow_network,
        allow_writes=allow_writes,
        kubeconfig=kubeconfig,
        context=context,
        timeout=timeout,
        results=_find_results(results),
        database=str(database) if (database := database_folder()) and database.is_dir() else "",
    )
    try:
        server = create_server(settings)
        if address is None:
            server.run("stdio")
        else:
            from kubekeep.mcp.http import serve_http  # noqa: PLC0415 - not for stdio

            token = read_token(token_file)
            serve_http(server, address, token, hosts, lambda url: click.echo(f"listening at {url}", err=True))
    except RequestError as error:
        raise click.UsageError(str(error)) from error


def _find_results(address: ServerAddressOptions) -> ServerOptions | None:
    """Return the server of options, variables or logins; None without any."""
    options = create_server_options(address)
    with convert_server_errors():
        try:
            find_server(options)
        except ServerLoginError:
            if options.server or read_server_variables().server:
                raise
            return None
    return options
