"""An image with a database of apk, written in its documented format, because Debian does not package apk-tools.

The truth is the list of packages that the database is written from.
"""

from __future__ import annotations

from images.builders.image import ImageBuild, Row, read_packages

PACKAGES = read_packages("alpine", "packages")
VIRTUAL = ".build-deps-20241101.120000"
"""The entry of `apk add --virtual`; `apk info` lists it."""
ENTRY = """C:Q1abcdefghijklmnopqrstuvwxyz0=
P:{name}
V:{version}
A:{architecture}
S:1234
I:5678
T:{name}
U:https://example.com/
L:MIT
o:{name}
m:Maintainer <packages@example.com>
t:1720000000
c:0123456789abcdef0123456789abcdef01234567
D:so:libc.musl-x86_64.so.1
p:cmd:{name}={version}
"""
FILES = """F:usr/lib/python3.12/site-packages/{name}-{version}.dist-info
R:METADATA
a:0:0:644
Z:Q1abcdefghijklmnopqrstuvwxyz0=
"""
METADATA = "Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"
PYTHON = "usr/lib/python3.12/site-packages"


def build_alpine(image: ImageBuild) -> None:
    """Build an image. Its upper layer upgrades one package and removes two."""
    image.start()
    image.write("etc/os-release", 'ID=alpine\nNAME="Alpine Linux"\nVERSION_ID=3.20.3\n')
    image.write("etc/alpine-release", "3.20.3\n")
    rows = [split_package(package) for package in (*PACKAGES, VIRTUAL)]
    _write_database(image, rows)
    image.write(f"{PYTHON}/six-1.17.0.dist-info/METADATA", METADATA.format(name="six", version="1.17.0"))
    image.commit()
    rows = [row for row in rows if row[0] not in ("curl", "libcurl", "musl")] + [("musl", "1.2.5-r1", "x86_64")]
    _write_database(image, rows)
    image.record("apk", rows)
    image.record("pypi", [("six", "1.17.0")])


def split_package(text: str) -> Row:
    """Return name, version and architecture of `NAME-VERSION-rREVISION`; the version begins at the last digit part."""
    name, version, revision = text.rsplit("-", 2)
    if not revision.startswith("r"):
        name, version = f"{name}-{version}", revision
        return name, version, "noarch"
    return name, f"{version}-{revision}", "x86_64"


def _write_database(image: ImageBuild, rows: list[Row]) -> None:
    """Write the database, and the metadata of each Python distribution that a package owns."""
    entries = []
    for name, version, architecture in rows:
        entry = ENTRY.format(name=name, version=version, architecture=architecture)
        if name.startswith("py3-"):
            short, distribution = version.partition("-")[0], name.removeprefix("py3-")
            entry += FILES.format(name=distribution, version=short)
            metadata = METADATA.format(name=distribution, version=short)
            image.write(f"{PYTHON}/{distribution}-{short}.dist-info/METADATA", metadata)
        entries.append(entry)
    image.write("lib/apk/db/installed", "\n".join(entries) + "\n")
