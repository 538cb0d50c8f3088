"""Tables of decisions, the same metadata as `store.schema`. Contains no query.

What decisions cover is in other tables: `finding.decision` and `image_finding.decision` for single findings, and
`definition_total.covered` for all findings of a definition in a source.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import BigInteger, Boolean, Column, ForeignKey, Index, Integer, Table, Text, null

from kubekeep.model.decision import DecisionScope
from kubekeep_server.store.schema import BY_KEY, add_partial_index, metadata

decode_scope: Final = msgspec.json.Decoder(DecisionScope).decode
"""Return the scope in `decision.scope`."""
decode_links: Final = msgspec.json.Decoder(tuple[str, ...]).decode
"""Return the addresses in `decision.links`."""
decision: Final = Table(
    "decision",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("scope", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("is_wide", Boolean, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("links", Text, nullable=False, server_default="[]"),
    Column("author", Text, nullable=False),
    Column("author_account", Integer, ForeignKey("account.id")),
    Column("approver", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("changed", BigInteger, nullable=False),
    Column("due", BigInteger),
    Column("expires", BigInteger, nullable=False),
    Column("images_after", Integer),
    Column("is_announced", Boolean, nullable=False),
)
"""A decision. scope: JSON of `DecisionScope`. links: JSON of addresses. source: the key of the only source of the scope; empty for several or all.

is_wide: it covers all findings of its definitions in its sources. author, approver: names at that time; the approver is empty
before somebody approves or rejects. author_account: NULL for a program. changed: the time of the last change of its state. expires: the first moment
at which it no longer counts. images_after: the number of the last image whose problems follow from its state; NULL if all do.
is_announced: an event has announced its end.
"""
Index("decision_state", decision.c.state, decision.c.expires)
add_partial_index("decision_images", decision.c.images_after, where=decision.c.images_after.is_not(null()))

decision_definition: Final = Table(
    "decision_definition",
    metadata,
    Column("definition", Integer, ForeignKey("definition.id"), primary_key=True),
    Column("decision", Integer, ForeignKey("decision.id"), primary_key=True),
    **BY_KEY,
)
"""The definitions of a decision."""
Index("decision_definition_decision", decision_definition.c.decision)

decision_comment: Final = Table(
    "decision_comment",
    metadata,
    Column("decision", Integer, ForeignKey("decision.id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("author", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    Column("text", Text, nullable=False),
    **BY_KEY,
)
"""A comment on a decision, or a change of its state."""
