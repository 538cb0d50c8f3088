"""Logins at a server: a token is verified, then stored for this user. Never prints a token."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path

from kubekeep.uplink.connection import ServerAccess, ServerConnection
from kubekeep.uplink.errors import ServerLoginError
from kubekeep.uplink.identity import LoginCode, ServerIdentity, fetch_identity, request_code, wait_for_token
from kubekeep.uplink.logins import LoginStore, StoredLogin
from kubekeep.uplink.settings import find_login_folder


def log_in(access: ServerAccess, token: str) -> ServerIdentity:
    """Verify a token, store it, and return its identity; the server becomes the default.

    Raises ServerLoginError, UnreachableServerError, and RegistryError for unreadable certificates.
    """
    with ServerConnection(access) as connection:
        return _store(connection, access, token)


def log_in_with_browser(access: ServerAccess, show: Callable[[LoginCode], None]) -> ServerIdentity:
    """Wait until a person has confirmed the code that `show` receives, and store the token. Raises as `log_in`."""
    with ServerConnection(access) as connection:
        code = request_code(connection, f"kubekeep on {socket.gethostname()}")
        show(code)
        return _store(connection, access, wait_for_token(connection, code))


def log_out(address: str) -> bool:
    """Remove the token for a server. Return False without one. Raises ServerLoginError."""
    return open_logins().remove(address)


def find_default_server() -> str:
    """Return the address of the default server; empty without one. Raises ServerLoginError."""
    login = open_logins().find_default()
    return "" if login is None else login.server


def open_logins() -> LoginStore:
    """Return the logins of this user. Raises ServerLoginError without a folder for them."""
    folder = find_login_folder()
    if folder is None:
        raise ServerLoginError("no folder for logins: set HOME or XDG_CONFIG_HOME")
    return LoginStore(folder)


def _store(connection: ServerConnection, access: ServerAccess, token: str) -> ServerIdentity:
    identity = fetch_identity(connection, token)
    # The working folder of the next command is another one.
    authority_file = str(Path(access.authority_file).absolute()) if access.authority_file else ""
    open_logins().save(StoredLogin(access.address, token, identity.name, identity.expires, authority_file))
    return identity
