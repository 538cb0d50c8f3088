"""Enrolment of clusters: a one-time token, then tokens of one hour that renew themselves."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

from sqlalchemy import Connection, delete, func, insert, select, update

from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.identity_schema import api_token, enrolment, role_grant
from kubekeep_server.store.numbers import to_number
from kubekeep_server.store.organisation_log import append_entry
from kubekeep_server.store.schema import source
from kubekeep_server.store.tokens import insert_token

LIFETIME: Final = dt.timedelta(minutes=15)
CREDENTIAL_LIFETIME: Final = dt.timedelta(hours=1)
_RENEWABLE: Final = dt.timedelta(days=30)
"""Time after its end in which the last token of a cluster can be renewed: the server may have been away."""


class ClusterMismatchError(ValueError):
    """A cluster that an enrolment is not for."""


def create_enrolment(connection: Connection, digest: bytes, cluster: str | None, now: dt.datetime, actor: str) -> None:
    """Store a one-time token. cluster: key of the source; None for one that is not known yet."""
    values = {"digest": digest, "creator": actor, "expires": to_number(now + LIFETIME), "source": cluster}
    connection.execute(insert(enrolment), [values])
    append_entry(connection, now, actor, "created enrolment", source=cluster or "a new cluster")


def redeem_enrolment(connection: Connection, digest: bytes, cluster: str, token: bytes, now: dt.datetime) -> None:
    """Create the first token of a cluster.

    Raises LookupError for a token that is not valid or was used, ClusterMismatchError for a cluster that it is not for.
    """
    moment = to_number(now)
    row = connection.execute(select(enrolment).where(enrolment.c.digest == digest).with_for_update()).first()
    if row is None or row.redeemed is not None or not moment < row.expires <= to_number(now + LIFETIME):
        raise LookupError("the enrolment token is not valid; it can be used once, within 15 minutes")
    if row.source is None and _is_known(connection, cluster):
        raise ClusterMismatchError(f"{cluster} is known; create an enrolment for this cluster")
    if row.source not in (None, cluster):
        raise ClusterMismatchError(f"the enrolment is not for {cluster}")
    statement = update(enrolment).where(enrolment.c.digest == digest)
    connection.execute(statement.values(source=cluster, redeemed=moment))
    _insert_token(connection, digest, cluster, token, now)
    append_entry(connection, now, row.creator, "enrolled cluster", source=cluster)


def renew_credential(connection: Connection, digest: bytes, token: bytes, now: dt.datetime) -> None:
    """Create the next token of a cluster. An earlier one stays valid until its end, as the answer may be lost.

    Raises LookupError for a token that cannot be renewed: of no enrolment, revoked, or expired and not the last one.
    """
    moment = to_number(now)
    query = (
        select(api_token, enrolment.c.source)
        .join(enrolment, enrolment.c.digest == api_token.c.enrolment)
        .where(api_token.c.digest == digest, api_token.c.revoked.is_(None), enrolment.c.revoked.is_(None))
    )
    row = connection.execute(query).first()
    if row is None or not _is_renewable(connection, row, moment, to_number(now - _RENEWABLE)):
        raise LookupError("the credential cannot be renewed; enrol the cluster again")
    _delete_expired(connection, row.enrolment, row.id, moment)
    _insert_token(connection, row.enrolment, row.source, token, now)


def _is_renewable(connection: Connection, row: Any, moment: int, earliest: int) -> bool:
    last = select(func.max(api_token.c.id)).where(api_token.c.enrolment == row.enrolment)
    return bool(row.expires > moment or (row.expires > earliest and row.id == connection.execute(last).scalar_one()))


def _is_known(connection: Connection, cluster: str) -> bool:
    enrolled = select(enrolment.c.digest).where(enrolment.c.source == cluster, enrolment.c.redeemed.is_not(None))
    submitted = select(source.c.id).where(source.c.key == cluster)
    return any(connection.execute(query.limit(1)).first() is not None for query in (enrolled, submitted))


def _delete_expired(connection: Connection, digest: bytes, kept: int, moment: int) -> None:
    """Delete earlier tokens of a cluster, so that it has few rows."""
    expired = select(api_token.c.id).where(
        api_token.c.enrolment == digest, api_token.c.expires <= moment, api_token.c.id != kept
    )
    numbers = list(connection.execute(expired).scalars())
    connection.execute(delete(role_grant).where(role_grant.c.token.in_(numbers)))
    connection.execute(delete(api_token).where(api_token.c.id.in_(numbers)))


def _insert_token(connection: Connection, digest: bytes, cluster: str, token: bytes, now: dt.datetime) -> None:
    values = {
        "digest": token,
        "name": f"agent of {cluster}",
        "enrolment": digest,
        "created": to_number(now),
        "expires": to_number(now + CREDENTIAL_LIFETIME),
    }
    insert_token(connection, values, (Grant(Role.AGENT, cluster),))
