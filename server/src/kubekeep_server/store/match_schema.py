"""Tables of the server's own matches of packages with advisories, the same metadata as `store.schema`. Contains no query."""

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
)

from kubekeep_server.store.schema import BY_KEY, metadata

advisory_state: Final = Table(
    "advisory_state",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("tokens", Text, nullable=False),
    Column("ecosystems", Text, nullable=False),
    Column("changed", BigInteger),
    Column("updated", BigInteger),
    Column("error", Text, nullable=False),
    Column("failed", BigInteger),
)
"""The advisory database that images are matched with: one row. version: counts its changes. tokens: JSON, the state of each
ecosystem that `pending_match` includes. ecosystems: JSON, `EcosystemState` of each. changed: time of the version. updated: time
of the last update without an error. error, failed: of the last update or match that failed; empty after one that did not.
"""

advisory_name: Final = Table(
    "advisory_name",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("ecosystem", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("ecosystem", "name"),
)
"""A name under which advisories of an ecosystem may list packages, normalised, such as that of a source package."""

package_advisory: Final = Table(
    "package_advisory",
    metadata,
    Column("package", Integer, ForeignKey("package.id"), primary_key=True),
    Column("name", Integer, ForeignKey("advisory_name.id"), primary_key=True),
    **BY_KEY,
)
"""A name of a package in advisories, in any distribution that an image with it has."""
Index("package_advisory_name", package_advisory.c.name, package_advisory.c.package)

pending_match: Final = Table(
    "pending_match",
    metadata,
    Column("image", Integer, ForeignKey("image.id"), primary_key=True),
    Column("name", Integer, primary_key=True),
    **BY_KEY,
)
"""An image whose packages with a name (`advisory_name`) are to be matched; 0 for all its packages."""

image_match: Final = Table(
    "image_match",
    metadata,
    Column("image", Integer, ForeignKey("image.id"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("is_incomplete", Boolean, nullable=False),
    Column("content", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The result of matching an image: `ImageMatch` in MessagePack and Zstandard. version: of the advisory database that changed it
last. is_incomplete: True if a problem is open of whose package nothing is known now.
"""
