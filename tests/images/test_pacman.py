"""Packages of pacman, from files that pacman 6.0.2 wrote, and of opkg."""

from __future__ import annotations

import pytest

from kubekeep.images.catalog import dpkg, dpkg_files, pacman
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.merge import merge
from kubekeep.images.package_url import format_package_url
from kubekeep.model.package import Package, SourcePackage
from tests.images.tar_layers import build_layer

FOLDER = "var/lib/pacman/local/hello-1:2.12-3"
DESC = """%NAME%
hello

%VERSION%
1:2.12-3

%BASE%
hello-programs

%DESC%
A hello: with colon

%URL%


%ARCH%
any

%BUILDDATE%
1796140963

%INSTALLDATE%
1796140967

%PACKAGER%
Unknown Packager

%SIZE%
3

%LICENSE%
GPL-3.0-or-later
MIT

%VALIDATION%
none

%DEPENDS%
glibc>=2.3
sh

%PROVIDES%
hi=2

"""
FILES = "%FILES%\nusr/\nusr/bin/\nusr/bin/hello\n\n"
OPKG = """Package: busybox
Version: 1.36.1-1
Depends: libc, libgcc1
Status: install user installed
Essential: yes
Architecture: mips_24kc
Installed-Time: 1732000000

Package: removed
Version: 1.0-1
Status: deinstall user not-installed
Architecture: mips_24kc

"""


def read(path: str, text: str) -> CatalogRecord:
    return pacman.read(LayerFile(path, text.encode()))


def test_package() -> None:
    (package,) = read(f"{FOLDER}/desc", DESC).packages
    assert package == Package(
        type="alpm",
        name="hello",
        version="1:2.12-3",
        qualifiers=(("arch", "any"),),
        source=SourcePackage("hello-programs", "1:2.12-3"),
        licences=("GPL-3.0-or-later", "MIT"),
        supplier="Unknown Packager",
        dependencies=("glibc", "sh"),
        evidence="pacman database",
    )


def test_files() -> None:
    assert read(f"{FOLDER}/files", FILES).owned == "usr/bin/hello"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no valid name"),
        (DESC.replace("hello\n", "hello\nother\n", 1), "no valid name"),
        (DESC.replace("1:2.12-3", "1:2.12"), "no valid version"),
        (DESC.replace("1:2.12-3", "1:2.13-3"), "the folder is not that of hello 1:2.13-3"),
    ],
)
def test_file_without_a_package(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        read(f"{FOLDER}/desc", text)


@pytest.mark.parametrize("text", [DESC[:-20], DESC.replace("none", "n\0ne"), DESC.partition("%VALIDATION%")[0]])
def test_damaged_fields(text: str) -> None:
    record = read(f"{FOLDER}/desc", text)
    assert ([package.name for package in record.packages], record.damage) == (
        ["hello"],
        "fields of the package may be missing: the file is damaged",
    )


def test_image_of_arch() -> None:
    files = {"etc/os-release": "ID=arch\n", f"{FOLDER}/desc": DESC, f"{FOLDER}/files": FILES}
    image = merge((build_layer({path: text.encode() for path, text in files.items()}),))
    assert [format_package_url(package) for package in image.packages] == [
        "pkg:alpm/arch/hello@1:2.12-3?arch=any&distro=arch"
    ]
    assert image.problems == ()


def test_list_of_files_without_a_package() -> None:
    other = "var/lib/pacman/local/other-1-1/files"
    files = {"etc/os-release": "ID=arch\n", f"{FOLDER}/desc": DESC, other: FILES}
    (problem,) = merge((build_layer({path: text.encode() for path, text in files.items()}),)).problems
    assert (problem.path, problem.message) == (
        "var/lib/pacman/local/other-1-1/desc",
        "packages may be missing: the folder has a list of files alone",
    )


@pytest.mark.parametrize("root", ["usr", "var"])
def test_opkg(root: str) -> None:
    record = dpkg.read(LayerFile(f"{root}/lib/opkg/status", OPKG.encode()))
    assert record is not None
    assert [(package.name, package.version, package.evidence) for package in record.packages] == [
        ("busybox", "1.36.1-1", "opkg status")
    ]
    assert record.uninstalled == ("removed",)
    text = "/bin/busybox\t0100755\n/bin/ash\t0120777\tbusybox\n"
    files = dpkg_files.read(LayerFile(f"{root}/lib/opkg/info/busybox.list", text.encode()))
    assert files is not None
    assert files.owned == "bin/busybox\nbin/ash"
