"""Tables of frameworks and of the states of their controls, the same metadata as `store.schema`. Contains no query."""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Boolean, Column, Index, Integer, LargeBinary, SmallInteger, Table, Text

from kubekeep_server.store.schema import BY_KEY, metadata, source_column

framework: Final = Table(
    "framework",
    metadata,
    Column("key", Text, primary_key=True),
    Column("document", Text, nullable=False),
)
"""A framework of the library. document: JSON of `frameworks.FrameworkDocument`."""

library_control: Final = Table(
    "library_control",
    metadata,
    Column("key", Text, primary_key=True),
    Column("data", Text, nullable=False),
    Column("kinds", Text, nullable=False),
)
"""A control of the library, by the key of its definition. data: required for at least one verdict. kinds: JSON of those that it reads."""

source_evaluation: Final = Table(
    "source_evaluation",
    metadata,
    source_column(),
    Column("changed", BigInteger, nullable=False),
    Column("is_limited", Boolean, nullable=False),
    Column("evaluated", LargeBinary, nullable=False),
    Column("incomplete", LargeBinary, nullable=False),
    Column("unevaluated", LargeBinary, nullable=False),
    Column("states", LargeBinary, nullable=False),
    Column("gaps", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The evaluation of a source by its last scan that was not partial, and what follows from it.

changed: time of the last change of a state. is_limited: the scan left namespaces out. evaluated, incomplete: definitions that were
evaluated, and those of which a gap may hide subjects. unevaluated: numbers of subjects on which a definition was not evaluated.
states: `control_states.pack_states`. These are packed by `_native.pack_counts`. gaps: MessagePack in Zstandard of
`control_states.Gap`. A source whose last scan is too old has nothing evaluated.
"""

control_interval: Final = Table(
    "control_interval",
    metadata,
    source_column(),
    Column("definition", Integer, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("state", SmallInteger, nullable=False),
    Column("before", SmallInteger, nullable=False),
    Column("until", BigInteger),
    **BY_KEY,
)
"""An interval in which a definition has a state in a source. before: the state before. until: NULL for the last one.

Without an interval, it was not evaluated. The definition has no foreign key, as in `finding`.
"""
Index(
    "control_interval_change",
    control_interval.c.definition,
    control_interval.c.state,
    control_interval.c.before,
    control_interval.c.since,
    control_interval.c.source,
)
