"""Tables of users, tokens, sessions and the log of the organisation. Contains no query.

Secrets are stored as their SHA-256, passwords by argon2id. Times are microseconds since 1970, UTC.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    false,
)

from kubekeep_server.store.schema import BY_KEY, metadata

account: Final = Table(
    "account",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("issuer", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("password", Text),
    Column("is_enabled", Boolean, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("signed_in", BigInteger),
    UniqueConstraint("issuer", "subject"),
)
"""A user. issuer, subject: of OpenID Connect; a local user has no issuer, and the name as the subject.

signed_in: the last time; NULL before the first.
"""

api_token: Final = Table(
    "api_token",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("name", Text, nullable=False),
    Column("account", Integer, ForeignKey("account.id")),
    Column("enrolment", LargeBinary, ForeignKey("enrolment.digest")),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("revoked", BigInteger),
)
"""A token. account: of the user it acts for, with the grants of the user if it has none; NULL for a program. enrolment: of a cluster that renews its tokens."""

role_grant: Final = Table(
    "role_grant",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("account", Integer, ForeignKey("account.id")),
    Column("token", Integer, ForeignKey("api_token.id")),
    Column("role", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("namespaces", Text, nullable=False),
    Column("is_of_groups", Boolean, nullable=False, server_default=false()),
)
"""A role of a user or of a token, in a scope. namespaces: a JSON array.

is_of_groups: the groups of the user at an OpenID provider gave it, at the last sign-in.
"""
Index("role_grant_account", role_grant.c.account)
Index("role_grant_token", role_grant.c.token)

session: Final = Table(
    "session",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("account", Integer, ForeignKey("account.id"), nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    **BY_KEY,
)
"""A session of a browser. used: the last minute in which it was used."""
Index("session_account", session.c.account)
Index("session_expires", session.c.expires)

sign_in_link: Final = Table(
    "sign_in_link",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("account", Integer, ForeignKey("account.id"), nullable=False),
    Column("expires", BigInteger, nullable=False),
    **BY_KEY,
)
"""A link for one sign-in; deleted by it."""

attempt: Final = Table(
    "attempt",
    metadata,
    Column("key", Text, primary_key=True),
    Column("start", BigInteger, primary_key=True),
    Column("number", Integer, nullable=False),
    **BY_KEY,
)
"""Numbers of attempts with a wrong secret, by the name or the address, in an interval of time."""

device_login: Final = Table(
    "device_login",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("user_code", Text, nullable=False, unique=True),
    Column("client", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("polled", BigInteger, nullable=False),
    Column("is_denied", Boolean, nullable=False),
    Column("account", Integer, ForeignKey("account.id")),
    **BY_KEY,
)
"""A login of a device (RFC 8628) by the SHA-256 of its device code. account: of the user who answered."""

enrolment: Final = Table(
    "enrolment",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("creator", Text, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Column("source", Text),
    Column("redeemed", BigInteger),
    Column("revoked", BigInteger),
    **BY_KEY,
)
"""A one-time token for one cluster. source: its key; NULL for a new cluster before the token is redeemed."""

organisation_log: Final = Table(
    "organisation_log",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("moment", BigInteger, nullable=False),
    Column("entry", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
)
"""The log of changes of users and rights. digest: SHA-256 of the digest before it and the entry."""
