"""Users of an OpenID provider: created at their first sign-in, with the rights of their groups beside those of their own."""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, insert, select, update

from kubekeep_server.identity import Grant, Identity
from kubekeep_server.store.grants import load_account_grants, store_grants
from kubekeep_server.store.identity_schema import account
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.sessions import open_session


def open_external_session(
    connection: Connection, user: tuple[str, str, str], grants: Sequence[Grant], digest: bytes, now: dt.datetime
) -> Identity | None:
    """Open a session of a user, and return its identity; None for a user without rights.

    user: issuer and subject, which identify the user, and the name. grants: of the groups; they replace those of earlier
    groups, and are kept beside the grants that an administrator gave. Raises LookupError for a disabled user.
    """
    issuer, subject, name = user
    query = select(account).where(account.c.issuer == issuer, account.c.subject == subject)
    row = connection.execute(query).first() or _create(connection, user, now)
    if row.name != name:
        connection.execute(update(account).where(account.c.id == row.id).values(name=name))
        append_entry(connection, now, name, "renamed by provider", id=row.id, before=row.name)
    before = load_account_grants(connection, row.id)
    store_grants(connection, grants, account=row.id, is_of_groups=True)
    after = load_account_grants(connection, row.id)
    if before != after:
        rights = [f"{grant.role} {grant.scope}" for grant in after]
        append_entry(connection, now, name, "changed rights by groups", id=row.id, grants=rights)
    return open_session(connection, digest, row.id, now) if after else None


def _create(connection: Connection, user: tuple[str, str, str], now: dt.datetime) -> Any:
    issuer, subject, name = user
    values = {"issuer": issuer, "subject": subject, "name": name, "is_enabled": True, "created": to_number(now)}
    row = connection.execute(insert(account).values(**values).returning(*account.c)).one()
    append_entry(connection, now, name, "created user by provider", id=row.id, issuer=issuer, subject=subject)
    return row
