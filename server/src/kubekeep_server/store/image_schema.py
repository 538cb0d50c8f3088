"""Tables of images, the same metadata as `store.schema`. Contains no query.

An image is stored once, whichever sources have it: its problems, its packages and its totals. The digest of the image is the
first part of each key, so that the tables can be distributed by it.
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
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    null,
)

from kubekeep_server.store.schema import BY_KEY, add_partial_index, metadata, source_column
from kubekeep_server.store.urgency import SEVERITIES, URGENCIES

BY_URGENCY: Final = tuple(f"urgency_{number}" for number in range(URGENCIES))
BY_LEVEL: Final = tuple(f"level_{number}" for number in range(len(SEVERITIES)))
COUNTS: Final = (*BY_URGENCY, *BY_LEVEL)
"""Names of the columns of `image` with numbers of problems, which `urgency.count_levels` reads."""


def _image() -> Column[int]:
    return Column("image", Integer, ForeignKey("image.id"), primary_key=True)


image: Final = Table(
    "image",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("digest", Text, nullable=False, unique=True),
    Column("platform", Text, nullable=False),
    Column("distribution", Text, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("sources", Integer, nullable=False),
    Column("exposure", SmallInteger, nullable=False),
    Column("workloads", Integer, nullable=False),
    Column("exposed_workloads", Integer, nullable=False),
    Column("fixable", Integer, nullable=False),
    *(Column(name, Integer, nullable=False) for name in COUNTS),
)
"""An image, by the digest of its manifest. distribution: its operating system, such as `debian 12`; empty if it is not known. created: the time at which it was first submitted. sources: those that have it.

exposure: the highest of the workloads that run it. fixable: open problems that a newer version of a package fixes, as the last columns
count them. The last columns: open problems that no exception covers, those of several
packages once: vulnerabilities by urgency, as their levels follow from the exposure of the image in a scope, and other problems by level.
"""

source_image: Final = Table(
    "source_image",
    metadata,
    source_column(),
    _image(),
    Column("subject", BigInteger, nullable=False),
    Column("report", LargeBinary, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Column("exposure", SmallInteger, nullable=False),
    Column("workloads", Integer, nullable=False),
    Column("exposed_workloads", Integer, nullable=False),
    **BY_KEY,
)
"""An image of a source. subject: 0 if it is only run. report, content: of the image, as the source has submitted them; empty
without any. exposure: the highest of its workloads.
"""
Index("source_image_image", source_image.c.image, source_image.c.source)

image_report: Final = Table(
    "image_report",
    metadata,
    _image(),
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The problems of an image as one or more sources have submitted them: `ImageReport` in MessagePack and Zstandard."""

