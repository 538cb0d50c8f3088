"""Images with databases of rpm in its three formats. rpmbuild builds the packages, as no repository of them is at hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from images.builders.debian import install
from images.builders.image import ImageBuild, Row, read, read_packages

SOURCES = read_packages("rpm", "sources")
SUBPACKAGES = ("libs", "devel", "common", "doc")
MULTILIB = ("glibc", "openssl", "zlib")
"""Sources built for i686 too."""
SPEC = """Name: {name}
Version: {version}
Release: {release}
{epoch}
{module}
Summary: {name}
License: GPLv2+ and MIT
Vendor: Example Linux
AutoReqProv: no
%description
{name}.
{subpackages}
%install
mkdir -p %{{buildroot}}/usr/share/doc/{name} %{{buildroot}}/usr/lib/python3.9/site-packages/{name}-{version}.dist-info
echo {name} > %{{buildroot}}/usr/share/doc/{name}/README
printf 'Metadata-Version: 2.1\\nName: {name}-py\\nVersion: 1.0\\n' \\
  > %{{buildroot}}/usr/lib/python3.9/site-packages/{name}-{version}.dist-info/METADATA
%files
/usr/share/doc/{name}
/usr/lib/python3.9/site-packages/{name}-{version}.dist-info
{files}
"""
SUBPACKAGE = "%package {part}\nSummary: {part}\nAutoReqProv: no\n{architecture}%description {part}\n{part}.\n"
QUERY = "%{NAME}\t%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}\t%|ARCH?{%{ARCH}}|\n"
RELEASES = {
    "fedora": 'ID=fedora\nNAME="Fedora Linux"\nVERSION_ID=41\nPRETTY_NAME="Fedora Linux 41"\n',
    "suse": 'ID="opensuse-leap"\nNAME="openSUSE Leap"\nVERSION_ID="15.6"\nID_LIKE="suse opensuse"\n',
    "centos": 'ID="centos"\nNAME="CentOS Linux"\nVERSION_ID="7"\nVERSION="7 (Core)"\nID_LIKE="rhel fedora"\n',
}
RELEASE_FILES = {
    "fedora": ("etc/fedora-release", "Fedora release 41 (Forty One)\n"),
    "suse": ("etc/SUSE-brand", "openSUSE\nVERSION = 15.6\n"),
    "centos": ("etc/centos-release", "CentOS Linux release 7.9.2009 (Core)\n"),
}
INSTALL = ("--nodeps", "--noscripts", "--ignorearch", "--nosignature", "--replacefiles")
ERASED = ("cups-doc", "samba-devel")
SYSIMAGE = "usr/lib/sysimage/rpm"


def build_sqlite(image: ImageBuild) -> None:
    """Build an image with SQLite; an upper layer upgrades, erases and imports a key."""
    packages = _build_packages(image)
    _start(image, "fedora")
    _run_rpm(image, SYSIMAGE, "sqlite", "--install", *INSTALL, *packages)
    image.commit()
    newer = _build_source(image, "bash:5.1.8:12.el9_5", "x86_64", "upgrade")
    _run_rpm(image, SYSIMAGE, "sqlite", "--upgrade", *INSTALL, *newer)
    _run_rpm(image, SYSIMAGE, "sqlite", "--erase", "--nodeps", *ERASED)
    _run_rpm(image, SYSIMAGE, "sqlite", "--import", str(_create_key(image)))
    image.record("rpm", _list_rpm(image, SYSIMAGE, "sqlite"))
    image.record("pypi", [])


def build_ndb(image: ImageBuild) -> None:
    """Build an image with the database of SUSE, with the rpm of Debian 13: that of Debian 12 cannot write it."""
    packages = _build_packages(image)
    helper = ImageBuild(image.folder, f"{image.name}-helper")
    helper.start("trixie")
    install(helper, "rpm")
    for package in packages:
        helper.copy(Path(package), f"packages/{Path(package).name}")
    rpm = ("rpm", "--root", "/image", "--define", "_db_backend ndb", "--define", f"_dbpath /{SYSIMAGE}")
    helper.run("mkdir", "/image")
    helper.run("sh", "-c", 'exec "$@" /packages/*.rpm', "sh", *rpm, "--install", *INSTALL)
    helper.run(*rpm, "--erase", "--nodeps", *ERASED)
    _start(image, "suse")
    image.copy(helper.root / "image", "")
    image.record("rpm", _parse_rows(helper.run(*rpm, "-qa", "--queryformat", QUERY)))
    image.record("pypi", [])
    helper.discard()


def build_berkeley(image: ImageBuild) -> None:
    """Build an image with a Berkeley DB hash file, written by Berkeley DB and read by rpm."""
    packages = _build_packages(image)
    _start(image, "centos")
    _run_rpm(image, SYSIMAGE, "sqlite", "--install", *INSTALL, *packages)
    database = image.root / SYSIMAGE / "rpmdb.sqlite"
    connection = sqlite3.connect(database)
    records = [record for (record,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    connection.close()
    for path in database.parent.iterdir():
        path.unlink()
    lines = ["VERSION=3", "format=bytevalue", "type=hash", "HEADER=END", f" {'00' * 4}", f" {_encode(len(records))}"]
    for number, record in enumerate(records, start=1):
        lines += [f" {_encode(number)}", f" {record.hex()}"]
    dump = image.bundle / "dump"
    dump.write_text("\n".join([*lines, "DATA=END", ""]))
    (image.root / "var/lib/rpm").mkdir(parents=True)
    read("db5.3_load", "-f", str(dump), str(image.root / "var/lib/rpm/Packages"))
    image.record("rpm", _list_rpm(image, "var/lib/rpm", "bdb_ro"))
    image.record("pypi", [])


def _encode(number: int) -> str:
    return number.to_bytes(4, "little").hex()


def _start(image: ImageBuild, distribution: str) -> None:
    image.start()
    image.write("etc/os-release", RELEASES[distribution])
    image.write(*RELEASE_FILES[distribution])
    if distribution != "suse":
        image.write("etc/redhat-release", RELEASE_FILES[distribution][1])


def _build_packages(image: ImageBuild) -> list[str]:
    """Build all packages once for all images of a folder, and return their paths."""
    done = image.folder / "parts/rpms/done"
    if not done.exists():
        for source in SOURCES:
            _build_source(image, source, "x86_64", "rpms")
            if source.partition(":")[0] in MULTILIB:
                _build_source(image, source, "i686", "rpms")
        done.touch()
    return sorted(str(path) for path in (image.folder / "parts/rpms").rglob("*.rpm"))


def _build_source(image: ImageBuild, source: str, architecture: str, folder: str) -> list[str]:
    """Build the packages of a source."""
    name, version, release, epoch, module = (*source.split(":"), "", "")[:5]
    top = image.folder / "parts" / folder
    top.mkdir(parents=True, exist_ok=True)
    parts = SUBPACKAGES if architecture == "x86_64" else ("libs",)
    texts = {part: "BuildArch: noarch\n" if part in ("doc", "common") else "" for part in parts}
    spec = top / f"{name}.spec"
    spec.write_text(
        SPEC.format(
            name=name,
            version=version,
            release=release,
            epoch=f"Epoch: {epoch}" if epoch else "",
            module=f"ModularityLabel: {module}:{version}:9050020241:a1b2c3" if module else "",
            subpackages="".join(SUBPACKAGE.format(part=part, architecture=text) for part, text in texts.items()),
            files="".join(f"%files {part}\n" for part in parts),
        )
    )
    definitions = {"_topdir": str(top / "build"), "_build_id_links": "none"}
    options = [word for key, value in definitions.items() for word in ("--define", f"{key} {value}")]
    read("rpmbuild", "-bb", "--quiet", "--target", architecture, *options, str(spec))
    return sorted(str(path) for path in (top / "build/RPMS").rglob(f"{name}-*.rpm"))


def _run_rpm(image: ImageBuild, database: str, backend: str, *arguments: str) -> str:
    """Run the rpm of this machine on the root file system of an image."""
    return read("rpm", "--root", str(image.root), "--define", f"_db_backend {backend}", "--define",
                f"_dbpath /{database}", *arguments)  # fmt: skip


def _list_rpm(image: ImageBuild, database: str, backend: str) -> list[Row]:
    """Return the list of rpm."""
    return _parse_rows(_run_rpm(image, database, backend, "-qa", "--queryformat", QUERY))


def _parse_rows(text: str) -> list[Row]:
    return [tuple(line.split("\t")) for line in text.splitlines()]


def _create_key(image: ImageBuild) -> Path:
    """Create an OpenPGP key and return the file of its public part."""
    home = image.bundle / "keys"
    home.mkdir(mode=0o700)
    options = ("gpg", "--homedir", str(home), "--batch", "--quiet")
    read(*options, "--passphrase", "", "--quick-generate-key", "packages@example.com", "rsa2048", "sign")
    read(*options, "--armor", "--output", str(home / "public.asc"), "--export")
    return home / "public.asc"
