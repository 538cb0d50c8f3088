"""`kubekeep server` and its subcommands. Prints errors of settings as messages of the command line."""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click
from sqlalchemy import Connection

from kubekeep_server.auth.secrets import LINK, TOKEN, create_secret, describe_link, hash_secret
from kubekeep_server.identity import Grant, Role, check_scope
from kubekeep_server.process.advisories_command import advisories
from kubekeep_server.process.backup import back_up
from kubekeep_server.process.backup import restore as restore_file
from kubekeep_server.process.checks import check_database, check_settings
from kubekeep_server.process.logs import configure_logs
from kubekeep_server.process.offline import run_offline
from kubekeep_server.settings import PREFIX, Settings, SettingsError, load_settings
from kubekeep_server.store.accounts import create_account, find_account
from kubekeep_server.store.sessions import create_link
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
        click.option("--advisories", help="off, automatic or bundles; off without it."),
        click.option("--config", envvar=_CONFIG_VARIABLE, default="", help="TOML file with settings."),
    ):
        function = option(function)
    return function


@click.group(invoke_without_command=True, short_help="Serve the results of all clusters, repositories and images.")
@_settings_options
@click.option("--demo", is_flag=True, help="Serve a year of example data from a temporary database.")
@click.pass_context
def command(context: click.Context, /, config: str, trusted_proxies: str | None, *, demo: bool, **options: Any) -> None:
    """Serve the results of all clusters, repositories and images.

    Settings come from options, then from the environment (KUBEKEEP_SERVER_LISTEN and so on), then from the file. Options stand
    before a subcommand.
    """
    proxies = trusted_proxies.split(",") if trusted_proxies else None
    try:
        context.obj = load_settings(config, {**options, "trusted_proxies": proxies})
        if demo:
            _serve_demo(context.obj, context.invoked_subcommand)
        elif context.invoked_subcommand is None:
            _serve(context.obj)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error


def _serve(settings: Settings) -> None:
    # Subcommands start without it.
    from kubekeep_server.process.serving import ServerProcess  # noqa: PLC0415

    configure_logs(settings.log_format)
    if not ServerProcess(settings).run():
        raise SystemExit(_FAILED)


def _serve_demo(settings: Settings, subcommand: str | None) -> None:
    from kubekeep_server.process.demo import serve_demo  # noqa: PLC0415

    if subcommand is not None:
        raise click.UsageError(f"--demo starts a server; use it without {subcommand}")
    configure_logs(settings.log_format)
    if not serve_demo(settings):
        raise SystemExit(_FAILED)


command.add_command(advisories)


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
    grants = _parse_grants(role, scopes)
    run_offline(
        settings,
        lambda connection: create_token(
            connection,
            hash_secret(secret),
            name,
            grants,
            now=now,
            expires=now + dt.timedelta(days=days),
            actor=_name_actor(),
        ),
    )
    click.echo(secret)


@command.group()
def user() -> None:
    """Manage users."""


@user.command("add")
@click.argument("name")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.VIEWER.value, show_default=True)
@click.option(
    "--scope", "scopes", multiple=True, default=("*",), help="cluster/UID, repository/github.com/shop/*, or *."
)
@click.pass_obj
def add(settings: Settings, name: str, role: str, scopes: tuple[str, ...]) -> None:
    """Create a user and print a link for the first sign-in."""
    grants = _parse_grants(role, scopes)

    def create_user(connection: Connection) -> int:
        return create_account(connection, name, grants, now=dt.datetime.now(dt.UTC), actor=_name_actor())

    run_offline(settings, create_user)
    _print_link(settings, name)


@user.command("link")
@click.argument("name")
@click.pass_obj
def link(settings: Settings, name: str) -> None:
    """Print a link for one sign-in of a user. It replaces the password when it is used."""
    _print_link(settings, name)


@command.command("check")
@click.pass_obj
def check(settings: Settings) -> None:
    """Check the settings, the certificate and the database, and the log of the organisation."""
    try:
        check_settings(settings)
        damaged = check_database(settings)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    if damaged is not None:
        raise click.ClickException(f"the log of the organisation was changed at entry {damaged}")
    click.echo("The settings and the database can be used.")


@command.command("backup")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@click.pass_obj
def backup(settings: Settings, file: Path) -> None:
    """Write the whole database into a new FILE, also while the server runs.

    Keep it secret: it has the results of all sources, and digests of passwords and tokens.
    """
    click.echo(f"{back_up(settings, file):,} rows are saved in {file}.")


@command.command("restore")
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False, exists=True))
@click.pass_obj
def restore(settings: Settings, file: Path) -> None:
    """Write a FILE of `backup` into an empty database: SQLite or PostgreSQL, whichever it comes from."""
    try:
        rows = restore_file(settings, file)
    except SettingsError as error:
        raise click.UsageError(str(error)) from error
    click.echo(f"{rows:,} rows are restored.")


def _print_link(settings: Settings, name: str) -> None:
    secret = create_secret(LINK)

    def invite(connection: Connection) -> None:
        row = find_account(connection, name)
        if row is None:
            raise ValueError(f"there is no user {name}")
        create_link(connection, hash_secret(secret), row.id, dt.datetime.now(dt.UTC), _name_actor())

    run_offline(settings, invite)
    public_url = settings.public_url or f"{'https' if settings.has_tls else 'http'}://{settings.listen}"
    click.echo(describe_link(public_url, secret))


def _parse_grants(role: str, scopes: tuple[str, ...]) -> tuple[Grant, ...]:
    try:
        return tuple(Grant(Role(role), check_scope(scope)) for scope in scopes)
    except ValueError as error:
        raise click.BadParameter(str(error), param_hint="--scope") from error


def _name_actor() -> str:
    return f"command line of {getpass.getuser()}"
