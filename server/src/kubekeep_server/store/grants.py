"""Grants of users and tokens."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
from sqlalchemy import Connection, delete, insert, select

from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.identity_schema import role_grant

_decoder = msgspec.json.Decoder(tuple[str, ...])


def load_account_grants(connection: Connection, account: int) -> tuple[Grant, ...]:
    """Return the grants of a user."""
    return _load(connection, role_grant.c.account == account)


def load_token_grants(connection: Connection, token: int) -> tuple[Grant, ...]:
    """Return the grants of a token."""
    return _load(connection, role_grant.c.token == token)


def store_grants(
    connection: Connection,
    grants: Iterable[Grant],
    *,
    account: int | None = None,
    token: int | None = None,
    is_of_groups: bool = False,
) -> None:
    """Replace the grants of a token, or those of a user with the same origin.

    is_of_groups: True for those that an OpenID provider decides.
    """
    owner = role_grant.c.account == account if token is None else role_grant.c.token == token
    connection.execute(delete(role_grant).where(owner, role_grant.c.is_of_groups == is_of_groups))
    rows = [
        {
            "account": account,
            "token": token,
            "role": grant.role.value,
            "scope": grant.scope,
            "is_of_groups": is_of_groups,
            "namespaces": msgspec.json.encode(grant.namespaces).decode(),
        }
        for grant in grants
    ]
    if rows:
        connection.execute(insert(role_grant), rows)


def _load(connection: Connection, owner: object) -> tuple[Grant, ...]:
    query = select(role_grant).where(owner).order_by(role_grant.c.id)  # type: ignore[arg-type]
    return tuple(Grant(Role(row.role), row.scope, _decoder.decode(row.namespaces)) for row in connection.execute(query))
