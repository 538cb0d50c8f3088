"""Tables of notifications, the same metadata as `store.schema`. Contains no query.

Times are microseconds since 1970, UTC. Numbers of events and deliveries are never used again.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, LargeBinary, Table, Text, null

from kubekeep_server.store.schema import BY_KEY, add_partial_index, metadata

outbox: Final = Table(
    "outbox",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("source", Integer),
    Column("moment", BigInteger, nullable=False),
    Column("content", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("evaluated", BigInteger),
    sqlite_autoincrement=True,
)
"""An event, written in the transaction that changed the state. source: NULL for one of several sources or of none.

moment: the time of the intervals that it opened and closed. content: `outbox.EventContent` in JSON. evaluated: NULL until the
rules were compared with it.
"""
add_partial_index("outbox_pending", outbox.c.id, where=outbox.c.evaluated.is_(null()))
Index("outbox_created", outbox.c.created)

destination: Final = Table(
    "destination",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("kind", Text, nullable=False),
    Column("settings", Text, nullable=False),
    Column("secrets", LargeBinary),
    Column("author", Text, nullable=False),
    Column("account", Integer, ForeignKey("account.id")),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""A receiver of messages. settings: a JSON object. secrets: another one, encrypted; NULL without any."""

notification_rule: Final = Table(
    "notification_rule",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("destination", Integer, ForeignKey("destination.id"), nullable=False),
    Column("is_enabled", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    Column("author", Text, nullable=False),
    Column("account", Integer, ForeignKey("account.id")),
    Column("token", Integer, ForeignKey("api_token.id")),
    Column("created", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)
"""A rule. document: `notification_rules.RuleDocument` in JSON. account, token: of the author, whose scope limits the messages."""
Index("notification_rule_destination", notification_rule.c.destination)

delivery: Final = Table(
    "delivery",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("rule", Integer, ForeignKey("notification_rule.id")),
    Column("destination", Integer, ForeignKey("destination.id"), nullable=False),
    Column("event", Text, nullable=False),
    Column("source", Integer),
    Column("definition", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("due", BigInteger, nullable=False),
    Column("leased", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("title", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("ended", BigInteger),
    sqlite_autoincrement=True,
)
"""A message to a destination, which is written when it is sent. key: what makes it unique. rule: NULL for a test message.

source, definition: that it is about; NULL and empty for several. due: the time of the next attempt. leased: the end of the claim of
a process. attempts: that have begun. title, error: of the last one.
"""
Index("delivery_due", delivery.c.state, delivery.c.due)
Index("delivery_group", delivery.c.rule, delivery.c.event, delivery.c.source, delivery.c.definition, delivery.c.created)
Index("delivery_destination", delivery.c.destination, delivery.c.leased)

delivery_event: Final = Table(
    "delivery_event",
    metadata,
    Column("delivery", Integer, ForeignKey("delivery.id"), primary_key=True),
    Column("event", Integer, ForeignKey("outbox.id"), primary_key=True),
    **BY_KEY,
)
"""An event that a message is about."""
Index("delivery_event_event", delivery_event.c.event)