image_content: Final = Table(
    "image_content",
    metadata,
    _image(),
    Column("digest", LargeBinary, primary_key=True),
    Column("content", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The packages of an image as one or more sources have submitted them: `ImagePackages` in JSON and Zstandard."""

runs: Final = Table(
    "runs",
    metadata,
    source_column(),
    Column("subject", BigInteger, primary_key=True),
    Column("container", Text, primary_key=True),
    Column("image", Integer, ForeignKey("image.id"), primary_key=True),
    Column("exposure", SmallInteger, nullable=False),
    **BY_KEY,
)
"""A container of a workload with the image that it runs."""
Index("runs_image", runs.c.image, runs.c.exposure, runs.c.source)
Index("runs_exposure", runs.c.exposure, runs.c.source, runs.c.subject, runs.c.container, runs.c.image)

failed_scan: Final = Table(
    "failed_scan",
    metadata,
    source_column(),
    Column("subject", BigInteger, primary_key=True),
    Column("container", Text, primary_key=True),
    Column("image", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("moment", BigInteger, nullable=False),
    **BY_KEY,
)
"""The last scan of a container's image, if it failed. image: reference, or a digest."""

repository: Final = Table(
    "repository",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("name", Text, nullable=False, unique=True),
)
"""A repository of images, such as `ghcr.io/shop/web`."""

image_name: Final = Table(
    "image_name",
    metadata,
    _image(),
    Column("reference", Text, primary_key=True),
    Column("repository", Integer, ForeignKey("repository.id"), nullable=False),
    **BY_KEY,
)
"""A name of an image, such as `ghcr.io/shop/web:1`."""
Index("image_name_repository", image_name.c.repository, image_name.c.image)

package_name: Final = Table(
    "package_name",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("type", Text, nullable=False),
    Column("name", Text, nullable=False),
    UniqueConstraint("name", "type"),
)
"""A package without its version. type: of its package URL. name: with its namespace, such as `org.slf4j/slf4j-api`."""

package: Final = Table(
    "package",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("purl", Text, nullable=False, unique=True),
    Column("name", Integer, ForeignKey("package_name.id"), nullable=False),
    Column("version", Text, nullable=False),
)
"""A package by its package URL; the empty one for a problem without a package."""
Index("package_by_name", package.c.name)

image_package: Final = Table(
    "image_package",
    metadata,
    _image(),
    Column("package", Integer, ForeignKey("package.id"), primary_key=True),
    **BY_KEY,
)
"""A package in an image."""
Index("image_package_package", image_package.c.package, image_package.c.image)

image_finding: Final = Table(
    "image_finding",
    metadata,
    Column("image", Integer, ForeignKey("image.id"), nullable=False),
    Column("definition", Integer, ForeignKey("definition.id"), nullable=False),
    Column("package", Integer, ForeignKey("package.id"), nullable=False),
    Column("fixed_version", Text, nullable=False),
    Column("is_suppressed", Boolean, nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
    Column("unknown_since", BigInteger),
    Column("decision", Integer),
)
"""An interval in which a problem of an image is open. Columns as in `finding`. decision: the one that covers it."""
add_partial_index(
    "image_finding_decision",
    image_finding.c.decision,
    where=image_finding.c.closed.is_(null()) & image_finding.c.decision.is_not(null()),
)
add_partial_index(
    "image_finding_open",
    image_finding.c.image,
    image_finding.c.definition,
    image_finding.c.package,
    unique=True,
    where=image_finding.c.closed.is_(null()),
)
add_partial_index(
    "image_finding_definition",
    image_finding.c.definition,
    image_finding.c.image,
    where=image_finding.c.closed.is_(null()),
)
add_partial_index(
    "image_finding_opened",
    image_finding.c.opened,
    where=image_finding.c.closed.is_(null()),
)
add_partial_index(
    "image_finding_closed_at",
    image_finding.c.closed,
    where=image_finding.c.closed.is_not(null()),
)

image_problems: Final = Table(
    "image_problems",
    metadata,
    _image(),
    Column("content", LargeBinary, nullable=False),
    **BY_KEY,
)
"""The open problems of an image that no exception covers, packed by `_native.pack_problems`, so that those of all images can be
summed in a request.
"""

fixed_version: Final = Table(
    "fixed_version",
    metadata,
    Column("id", Integer, primary_key=True),
    Column("text", Text, nullable=False, unique=True),
)
"""A version of a package that fixes a problem."""

repository_finding: Final = Table(
    "repository_finding",
    metadata,
    Column("repository", Integer, ForeignKey("repository.id"), nullable=False),
    Column("definition", Integer, ForeignKey("definition.id"), nullable=False),
    Column("name", Integer, ForeignKey("package_name.id"), nullable=False),
    Column("opened", BigInteger, nullable=False),
    Column("closed", BigInteger),
)
"""An interval in which an image of a repository that a source has had a problem in a package, so that a new build of the
image with the same problem neither closes nor opens anything.
"""
add_partial_index(
    "repository_finding_open",
    repository_finding.c.repository,
    repository_finding.c.definition,
    repository_finding.c.name,
    unique=True,
    where=repository_finding.c.closed.is_(null()),
)
add_partial_index(
    "repository_finding_closed",
    repository_finding.c.repository,
    where=repository_finding.c.closed.is_not(null()),
)
add_partial_index(
    "repository_finding_closed_at",
    repository_finding.c.closed,
    where=repository_finding.c.closed.is_not(null()),
)
