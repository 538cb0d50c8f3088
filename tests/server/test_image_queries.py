"""Lists and pages of images: filters, orders, the changes that fix problems, and what a scope may see."""

from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest
from sqlalchemy import Connection, text

from kubekeep.model.package import Distribution, ImagePackages, Package, PackageLocation
from kubekeep.model.scanned_source import SourceCluster
from kubekeep.model.submission import ImageEntry
from kubekeep_server.identity import Grant, Role
from kubekeep_server.store.engine import upgrade
from kubekeep_server.store.queries.image_lists import ImageFilter, ImageOrder, ImageRow, list_images
from kubekeep_server.store.queries.image_pages import ImagePage, get_image, list_image_packages
from kubekeep_server.store.scopes import EVERYTHING, Scope, resolve_scope
from tests.server.conftest import Database
from tests.server.test_images import (
    BLOG,
    REBUILT,
    SHOP,
    WEB,
    build_image,
    build_scan,
    build_vulnerability,
    build_workload,
    run,
)
from tests.server.test_ingest import submit

JOBS: Final = SourceCluster("jobs")
OTHER: Final = "sha256:" + "c" * 64
EXPOSED: Final = "reachable from the internet"
BASE, APPLICATION = "sha256:" + "1" * 64, "sha256:" + "2" * 64


def build_packages(digest: str, name: str, distribution: str = "debian") -> ImageEntry:
    packages = (
        Package(
            type="deb",
            namespace="debian",
            name="openssl",
            version="3.0.1",
            licences=("Apache-2.0",),
            locations=(PackageLocation("var/lib/dpkg/status", BASE),),
        ),
        Package(
            type="pypi",
            name="jinja2",
            version="2.0",
            locations=(PackageLocation("app/jinja2/METADATA", APPLICATION),),
        ),
    )
    content = ImagePackages(Distribution(distribution, "12"), packages)
    return ImageEntry(digest, (name,), "linux/amd64", content)


@pytest.fixture
def filled(database: Database) -> Database:
    """Return a store where the shop runs an exposed and another image, the blog the latter, and a third cluster one without problems that are known."""
    names = {WEB: "ghcr.io/shop/web:1", REBUILT: "ghcr.io/shop/web:2"}
    images = [build_packages(digest, name) for digest, name in names.items()]
    unfixed = build_vulnerability("CVE-3", WEB)
    (evidence,) = unfixed.evidence
    assert evidence.package is not None
    package = msgspec.structs.replace(evidence.package, purl="pkg:pypi/jinja2@2.0", name="jinja2", fixed_version="")
    unfixed = msgspec.structs.replace(unfixed, evidence=(msgspec.structs.replace(evidence, package=package),))
    shop = build_scan(
        0,
        build_workload(1, run(WEB), exposure=EXPOSED),
        build_workload(2, run(REBUILT, reference=names[REBUILT])),
        build_image(WEB, "CVE-1", "CVE-2", unfixed),
        build_image(REBUILT, "CVE-2"),
        source=SHOP,
        images=images,
    )
    submit(database, shop)
    blog = build_scan(1, build_workload(1, run(REBUILT)), build_image(REBUILT, "CVE-2"), source=BLOG, images=images[1:])
    submit(database, blog)
    # Packages without a report: nothing is known about its problems.
    images = [build_packages(OTHER, "ghcr.io/shop/batch:1", "alpine")]
    submit(database, build_scan(2, build_workload(1, run(OTHER)), source=JOBS, images=images))
    return database


def read(
    database: Database, scope: Scope = EVERYTHING, order: Any = ImageOrder.PRIORITY, **values: Any
) -> list[ImageRow]:
    rows: list[ImageRow] = []
    cursor = ""
    while True:
        page = database.run(
            lambda connection, after: list_images(connection, scope, ImageFilter(**values), order, after, 1), cursor
        )
        rows += page.rows
        if not (cursor := page.cursor):
            return rows


def resolve(database: Database, *grants: Grant) -> Scope:
    return database.run(resolve_scope, grants)


def list_digests(*arguments: Any, **values: Any) -> list[str]:
    return [row.digest for row in read(*arguments, **values)]


