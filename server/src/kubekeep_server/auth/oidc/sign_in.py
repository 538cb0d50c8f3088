"""The OpenID provider of the settings, with the rights of its groups. Sends nothing by itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Mapping

import msgspec

from kubekeep_server.auth.oidc.groups import parse_roles
from kubekeep_server.auth.oidc.provider import OpenIdProvider
from kubekeep_server.identity import Grant
from kubekeep_server.settings import Settings, SettingsError, read_secret


class ConfiguredProvider(msgspec.Struct, frozen=True, eq=False):
    """A provider. roles: grants by group. redirect_uri: address of this server to which browsers come back."""

    provider: OpenIdProvider
    redirect_uri: str
    groups_claim: str
    roles: Mapping[str, tuple[Grant, ...]]


@contextlib.asynccontextmanager
async def open_provider(settings: Settings, callback: str) -> AsyncIterator[ConfiguredProvider | None]:
    """Yield the provider of the settings; None without one. callback: path of this server. Raises SettingsError."""
    configured = configure_provider(settings, callback)
    try:
        yield configured
    finally:
        if configured is not None:
            await configured.provider.close()


def configure_provider(settings: Settings, callback: str) -> ConfiguredProvider | None:
    """Return the provider of the settings without a connection; None without one. Raises SettingsError."""
    if (oidc := settings.oidc) is None:
        return None
    secret = read_secret(oidc.client_secret_file) if oidc.client_secret_file else ""
    try:
        provider = OpenIdProvider(oidc.issuer, oidc.client_id, secret)
        roles = parse_roles(oidc.roles)
    except ValueError as error:
        raise SettingsError(f"oidc: {error}") from error
    return ConfiguredProvider(provider, f"{settings.public_url.rstrip('/')}{callback}", oidc.groups_claim, roles)
