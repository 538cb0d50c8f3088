"""One image: the changes that fix its problems, its layers and packages, and the other images of its repositories."""

from __future__ import annotations

import collections
from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Connection, func, select

from kubekeep.images.package_url import format_package_url
from kubekeep.model.definition import FindingKind
from kubekeep.model.image import trim_tag
from kubekeep_server.store.image_reports import load_contents
from kubekeep_server.store.image_schema import image, image_finding, image_name, package, package_name
from kubekeep_server.store.packages import NO_PACKAGE
from kubekeep_server.store.queries.affected import load_references
from kubekeep_server.store.queries.image_lists import ImageRow, describe_image, describe_images, select_images
from kubekeep_server.store.queries.packages import read_versions
from kubekeep_server.store.queries.pages import DEFAULT_LIMIT, Document, Page, cut_page, read_cursor
from kubekeep_server.store.schema import definition
from kubekeep_server.store.scopes import Scope, select_uses, shows_image
from kubekeep_server.store.urgency import LEVELS, SEVERITY_NAMES

_SYSTEM_TYPES: Final = frozenset({"alpm", "apk", "deb", "rpm"})
"""Types of the packages of an operating system, which come from the base image or from a step of the build."""
_MOST_CHANGES: Final = 200
_MOST_OTHERS: Final = 20


class ImageChange(Document, frozen=True):
    """An upgrade of a package. versions: installed ones. fixed_version: the lowest one without its fixable problems.

    problems: those that concern the package. priority: level of the most urgent one. is_system: True for a package of the
    operating system.
    """

    type: str
    name: str
    versions: tuple[str, ...]
    fixed_version: str
    problems: int
    priority: str
    is_system: bool


class ImageLayer(Document, frozen=True):
    """A layer that proves packages. digest: of its content (diff id); empty if it is not known."""

    digest: str
    packages: int
    problems: int


class CoveringDecision(Document, frozen=True):
    """A decision that covers problems of the image, by its number."""

    decision: int
    problems: int


class ImagePage(ImageRow, frozen=True):
    """An image with what changes it.

    repositories: of its names. total: open problems that neither an exception nor a decision covers. system_fixable: those that newer packages of the operating system
    remove. changes: the most effective first, at most 200. layers: in no order, as scans do not submit it. others: images of the same repositories,
    the newest first, at most 20.
    """

    repositories: tuple[str, ...]
    total: int
    system_fixable: int
    changes: tuple[ImageChange, ...]
    layers: tuple[ImageLayer, ...]
    decisions: tuple[CoveringDecision, ...]
    others: tuple[ImageRow, ...]


class ImagePackageRow(Document, frozen=True):
    """A package of an image. path, layer: of the first file that proves it. problems: open ones, covered ones included."""

    purl: str
    type: str
    name: str
    version: str
    licences: tuple[str, ...]
    path: str
    layer: str
    problems: int


def get_image(connection: Connection, scope: Scope, digest: str) -> ImagePage:
    """Return an image. Raises LookupError if none is in the scope."""
    uses = select_uses(scope).subquery()
    row = connection.execute(select_images(uses).where(image.c.digest == digest)).first()
    if row is None:
        raise LookupError(f"there is no image {digest}")
    problems = _load_problems(connection, row.id)
    counted = [problem for problem in problems if not problem.is_suppressed]
    references = load_references(connection, [row.id]).get(row.id, ())
    others = _list_others(connection, scope, row.id)
    covered = collections.Counter(
        number for number, _ in {(problem.decision, problem.definition) for problem in problems} if number is not None
    )
    return ImagePage(
        **describe_image(row, references),
        repositories=tuple(sorted({trim_tag(reference) for reference in references})),
        total=len({problem.definition for problem in counted}),
        system_fixable=_count_system_fixes(counted),
        changes=tuple(_list_changes(counted, row.used_exposure)),
        layers=tuple(_list_layers(connection, row.id, counted)),
        decisions=tuple(CoveringDecision(*pair) for pair in sorted(covered.items())),
        others=tuple(describe_images(connection, others)),
    )