def test_rows_have_the_numbers_of_their_image(filled: Database) -> None:
    web, rebuilt, other = read(filled)
    assert (web.references, web.platform, web.distribution) == (("ghcr.io/shop/web:1",), "linux/amd64", "debian 12")
    assert (web.workloads, web.exposed_workloads, web.fixable) == (1, 1, 2)
    assert web.problems is not None
    assert sum(web.problems.values()) == 3
    assert web.problems["critical"] == 1
    assert (rebuilt.workloads, rebuilt.exposed_workloads, rebuilt.fixable) == (2, 0, 1)
    # Its packages were submitted, and no problems: zero would be an invention.
    assert (other.digest, other.problems, other.distribution) == (OTHER, None, "alpine 12")


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        (ImageOrder.PRIORITY, [WEB, REBUILT, OTHER]),
        (ImageOrder.WORKLOADS, [REBUILT, WEB, OTHER]),
        (ImageOrder.FIXABLE, [WEB, REBUILT, OTHER]),
        (ImageOrder.NEWEST, [OTHER, WEB, REBUILT]),
    ],
)
def test_order_and_pages(filled: Database, order: ImageOrder, expected: list[str]) -> None:
    assert list_digests(filled, EVERYTHING, order) == expected


@pytest.mark.parametrize(
    ("selection", "expected"),
    [
        ({"text": "SHOP/WEB"}, [WEB, REBUILT]),
        ({"text": OTHER[:20]}, [OTHER]),
        ({"text": "%"}, []),
        ({"distribution": "debian 12"}, [WEB, REBUILT]),
        ({"repository": "ghcr.io/shop/batch"}, [OTHER]),
        ({"repository": "ghcr.io/shop"}, []),
        ({"is_exposed": True}, [WEB]),
        ({"is_exposed": False}, [REBUILT, OTHER]),
        ({"is_fixable": True}, [WEB, REBUILT]),
        ({"is_fixable": False}, [OTHER]),
        ({"is_assessed": False}, [OTHER]),
        ({"is_assessed": True}, [WEB, REBUILT]),
        ({"sources": (2,)}, [REBUILT]),
    ],
)
def test_filters(filled: Database, selection: dict[str, Any], expected: list[str]) -> None:
    assert list_digests(filled, **selection) == expected


def test_scope_has_its_images_and_their_use_in_it(filled: Database) -> None:
    blog = resolve(filled, Grant(Role.VIEWER, BLOG.key))
    (row,) = read(filled, blog)
    assert (row.digest, row.workloads) == (REBUILT, 1)
    assert list_digests(filled, resolve(filled, Grant(Role.VIEWER, "*", ("other",)))) == []
    page = filled.run(get_image, blog, REBUILT)
    # The other tag of the repository is not in the scope.
    assert (page.workloads, page.others) == (1, ())
    for call in (get_image, list_image_packages):
        with pytest.raises(LookupError):
            filled.run(call, blog, WEB)


def test_page_tells_what_fixes_the_problems(filled: Database) -> None:
    page: ImagePage = filled.run(get_image, EVERYTHING, WEB)
    assert (page.total, page.system_fixable) == (3, 2)
    (change,) = page.changes
    assert (change.name, change.versions, change.fixed_version) == ("debian/openssl", ("3.0.1",), "3.0.13")
    assert (change.problems, change.priority, change.is_system) == (2, "critical", True)
    assert {layer.digest: (layer.packages, layer.problems) for layer in page.layers} == {
        BASE: (1, 2),
        APPLICATION: (1, 1),
    }
    assert [other.references for other in page.others] == [("ghcr.io/shop/web:2",)]
    assert page.repositories == ("ghcr.io/shop/web",)


def test_packages_have_their_layer_and_problems(filled: Database) -> None:
    first = filled.run(list_image_packages, EVERYTHING, WEB, "", "", 1)
    second = filled.run(list_image_packages, EVERYTHING, WEB, "", first.cursor, 1)
    assert second.cursor == ""
    rows = {row.name: (row.version, row.layer, row.problems) for row in (*first.rows, *second.rows)}
    assert rows == {"jinja2": ("2.0", APPLICATION, 1), "debian/openssl": ("3.0.1", BASE, 2)}
    (row,) = filled.run(list_image_packages, EVERYTHING, WEB, "SSL").rows
    assert row.licences == ("Apache-2.0",)


def test_migration_describes_stored_images(filled: Database) -> None:
    before = read(filled)

    def undo(connection: Connection) -> None:
        for statement in (
            "DROP TABLE saved_view",
            "DROP TABLE evaluation",
            "DROP INDEX scan_evaluation",
            "ALTER TABLE scan DROP COLUMN evaluation",
            "ALTER TABLE image DROP COLUMN distribution",
            "ALTER TABLE image DROP COLUMN fixable",
            "UPDATE alembic_version SET version_num = '0008'",
        ):
            connection.execute(text(statement))

    filled.run(undo)
    filled.run(upgrade, "0009")
    assert read(filled) == before
