"""Packages of dpkg against dpkg itself: a root built from packages, this machine, and a distroless image."""

from __future__ import annotations

import shutil
import subprocess
import textwrap
from pathlib import Path

import pytest

from kubekeep.images.catalog import debian_copyright, dpkg, dpkg_files
from kubekeep.images.content import LayerFile
from kubekeep.images.merge import merge
from kubekeep.model.package import Package, SourcePackage
from tests.images.tar_layers import read_folder

STATUS = Path("/var/lib/dpkg/status")
FORMAT = "${Package}\t${Version}\t${Architecture}\t${source:Package}\t${source:Version}\t${db:Status-Status}\n"
pytestmark = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not installed")


def query_rows(*options: str) -> set[tuple[str, ...]]:
    """Return the rows of dpkg for packages with files in place."""
    command = ["dpkg-query", *options, "-W", "-f", FORMAT]
    text = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout
    rows = (line.split("\t") for line in text.splitlines())
    return {tuple(row[:5]) for row in rows if row[5] in dpkg.STATES}


def list_rows(packages: tuple[Package, ...]) -> set[tuple[str, ...]]:
    return {
        (package.name, package.version, dict(package.qualifiers)["arch"], package.source.name, package.source.version)
        for package in packages
        if package.source
    }


def read_status(text: str, path: str = "var/lib/dpkg/status") -> tuple[Package, ...]:
    record = dpkg.read(LayerFile(path, text.encode()))
    return record.packages if record else ()


def build_package(folder: Path, fields: str, files: dict[str, str], conffiles: str = "") -> Path:
    """Build a package with dpkg-deb and return its path."""
    root = folder / "tree"
    shutil.rmtree(root, ignore_errors=True)
    (root / "DEBIAN").mkdir(parents=True)
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text)
    control = "Maintainer: Shop <shop@example.com>\nDescription: shop\n" + textwrap.dedent(fields).lstrip()
    (root / "DEBIAN" / "control").write_text(control)
    if conffiles:
        (root / "DEBIAN" / "conffiles").write_text(conffiles)
    name = next(line.partition(": ")[2] for line in control.splitlines() if line.startswith("Package: "))
    archive = folder / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--build", "-Znone", root, archive], check=True, capture_output=True, timeout=60)
    return archive


def run_dpkg(root: Path, *arguments: str | Path) -> None:
    options = [
        "--force-not-root",
        "--force-bad-path",
        "--force-script-chrootless",
        "--force-unsafe-io",
        "--no-triggers",
    ]
    command = ["dpkg", f"--root={root}", "--log=/dev/null", *options, *arguments]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@pytest.fixture(scope="module")
