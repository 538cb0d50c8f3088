"""Selection of the server and the token: options before variables before stored logins. Never connects."""

from __future__ import annotations

from pathlib import Path

import msgspec

from kubekeep.uplink.address import parse_server_address
from kubekeep.uplink.connection import ServerAccess
from kubekeep.uplink.errors import ServerLoginError
from kubekeep.uplink.logins import LoginStore, StoredLogin
from kubekeep.uplink.settings import ServerVariables
from kubekeep.uplink.token import TokenSource


class ServerOptions(msgspec.Struct, frozen=True, kw_only=True):
    """The server that a user names; empty texts if they name none.

    token_file: file with the token. authority_file: PEM certificates to trust beside those of the system. plain_http: permit an
    address without TLS.
    """

    server: str = ""
    token_file: str = ""
    authority_file: str = ""
    plain_http: bool = False


class SelectedServer(msgspec.Struct, frozen=True):
    """A server with the source of the token for it."""

    access: ServerAccess
    token: TokenSource


def select_server(options: ServerOptions, variables: ServerVariables, folder: Path | None) -> SelectedServer:
    """Return the server to use. folder: of the stored logins; None without one.

    A token in a variable belongs to KUBEKEEP_SERVER and is never sent to another server. Raises ServerAddressError for an
    invalid address, and ServerLoginError without a server or without a usable token.
    """
    store = None if folder is None else LoginStore(folder)
    address = options.server or variables.server
    login = None
    if not address:
        login = None if store is None else store.find_default()
        if login is None:
            raise ServerLoginError(
                "no server: use --server URL, set KUBEKEEP_SERVER, or run `kubekeep login --server URL`"
            )
        address = login.server
    # A stored login has an address that the user has permitted.
    address = parse_server_address(address, plain_http=options.plain_http or login is not None)
    if store is not None and login is None:
        login = store.find(address)
    authority_file = options.authority_file or ("" if login is None else login.authority_file)
    token = _select_token(address, options, variables, login)
    token.read()
    return SelectedServer(ServerAccess(address=address, authority_file=authority_file), token)


def _select_token(
    address: str, options: ServerOptions, variables: ServerVariables, login: StoredLogin | None
) -> TokenSource:
    if options.token_file:
        return TokenSource(file=options.token_file)
    is_for_server = not variables.server or parse_server_address(variables.server, plain_http=True) == address
    if is_for_server and variables.token:
        return TokenSource(token=variables.token)
    if is_for_server and variables.token_file:
        return TokenSource(file=variables.token_file)
    if login is not None:
        return TokenSource(token=login.token)
    raise ServerLoginError(
        f"no token for {address}: run `kubekeep login --server {address}`, use --token-file FILE, or set KUBEKEEP_TOKEN"
    )
