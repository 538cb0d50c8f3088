"""API tokens: creation, look-up by the digest of their secret, and revocation."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Connection, insert, or_, select, update

from kubekeep_server.identity import Grant, Identity
from kubekeep_server.store.grants import load_account_grants, load_token_grants, store_grants
from kubekeep_server.store.identity_schema import account, api_token, enrolment
from kubekeep_server.store.numbers import to_moment, to_number
from kubekeep_server.store.organisation_log import append_entry


def create_token(
    connection: Connection,
    digest: bytes,
    name: str,
    grants: Iterable[Grant],
    *,
    now: dt.datetime,
    expires: dt.datetime,
    actor: str,
    owner: int | None = None,
) -> int:
    """Store a token and return its number. owner: the user it acts for."""
    grants = tuple(grants)
    values = {
        "digest": digest,
        "name": name,
        "account": owner,
        "created": to_number(now),
        "expires": to_number(expires),
    }
    token = insert_token(connection, values, grants)
    rights = [f"{grant.role} {grant.scope}" for grant in grants]
    append_entry(connection, now, actor, "created token", id=token, name=name, grants=rights)
    return token


def insert_token(connection: Connection, values: dict[str, Any], grants: Iterable[Grant]) -> int:
    """Insert a row with its grants, without an entry in the log; return its number."""
    token = connection.execute(insert(api_token).values(**values).returning(api_token.c.id)).scalar_one()
    store_grants(connection, grants, token=token)
    return int(token)


def find_token(connection: Connection, digest: bytes, now: dt.datetime) -> Identity | None:
    """Return the identity of a valid token.

    A token is not valid after its end or revocation, and while its user is disabled or its enrolment revoked.
    """
    query = (
        select(api_token)
        .outerjoin(account, account.c.id == api_token.c.account)
        .outerjoin(enrolment, enrolment.c.digest == api_token.c.enrolment)
        .where(
            api_token.c.digest == digest,
            api_token.c.revoked.is_(None),
            api_token.c.expires > to_number(now),
            or_(account.c.id.is_(None), account.c.is_enabled),
            enrolment.c.revoked.is_(None),
        )
    )
    row = connection.execute(query).first()
    if row is None:
        return None
    return Identity(
        name=row.name,
        key=digest,
        grants=_load_grants(connection, row),
        expires=to_moment(row.expires),
        account=row.account,
    )


def _load_grants(connection: Connection, row: Any) -> tuple[Grant, ...]:
    """Return the grants of a token; those that its user has now, if it has none."""
    grants = load_token_grants(connection, row.id)
    return grants if grants or row.account is None else load_account_grants(connection, row.account)


def list_tokens(connection: Connection) -> list[tuple[Any, tuple[Grant, ...]]]:
    """Return the tokens that are not revoked, with their grants, the newest first."""
    query = select(api_token).where(api_token.c.revoked.is_(None)).order_by(api_token.c.id.desc())
    return [(row, _load_grants(connection, row)) for row in connection.execute(query).all()]


def revoke_token(
    connection: Connection, token: int, now: dt.datetime, actor: str, may_revoke: Callable[[Grant], bool]
) -> None:
    """Revoke a token, and its enrolment. Raises LookupError if there is none whose grants all satisfy `may_revoke`."""
    row = connection.execute(select(api_token).where(api_token.c.id == token)).first()
    if row is None or row.revoked is not None or not all(map(may_revoke, _load_grants(connection, row))):
        raise LookupError(f"there is no token {token}")
    moment = to_number(now)
    connection.execute(update(api_token).where(api_token.c.id == token).values(revoked=moment))
    if row.enrolment is not None:
        connection.execute(update(enrolment).where(enrolment.c.digest == row.enrolment).values(revoked=moment))
    append_entry(connection, now, actor, "revoked token", id=token, name=row.name)