def list_image_packages(
    connection: Connection, scope: Scope, digest: str, text: str = "", cursor: str = "", limit: int = DEFAULT_LIMIT
) -> Page[ImagePackageRow]:
    """Return a page of the packages of an image whose name contains a text, by name. Raises LookupError."""
    number = connection.execute(select(image.c.id).where(image.c.digest == digest, shows_image(scope))).scalar()
    if number is None:
        raise LookupError(f"there is no image {digest}")
    after = read_cursor(cursor, "image packages", tuple[str, str]) or ("", "")
    packages = {
        (one.name, format_package_url(one)): one
        for _, content in load_contents(connection, [number])
        for one in content.packages
        if text.lower() in one.name.lower()
    }
    keys, following = cut_page(
        sorted(key for key in packages if key > after)[: limit + 1], limit, "image packages", tuple
    )
    counts = _count_by_package(connection, number, [purl for _, purl in keys])
    rows = []
    for key in keys:
        one = packages[key]
        location = one.locations[0] if one.locations else None
        rows.append(
            ImagePackageRow(
                key[1],
                one.type,
                "/".join(filter(None, (one.namespace, one.name))),
                one.version,
                one.licences,
                location.path if location else "",
                location.layer if location else "",
                counts.get(key[1], 0),
            )
        )
    return Page(tuple(rows), following)


def _load_problems(connection: Connection, number: int) -> Sequence[Any]:
    """Return the open problems of an image, one row a package with it."""
    table = image_finding
    query = (
        select(table.c.definition, table.c.fixed_version, table.c.is_suppressed, table.c.decision)
        .add_columns(definition.c.kind, definition.c.urgency, package.c.purl, package.c.version)
        .add_columns(package_name.c.type, package_name.c.name)
        .join(definition, definition.c.id == table.c.definition)
        .join(package, package.c.id == table.c.package)
        .join(package_name, package_name.c.id == package.c.name)
        .where(table.c.image == number, table.c.closed.is_(None))
    )
    return connection.execute(query).all()


def _count_system_fixes(problems: Iterable[Any]) -> int:
    """Return the number of definitions that newer packages of the operating system remove."""
    removed: dict[int, bool] = {}
    for problem in problems:
        is_fixed = bool(problem.fixed_version) and problem.type in _SYSTEM_TYPES
        removed[problem.definition] = removed.get(problem.definition, True) and is_fixed
    return sum(removed.values())


def _list_changes(problems: Iterable[Any], exposure: int) -> list[ImageChange]:
    """Return the upgrades of packages. exposure: of the image."""
    groups: dict[tuple[str, str], list[Any]] = {}
    for problem in problems:
        if problem.fixed_version:
            groups.setdefault((problem.type, problem.name), []).append(problem)
    changes = []
    for (kind, name), group in groups.items():
        versions = {problem.fixed_version for problem in group}
        keys = read_versions(kind, versions)
        levels = (
            LEVELS[exposure if problem.kind == FindingKind.VULNERABILITY else 0][problem.urgency] for problem in group
        )
        change = ImageChange(
            kind,
            name,
            tuple(sorted({problem.version for problem in group})),
            max(keys, key=keys.__getitem__) if len(keys) == len(versions) else ", ".join(sorted(versions)),
            len({problem.definition for problem in group}),
            SEVERITY_NAMES[max(levels)],
            kind in _SYSTEM_TYPES,
        )
        changes.append(change)
    changes.sort(key=lambda change: (-SEVERITY_NAMES.index(change.priority), -change.problems, change.name))
    return changes[:_MOST_CHANGES]


def _list_layers(connection: Connection, number: int, problems: Iterable[Any]) -> list[ImageLayer]:
    layers = {
        format_package_url(one): one.locations[0].layer if one.locations else ""
        for _, content in load_contents(connection, [number])
        for one in content.packages
    }
    packages = collections.Counter(layers.values())
    affected: dict[str, set[int]] = {}
    for problem in problems:
        if problem.purl != NO_PACKAGE:
            affected.setdefault(layers.get(problem.purl, ""), set()).add(problem.definition)
    rows = [ImageLayer(digest, count, len(affected.get(digest, ()))) for digest, count in packages.items()]
    return sorted(rows, key=lambda layer: (-layer.problems, -layer.packages, layer.digest))


def _list_others(connection: Connection, scope: Scope, number: int) -> Sequence[Any]:
    """Return the other images of the repositories of an image, the newest first."""
    repositories = select(image_name.c.repository).where(image_name.c.image == number)
    same = select(image_name.c.image).where(image_name.c.repository.in_(repositories))
    query = select_images(select_uses(scope).subquery()).where(image.c.id.in_(same), image.c.id != number)
    return connection.execute(query.order_by(image.c.created.desc(), image.c.id.desc()).limit(_MOST_OTHERS)).all()


def _count_by_package(connection: Connection, number: int, purls: Iterable[str]) -> dict[str, int]:
    """Return the numbers of open problems of packages of an image by package URL."""
    table = image_finding
    query = (
        select(package.c.purl, func.count(table.c.definition.distinct()))
        .join(package, package.c.id == table.c.package)
        .where(table.c.image == number, table.c.closed.is_(None), package.c.purl.in_(sorted(purls)))
        .group_by(package.c.purl)
    )
    counts: dict[str, int] = dict(connection.execute(query).all())
    return counts