def dpkg_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root folder in which dpkg has installed, removed, held and not configured packages."""
    folder = tmp_path_factory.mktemp("packages")
    root = tmp_path_factory.mktemp("root")
    for name in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    for name in ("status", "available"):
        (root / "var/lib/dpkg" / name).touch()
    (root / "etc").mkdir()
    (root / "etc/os-release").write_text('ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n')
    shop = """\
        Package: shop
        Version: 1:2.3+dfsg-1
        Architecture: all
        Depends: shop-mail | shop-http, shop-lib (>= 1.0)
        """
    lib = """\
        Package: shop-lib
        Version: 1.0-2+b1
        Architecture: all
        Source: shop-source (1.0-2)
        Multi-Arch: foreign
        """
    http = """\
        Package: shop-apache
        Version: 4
        Architecture: all
        Source: web
        Provides: shop-http (= 4)
        """
    old = """\
        Package: shop-old
        Version: 1
        Architecture: all
        """
    copyright_text = (
        "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/\n\nFiles: *\nLicense: GPL-2+\n\n"
        "Files: x\nLicense: Expat\n MIT text\n"
    )
    archives = [
        build_package(folder, lib, {"usr/lib/shop.so": "x", "usr/share/doc/shop-lib/copyright": copyright_text}),
        build_package(
            folder, http, {"usr/lib/python3/dist-packages/web-4.dist-info/METADATA": "Name: web\nVersion: 4\n"}
        ),
        build_package(folder, shop, {"usr/bin/shop": "x"}),
        build_package(folder, old, {"etc/old.conf": "x"}, conffiles="/etc/old.conf\n"),
    ]
    run_dpkg(root, "--install", *archives)
    run_dpkg(root, "--remove", "shop-old")
    held = "shop-lib hold\nshop-apache deinstall\n"
    subprocess.run(
        ["dpkg", f"--root={root}", "--force-not-root", "--set-selections"], check=True, input=held, text=True
    )
    waiting = "Package: shop-waiting\nVersion: 1\nArchitecture: all\n"
    run_dpkg(root, "--unpack", build_package(folder, waiting, {"usr/share/waiting": "x"}))
    return root


def test_installed_root(dpkg_root: Path) -> None:
    record = dpkg.read(LayerFile("var/lib/dpkg/status", (dpkg_root / "var/lib/dpkg/status").read_bytes()))
    assert record is not None
    rows = query_rows(f"--admindir={dpkg_root}/var/lib/dpkg")
    assert list_rows(record.packages) == rows
    assert {row[0] for row in rows} == {"shop", "shop-lib", "shop-apache", "shop-waiting"}
    packages = {package.name: package for package in record.packages}
    assert packages["shop"].dependencies == ("shop-apache", "shop-lib")
    assert packages["shop-lib"].source == SourcePackage("shop-source", "1.0-2")
    assert packages["shop-apache"].source == SourcePackage("web", "4")
    assert packages["shop"].supplier == "Shop <shop@example.com>"


def test_merged_root(dpkg_root: Path) -> None:
    image = merge([read_folder(dpkg_root)])
    assert image.problems == ()
    packages = {package.name: package for package in image.packages if package.type == "deb"}
    assert packages["shop"].namespace == "debian"
    assert packages["shop"].qualifiers == (("arch", "all"), ("distro", "debian-13"))
    assert packages["shop"].dependencies == (
        "pkg:deb/debian/shop-apache@4?arch=all&distro=debian-13",
        "pkg:deb/debian/shop-lib@1.0-2%2Bb1?arch=all&distro=debian-13",
    )
    assert packages["shop-lib"].licences == ("GPL-2.0-or-later", "MIT")
    assert packages["shop"].licences == ()
    assert [location.path for location in packages["shop"].locations] == ["var/lib/dpkg/status"]


def test_owned_files(dpkg_root: Path) -> None:
    info = dpkg_root / "var/lib/dpkg/info"
    record = dpkg_files.read(LayerFile("var/lib/dpkg/info/shop.list", (info / "shop.list").read_bytes()))
    assert record is not None
    command = ["dpkg-query", f"--admindir={info.parent}", "-L", "shop"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True, timeout=60).stdout.split()
    assert record.owned.split("\n") == [path.lstrip("/") for path in listed if path != "/."]
    assert "usr/bin/shop" in record.owned.split("\n")


@pytest.mark.skipif(not STATUS.is_file(), reason="this machine does not use dpkg")
def test_this_machine() -> None:
    record = dpkg.read(LayerFile("var/lib/dpkg/status", STATUS.read_bytes()))
    assert record is not None
    assert list_rows(record.packages) == query_rows()


def test_distroless_parts() -> None:
    part = "Package: base-files\nVersion: 12.4+deb12u5\nArchitecture: amd64\nDepends: libc6 (>= 2.3), x | y\n"
    (package,) = read_status(part, "var/lib/dpkg/status.d/base")
    assert (package.name, package.dependencies) == ("base-files", ("libc6", "x", "y"))
    sums = "4f1a4d4d0c8a1bc3a4a3b3e1d7a1d5f1  usr/lib/os-release\n00000000000000000000000000000000  usr/share/a b\n"
    path = "var/lib/dpkg/status.d/base.md5sums"
    assert read_status(sums, path) == ()
    record = dpkg_files.read(LayerFile(path, sums.encode()))
    assert record is not None
    assert record.owned == "usr/lib/os-release\nusr/share/a b"


def test_record_without_state_is_damage() -> None:
    with pytest.raises(ValueError, match="record 1 of a has no valid status"):
        read_status("Package: a\nVersion: 1\nArchitecture: all\n\n")


def test_fields_on_several_lines() -> None:
    text = "Package: a\nStatus: install ok installed\nVersion: 1\nDescription: x\n Package: b\n .\n Version: 2\nDepends: c,\n d\n"
    (package,) = read_status(text, "var/lib/dpkg/status.d/a")
    assert (package.name, package.version, package.dependencies) == ("a", "1", ("c", "d"))


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        ("Format: https://x/1.0/\nFiles: *\nLicense: GPL-2+ or Artistic\n", ["GPL-2.0-or-later OR Artistic-1.0-Perl"]),
        (
            "Format: https://x/1.0/\n\nLicense: BSD-3-clause\n\nLicense: custom thing\n",
            ["BSD-3-Clause", "custom thing"],
        ),
        ("See /usr/share/common-licenses/GPL-3.\n", ["GPL-3.0-only"]),
        ("either version 2, or any\nlater version. See `/usr/share/common-licenses/GPL-2'.\n", ["GPL-2.0-or-later"]),
        ("See /usr/share/common-licenses/Apache-2.0, or any later version\n", ["Apache-2.0"]),
        ("All rights reserved.\n", None),
    ],
)
def test_copyright(text: str, licences: list[str] | None) -> None:
    record = debian_copyright.read(LayerFile("usr/share/doc/shop/copyright", text.encode()))
    assert (record and record.licences) == (licences and (("shop", tuple(licences)),))


def test_diversions() -> None:
    text = "/usr/bin/node\n/usr/bin/node.real\n:\n/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n"
    record = dpkg_files.read(LayerFile("var/lib/dpkg/diversions", text.encode()))
    assert record is not None
    assert record.owned == "usr/bin/node.real\nusr/bin/sh.distrib"
    assert record.disowned == "usr/bin/node"
