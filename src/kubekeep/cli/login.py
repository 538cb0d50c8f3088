"""`kubekeep login`: verify and store the token for a server. Parses and prints; never prints a token."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console.help_sections import SectionedCommand
from kubekeep.cli.console.option_group import add_groups
from kubekeep.cli.options.server import ServerAddressOptions
from kubekeep.cli.server_access import convert_server_errors, create_access
from kubekeep.model.text import utc_text, visible
from kubekeep.uplink.identity import LoginCode, ServerIdentity
from kubekeep.uplink.token import parse_token, read_token_file
from kubekeep.usecases.server_login import log_in, log_in_with_browser

_STDIN: Final = "-"
_MAX_INPUT: Final = 64 << 10
"""Characters of standard input to read."""


@click.command(short_help="Log in at a server for results.", cls=SectionedCommand)
@click.option(
    "--token-file",
    metavar="FILE",
    type=click.Path(dir_okay=False, allow_dash=True),
    default="",
    help="Store the token in this file, or from standard input for -. Without it, confirm the login in a browser.",
)
@add_groups(lambda options: {"options": options}, ServerAddressOptions)
def command(options: ServerAddressOptions, token_file: str) -> None:
    """Log in at a Kubekeep server, to which `--submit` sends results. The server becomes the default.

    The token is stored in a file that only you can read, `kubekeep/logins` in the folder for configuration (XDG_CONFIG_HOME, or
    `~/.config`).

    \b
    kubekeep login --server https://kubekeep.example.com
    kubekeep login --server https://kubekeep.example.com --token-file token
    """  # noqa: D301 - click takes the character itself
    with convert_server_errors():
        access = create_access(options)
        if token_file == _STDIN:
            identity = log_in(access, parse_token(sys.stdin.read(_MAX_INPUT), "standard input"))
        elif token_file:
            identity = log_in(access, read_token_file(Path(token_file)))
        elif sys.stdin.isatty():
            identity = log_in_with_browser(access, _show_code)
        else:
            raise click.UsageError(
                "no terminal for a login in the browser: use --token-file FILE, or - for standard input"
            )
    click.echo(f"Logged in at {visible(access.address)} as {_describe(identity)}")


def _show_code(code: LoginCode) -> None:
    click.echo(f"Open {visible(code.verification_uri_complete or code.verification_uri)}", err=True)
    click.echo(f"and confirm the code {visible(code.user_code)}. Waiting for the confirmation...", err=True)


def _describe(identity: ServerIdentity) -> str:
    scopes = f" for {', '.join(map(visible, identity.scopes))}" if identity.scopes else ""
    role = f" ({visible(identity.role)}{scopes})" if identity.role else scopes
    end = f"; the token expires on {utc_text(identity.expires.astimezone(dt.UTC))}" if identity.expires else ""
    return f"{visible(identity.name)}{role}{end}"
