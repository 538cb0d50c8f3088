"""Checks of settings before a server starts, each with a message that names the setting, the cause and the next step."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect
from sqlalchemy.engine import make_url

from kubekeep_server.api.oidc import CALLBACK
from kubekeep_server.auth.oidc.sign_in import configure_provider
from kubekeep_server.settings import Settings, SettingsError
from kubekeep_server.store.database import open_database
from kubekeep_server.store.engine import parse_url
from kubekeep_server.store.errors import StoreUnavailableError, translate_errors
from kubekeep_server.store.identity_schema import organisation_log
from kubekeep_server.store.organisation_log import verify_log

_SECONDS: Final = 30


def check_settings(settings: Settings) -> None:
    """Raise SettingsError for a certificate, a database, a folder or an OpenID provider that cannot be used."""
    if settings.tls_certificate:
        _check_certificate(settings.tls_certificate, settings.tls_key)
    configure_provider(settings, CALLBACK)
    if settings.bundles_folder and not Path(settings.bundles_folder).is_dir():
        raise SettingsError(f"bundles_folder: {settings.bundles_folder} is not a folder; create it")
    try:
        parse_url(settings.database_url)
    except ValueError as error:
        raise SettingsError(f"database: {error}") from error


def check_database(settings: Settings) -> int | None:
    """Return the number of the first entry of the organisation's log that was changed; None if it is complete.

    Changes nothing: the first start makes the tables, and a file of SQLite. Raises SettingsError if it cannot be read.
    """
    url = make_url(settings.database_url)
    if url.get_backend_name() == "sqlite" and not Path(url.database or "").exists():
        return None
    try:
        return asyncio.run(_read(settings.database_url))
    except StoreUnavailableError as error:
        raise SettingsError(f"database: {error}; check that it runs, and its address, user and password") from error


def _check_certificate(certificate: str, key: str) -> None:
    try:
        ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key, password="")
    except ssl.SSLError as error:
        raise SettingsError(
            f"tls_certificate {certificate}, tls_key {key}: {error.reason or error}; both must be PEM, the key without "
            "a password, and belong together"
        ) from error
    except OSError as error:
        raise SettingsError(
            f"tls_certificate {certificate}, tls_key {key}: {error.strerror}; check the paths and permissions"
        ) from error


async def _read(url: str) -> int | None:
    database = open_database(url, is_reading=True)
    try:
        with translate_errors():
            async with asyncio.timeout(_SECONDS):
                return await database.run(_verify)
    finally:
        await database.close()


def _verify(connection: Connection) -> int | None:
    return verify_log(connection) if inspect(connection).has_table(organisation_log.name) else None
