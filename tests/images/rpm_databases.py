"""Real rpm databases: packages that rpmbuild builds, in the three formats, and the rows that rpm lists for them."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

from kubekeep.model.package import Package

SPEC = """\
Name: shop
Version: 1.2
Release: 3.el9
Epoch: 2
Summary: Shop
License: GPLv2+ and (LGPLv2+ or MIT)
Vendor: Shop Company
ModularityLabel: shop:1.2:20260101:abc
Requires: shop-libs = 2:1.2
Requires: /usr/bin/shop-tool
%description
Shop.
%package libs
Summary: Libraries
License: MIT AND BSD-3-Clause
%description libs
%package tools
Summary: Tools
Epoch: 0
BuildArch: noarch
Provides: virtual-shop = 1
Requires: virtual-shop
Requires: shop
%description tools
%package empty
Summary: No files
%description empty
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/usr/lib/python3.9/site-packages/shop-1.2.dist-info "%{buildroot}/opt/sh op"
for name in shop shop-tool; do echo x > %{buildroot}/usr/bin/$name; done
ln -s shop %{buildroot}/usr/bin/shop-link
echo x > "%{buildroot}/opt/sh op/ä"
printf 'Name: shop\\nVersion: 1.2\\n' > %{buildroot}/usr/lib/python3.9/site-packages/shop-1.2.dist-info/METADATA
for number in $(seq 300); do echo x > %{buildroot}/opt/file-with-a-long-name-$number; done
%files
/usr/bin/shop
/usr/bin/shop-link
%ghost /var/log/shop.log
%files libs
/usr/lib/python3.9/site-packages/shop-1.2.dist-info
%files tools
/usr/bin/shop-tool
"/opt/sh op/ä"
/opt/file-with-a-long-name-*
%files empty
"""
PLAIN_SPEC = """\
Name: web
Version: 7~rc1^git
Release: 1
Summary: No epoch, no vendor, no module
License: ASL 2.0
BuildArch: noarch
%description
Web.
%package -n gpg-pubkey
Summary: Has the name of the pseudo packages for keys
%description -n gpg-pubkey
%files
%files -n gpg-pubkey
"""
QUERY = (
    "%{NAME}\t%{VERSION}-%{RELEASE}\t%|EPOCH?{%{EPOCH}}:{0}|\t%{ARCH}\t%{SOURCERPM}\t%{VENDOR}\t%{MODULARITYLABEL}\n"
)


def has_rpm() -> bool:
    return all(shutil.which(program) for program in ("rpm", "rpmbuild", "db5.3_load"))


def build_packages(folder: Path) -> list[Path]:
    """Build the packages of both spec files and return their paths."""
    definitions = {
        "_topdir": str(folder / "build"),
        "_build_id_links": "none",
        "__os_install_post": "%{nil}",
        # Scripts that generate dependencies need Python modules that are not part of the tests.
        "__pythondist_provides": "/bin/true",
    }
    options = [part for key, value in definitions.items() for part in ("--define", f"{key} {value}")]
    for name, spec in (("shop.spec", SPEC), ("web.spec", PLAIN_SPEC)):
        (folder / name).write_text(spec)
        run(["rpmbuild", "-bb", "--quiet", *options, folder / name])
    return sorted((folder / "build" / "RPMS").rglob("*.rpm"))


def install(database: Path, packages: Iterable[Path]) -> Path:
    """Install packages into a new database without their files, and return its SQLite file."""
    options: list[str | Path] = [
        "--justdb",
        "--nodeps",
        "--noscripts",
        "--ignorearch",
        "--ignoreos",
        "--dbpath",
        database,
    ]
    run(["rpm", "--install", *options, *packages])
    return database / "rpmdb.sqlite"


def write_hash_file(sqlite_file: Path, path: Path, order: str) -> Path:
    """Write the records of a SQLite database into a hash file with Berkeley DB itself. order: "1234" or "4321"."""
    byte_order: Literal["little", "big"] = "little" if order == "1234" else "big"
    lines = ["VERSION=3", "format=bytevalue", "type=hash", f"db_lorder={order}", "HEADER=END"]
    records = list_records(sqlite_file)
    lines += [f" {'00' * 4}", f" {len(records).to_bytes(4, byte_order).hex()}"]
    for number, record in enumerate(records, start=1):
        lines += [f" {number.to_bytes(4, byte_order).hex()}", f" {record.hex()}"]
    path.parent.mkdir(parents=True, exist_ok=True)
    run(["db5.3_load", path], text="\n".join([*lines, "DATA=END", ""]))
    return path


def list_records(sqlite_file: Path) -> list[bytes]:
    """Return the package headers of a SQLite database of rpm."""
    connection = sqlite3.connect(f"file:{sqlite_file}?mode=ro&immutable=1", uri=True)
    try:
        return [record for (record,) in connection.execute("SELECT blob FROM Packages ORDER BY hnum")]
    finally:
        connection.close()


def query_rows(database: Path, backend: str = "sqlite") -> list[tuple[str, ...]]:
    """Return the rows of rpm for a database, without keys."""
    text = run(["rpm", "-qa", "--dbpath", database, "--define", f"_db_backend {backend}", "--queryformat", QUERY])
    rows = [tuple(line.split("\t")) for line in text.splitlines()]
    return sorted(row for row in rows if row[0] != "gpg-pubkey")


def query_files(database: Path) -> list[str]:
    text = run(["rpm", "-qa", "--dbpath", database, "--queryformat", "[%{FILENAMES}\n]"])
    return sorted(path.lstrip("/") for path in text.splitlines())


def list_rows(packages: Iterable[Package]) -> list[tuple[str, ...]]:
    """Return the packages in the form of `query_rows`."""
    rows = []
    for package in packages:
        qualifiers = dict(package.qualifiers)
        source = package.source
        rows.append(
            (
                package.name,
                package.version,
                qualifiers.get("epoch", "0"),
                qualifiers.get("arch", "(none)"),
                f"{source.name}-{source.version}.src.rpm" if source else "(none)",
                package.supplier or "(none)",
                qualifiers.get("rpmmod", "(none)"),
            )
        )
    return sorted(rows)


def run(command: Sequence[str | Path], text: str | None = None) -> str:
    # rpm creates a database in the home folder of its user.
    with tempfile.TemporaryDirectory() as home:
        environment = {"PATH": os.environ["PATH"], "HOME": home, "LC_ALL": "C.UTF-8"}
        process = subprocess.run(
            command, check=False, capture_output=True, text=True, input=text, timeout=120, env=environment
        )
    assert process.returncode == 0, process.stdout + process.stderr
    return process.stdout
