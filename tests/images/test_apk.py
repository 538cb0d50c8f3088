"""Packages of apk, from a database in the documented format."""

from __future__ import annotations

from kubekeep.images.catalog import apk
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.images.merge import merge
from kubekeep.model.package import SourcePackage
from tests.images.tar_layers import build_layer

DATABASE = """\
C:Q1UjRvZ6rzdQ4OP6KmkEvHXsXB2Bs=
P:musl
V:1.2.5-r1
A:x86_64
S:411174
I:667648
T:the musl c library (libc) implementation
U:https://musl.libc.org/
L:MIT
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
t:1718880000
c:8b7bb5e5c1d36f0a9d1bd6eca6e9c7d9c5ea9a01
p:so:libc.musl-x86_64.so.1=1
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1zRyNwT4nkV0pHyhe5LfX0BBVSHs=
R:libc.musl-x86_64.so.1
a:0:0:777
Z:Q117yJ3JFNypA4mxhJJr0ou6CzsJVI=

C:Q1qKcZ+j23xssAXmgQhkOO8dHnbWw=
P:musl-utils
V:1.2.5-r1
A:x86_64
L:MIT AND BSD-2-Clause AND GPL-2.0-or-later
o:musl
m:Natanael Copa <ncopa@alpinelinux.org>
D:scanelf so:libc.musl-x86_64.so.1 !uclibc-utils musl>=1.2
F:
F:sbin
R:ldconfig
F:usr
F:usr/bin
R:getconf
R:iconv

P:scanelf
V:1.3.7-r2
A:x86_64
L:GPL-2.0-only
o:pax-utils
F:usr/bin
R:scanelf

P:.build-dependencies
V:20260101.120000
A:noarch
D:gcc make

"""


def test_database() -> None:
    record = apk.read(LayerFile("lib/apk/db/installed", DATABASE.encode()))
    assert record is not None
    rows = [
        (package.name, package.version, dict(package.qualifiers)["arch"], package.source) for package in record.packages
    ]
    assert rows == [
        ("musl", "1.2.5-r1", "x86_64", SourcePackage("musl", "1.2.5-r1")),
        ("musl-utils", "1.2.5-r1", "x86_64", SourcePackage("musl", "1.2.5-r1")),
        ("scanelf", "1.3.7-r2", "x86_64", SourcePackage("pax-utils", "1.3.7-r2")),
    ]
    musl, utils, _ = record.packages
    assert musl.licences == ("MIT",)
    assert utils.licences == ("MIT AND BSD-2-Clause AND GPL-2.0-or-later",)
    assert utils.dependencies == ("musl", "scanelf")
    assert record.owned.split("\n") == [
        "lib/ld-musl-x86_64.so.1",
        "lib/libc.musl-x86_64.so.1",
        "sbin/ldconfig",
        "usr/bin/getconf",
        "usr/bin/iconv",
        "usr/bin/scanelf",
    ]


def test_new_path_and_namespace() -> None:
    files = {"usr/lib/apk/db/installed": DATABASE, "usr/lib/os-release": "ID=wolfi\nVERSION_ID=20230201\n"}
    image = merge([build_layer(files)])
    assert [package.namespace for package in image.packages] == ["wolfi"] * 3
    utils = next(package for package in image.packages if package.name == "musl-utils")
    assert utils.dependencies == (
        "pkg:apk/wolfi/musl@1.2.5-r1?arch=x86_64&distro=wolfi-20230201",
        "pkg:apk/wolfi/scanelf@1.3.7-r2?arch=x86_64&distro=wolfi-20230201",
    )


def test_empty_database() -> None:
    assert apk.read(LayerFile("lib/apk/db/installed", b"")) == CatalogRecord("lib/apk/db/installed", "apk")
