"""Tokens by host. A token is sent only to the host it was issued for, and only over https.

Looks values up; never reads the environment, never opens a key store.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final
from urllib.parse import urlsplit

import msgspec

from kubekeep.sources.git.address import Address, Login
from kubekeep.sources.git.errors import GitError


class _Issuer(msgspec.Struct, frozen=True):
    """A Git host with tokens.

    token: variable with the token. host: host of the token, unless the variable `server` names another.
    """

    token: str
    username: str
    host: str
    server: str = ""


_ISSUERS: Final = (
    # docs.github.com, "Variables reference": a workflow's token belongs to the server it runs on.
    _Issuer("GITHUB_TOKEN", "x-access-token", "github.com", "GITHUB_SERVER_URL"),
    # gitlab.com/gitlab-org/cli: GITLAB_HOST is where GITLAB_TOKEN is valid.
    _Issuer("GITLAB_TOKEN", "oauth2", "gitlab.com", "GITLAB_HOST"),
    _Issuer("AZURE_TOKEN", "token", "dev.azure.com"),
    _Issuer("AZURE_TOKEN", "token", ".visualstudio.com"),
    _Issuer("BITBUCKET_TOKEN", "x-token-auth", "bitbucket.org"),
)


def find_login(address: Address, tokens: Mapping[str, str]) -> Login | None:
    """Return the credentials in the address, else the token of its host, else None.

    tokens: values by the names of `options.TOKEN_VARIABLES`. Raises GitError for control characters in a token.
    """
    if address.login is not None and address.login.password:
        return _check(address.login, "the user in this address")
    if address.scheme == "https":
        for issuer in _ISSUERS:
            token = tokens.get(issuer.token, "").strip()
            if token and _is_on_server(address.host.removesuffix(":443"), _find_server(issuer, tokens)):
                username = address.login.username if address.login else issuer.username
                return _check(Login(username, token), issuer.token)
    return None if address.login is None else _check(address.login, "the user in this address")


def _find_server(issuer: _Issuer, tokens: Mapping[str, str]) -> str:
    """Return the host, with a port other than 443; empty if the variable names no https server."""
    server = tokens.get(issuer.server, "").strip() if issuer.server else ""
    if not server:
        return issuer.host
    try:
        parts = urlsplit(server if "://" in server else f"https://{server}")
        host = f"{parts.hostname or ''}:{parts.port or 443}".removesuffix(":443")
    except ValueError:
        return ""
    return host if parts.scheme == "https" and not host.startswith(".") else ""


def _is_on_server(host: str, server: str) -> bool:
    if server.startswith("."):
        return host.endswith(server) and len(host) > len(server)
    return bool(server) and host == server


def _check(login: Login, name: str) -> Login:
    if not (login.username + login.password).isprintable():
        raise GitError(f"{name} contains control characters")
    return login
