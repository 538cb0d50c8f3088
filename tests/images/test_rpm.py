"""Packages of rpm against rpm itself, in all three formats of its databases."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from kubekeep.images.catalog import rpm
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.merge import merge
from kubekeep.model.package import Package
from tests.images import rpm_databases
from tests.images.tar_layers import add_records, build_layer

NDB = Path(__file__).parent / "ndb"
requires_rpm = pytest.mark.skipif(not rpm_databases.has_rpm(), reason="rpm or Berkeley DB is not installed")


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that rpm wrote when it installed real packages."""
    folder = tmp_path_factory.mktemp("rpm")
    return rpm_databases.install(folder / "database", rpm_databases.build_packages(folder))


def read(path: Path, *, spilled: bool = False) -> CatalogRecord:
    name = f"var/lib/rpm/{path.name}"
    file = LayerFile(name, b"", spill=str(path)) if spilled else LayerFile(name, path.read_bytes())
    record = rpm.read(file)
    assert record is not None
    return record


def find(record: CatalogRecord, name: str) -> Package:
    return next(package for package in record.packages if package.name == name)


@requires_rpm
@pytest.mark.parametrize("spilled", [False, True])
def test_sqlite(sqlite_file: Path, spilled: bool) -> None:  # noqa: FBT001
    record = read(sqlite_file, spilled=spilled)
    assert rpm_databases.list_rows(record.packages) == rpm_databases.query_rows(sqlite_file.parent)
    assert sorted(record.owned.split("\n")) == rpm_databases.query_files(sqlite_file.parent)
    assert find(record, "shop").dependencies == ("shop-libs", "shop-tools")
    assert find(record, "shop-tools").dependencies == ("shop",)
    assert find(record, "shop").licences == ("GPL-2.0-or-later AND (LGPL-2.0-or-later OR MIT)",)
    assert find(record, "web").licences == ("Apache-2.0",)
    assert dict(find(record, "web").qualifiers) == {"arch": "noarch"}


@requires_rpm
@pytest.mark.parametrize("order", ["1234", "4321"])
@pytest.mark.parametrize("spilled", [False, True])
def test_berkeley_db(sqlite_file: Path, tmp_path: Path, order: str, spilled: bool) -> None:  # noqa: FBT001
    path = rpm_databases.write_hash_file(sqlite_file, tmp_path / "Packages", order)
    record = read(path, spilled=spilled)
    expected = rpm_databases.query_rows(tmp_path, "bdb_ro")
    assert rpm_databases.list_rows(record.packages) == expected == rpm_databases.query_rows(sqlite_file.parent)
    assert sorted(record.owned.split("\n")) == rpm_databases.query_files(sqlite_file.parent)


@pytest.mark.parametrize("spilled", [False, True])
def test_native_database(tmp_path: Path, spilled: bool) -> None:  # noqa: FBT001
    path = tmp_path / "Packages.db"
    path.write_bytes(gzip.decompress((NDB / "Packages.db.gz").read_bytes()))
    record = read(path, spilled=spilled)
    rows = [tuple(line.split("\t")) for line in (NDB / "rows.tsv").read_text().splitlines()]
    assert rpm_databases.list_rows(record.packages) == sorted(rows)
    assert find(record, "shop").dependencies == ("shop-libs", "shop-tools")
    assert "opt/sh op/ä" in record.owned.split("\n")


@requires_rpm
def test_image(sqlite_file: Path) -> None:
    files: dict[str, str | bytes] = {
        "usr/lib/sysimage/rpm/rpmdb.sqlite": sqlite_file.read_bytes(),
        "etc/redhat-release": "AlmaLinux release 8.10 (Cerulean Leopard)\n",
    }
    image = merge([build_layer(files)])
    assert image.problems == ()
    shop = next(package for package in image.packages if package.name == "shop")
    assert shop.namespace == "almalinux"
    assert [key for key, _ in shop.qualifiers] == ["arch", "distro", "epoch", "rpmmod"]
    assert dict(shop.qualifiers)["distro"] == "almalinux-8.10"
    assert len(shop.dependencies) == 2
    assert all(url.startswith("pkg:rpm/almalinux/shop-") for url in shop.dependencies)


@requires_rpm
def test_python_modules_of_rpm_packages(sqlite_file: Path) -> None:
    folder = "usr/lib/python3.9/site-packages"
    records = [
        CatalogRecord(
            f"{folder}/{name}-1.2.dist-info/METADATA", "python", (Package(type="pypi", name=name, version="1.2"),)
        )
        for name in ("shop", "other")
    ]
    layer = add_records(build_layer({"var/lib/rpm/rpmdb.sqlite": sqlite_file.read_bytes()}), *records)
    image = merge([layer])
    assert [package.name for package in image.packages if package.type == "pypi"] == ["other"]
    assert image.suppressed_count == 1
