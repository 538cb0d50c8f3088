"""`kubekeep server` and its subcommands. Prints errors of settings as messages of the command line."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from typing import Any, Final

import click

from kubekeep_server.auth.secrets import TOKEN, create_secret, hash_secret
from kubekeep_server.identity import Grant, Role, check_scope
from kubekeep_server.process.logs import configure_logs
from kubekeep_server.process.offline import run_offline
from kubekeep_server.settings import PREFIX, Settings, SettingsError, load_settings
from kubekeep_server.store.tokens import create_token

_FAILED: Final = 3
_CONFIG_VARIABLE: Final = f"{PREFIX}CONFIG"


def _settings_options(function: Callable[..., None]) -> Callable[..., None]:
    for option in (
        click.option("--trusted-proxies", help="Addresses and networks of proxies, separated by commas."),
        click.option("--tls-key", help="PEM file with the private key."),
        click.option("--tls-certificate", help="PEM file with the certificate and its chain."),
        click.option("--public-url", help="Address of the server for its users, such as https://kubekeep.example.com."),
        click.option("--listen", help="HOST:PORT; 127.0.0.1:8080 without it."),
        click.option("--database", help="postgresql://USER@HOST/NAME; SQLite in the folder of --data without it."),
        click.option("--data", help="Folder of the SQLite database; kubekeep-data without it."),
        click.option("--config", envvar=_CONFIG_VARIABLE, default="", help="TOML file with settings."),
    ):
        function = option(function)
    return function


@click.group(invoke_without_command=True, short_help="Serve the results of all clusters, repositories and images.")
@_settings_options
@click.pass_context
def command(context: click.Context, /, config: str, trusted_proxies: str | None, **options: Any) -> None:
    """Serve the results of all clusters, repositories and images.

    Settings come from options, then from the environment (KUBEKEEP_SERVER_LISTEN and so on), then from the file. Options stand
    before a subcommand.
    """
    proxies = trusted_proxies.split(",") if trusted_proxies else None
    try:
        context.obj = load_settings(config, {**options, "trusted_proxies": proxies})
        if context.invoked_subcommand is None:
            _serve(context.obj)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _serve(settings: Settings) -> None:
    # Subcommands start without it.
    from kubekeep_server.process.serving import ServerProcess  # noqa: PLC0415

    configure_logs(settings.log_format)
    if not ServerProcess(settings).run():
        raise SystemExit(_FAILED)


@command.group()
def token() -> None:
    """Manage API tokens."""


@token.command("create")
@click.option("--name", required=True, help="For people, such as the name of a pipeline.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.AGENT.value, show_default=True)
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="cluster/UID, repository/github.com/shop/*, or *."
)
@click.option("--days", type=click.IntRange(1, 3650), default=90, show_default=True, help="Until the token expires.")
@click.pass_obj
def create(settings: Settings, name: str, role: str, scopes: tuple[str, ...], days: int) -> None:
    """Create a token and print it; it is not shown again."""
    secret, now = create_secret(TOKEN), dt.datetime.now(dt.UTC)
    try:
        grants = tuple(Grant(Role(role), check_scope(scope)) for scope in scopes)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--scope") from error
    run_offline(
        settings,
        lambda connection: create_token(
            connection,
            hash_secret(secret),
            name,
            grants,
            now=now,
            expires=now + dt.timedelta(days=days),
            actor=f"command line of {getpass.getuser()}",
        ),
    )
    click.echo(secret)
