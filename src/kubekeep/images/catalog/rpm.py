"""Packages of rpm: the databases of Fedora, RHEL and its derivatives, SUSE, Amazon Linux, Photon and Azure Linux.

The three formats of databases have the same records. Packages get namespace and distribution when the layers are merged;
until then their dependencies are names of packages. Never verifies signatures.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from kubekeep.images.catalog.bounded import (
    MAX_FIELD,
    MAX_OWNED,
    MAX_PACKAGES,
    check_file_count,
    collect_packages,
    list_providers,
    open_content,
    resolve_names,
)
from kubekeep.images.catalog.licence_names import read_licence
from kubekeep.images.catalog.rpm_hash import iterate_hash_records
from kubekeep.images.catalog.rpm_header import (
    ARCHITECTURE,
    EPOCH,
    LICENCE,
    MODULARITY,
    NAME,
    PROVIDES,
    RELEASE,
    REQUIRES,
    SOURCE_RPM,
    VENDOR,
    VERSION,
    RpmHeader,
    read_header,
)
from kubekeep.images.catalog.rpm_ndb import iterate_ndb_records
from kubekeep.images.content import CatalogRecord, LayerFile
from kubekeep.model.package import Package, read_source_rpm

PATTERNS: Final = (
    "var/lib/rpm/{rpmdb.sqlite,Packages.db,Packages}",
    "usr/lib/sysimage/rpm/{rpmdb.sqlite,Packages.db,Packages}",
    "usr/share/rpm/{rpmdb.sqlite,Packages.db,Packages}",
    "{var/lib,usr/lib/sysimage,usr/share}/rpm/rpmdb.sqlite-wal",
)
_LOG_HEADER: Final = 32
"""Size in bytes of the header of a write-ahead log (SQLite file format, 4.1)."""
_PUBLIC_KEY: Final = "gpg-pubkey"
"""Name of the pseudo packages for imported keys."""


def read(file: LayerFile) -> CatalogRecord | None:
    """Return the installed packages and their files. Raises ValueError if a limit is exceeded or the file is damaged."""
    if file.path.endswith("-wal"):
        _refuse_log(file)
        return None
    headers: list[RpmHeader] = []
    paths_by_header: list[list[bytes]] = []
    remaining, text_count = MAX_OWNED, 0
    for record in _iterate_records(file):
        header = read_header(record)
        if header.text(NAME) == _PUBLIC_KEY:
            continue
        _check(header)
        text_count += sum(map(len, header.lists.values()))
        check_file_count(text_count)
        paths = header.take_paths(remaining)
        remaining -= sum(map(len, paths))
        headers.append(header)
        paths_by_header.append(paths)
        if len(headers) > MAX_PACKAGES:
            raise ValueError(f"more than {MAX_PACKAGES} packages")
    if not headers:
        return CatalogRecord(file.path, "rpm")
    providers = _list_providers(headers, paths_by_header)
    packages = collect_packages(_build_package(header, providers) for header in headers)
    owned = b"\n".join([b"\n".join(paths) for paths in paths_by_header if paths]).decode("utf-8", "replace")
    return CatalogRecord(file.path, "rpm", packages, owned=owned)


def _refuse_log(file: LayerFile) -> None:
    """Raise ValueError for a write-ahead log with changes: rpm empties it when it closes the database."""
    if file.spill or len(file.content) > _LOG_HEADER:
        raise ValueError(
            "packages may be missing: rpm has changes in this log that are not in the database; run rpm --rebuilddb in the image"
        )


def _iterate_records(file: LayerFile) -> Iterator[bytes]:
    """Yield all records. Raises ValueError if they are larger than the file: a damaged file could repeat a page."""
    with open_content(file) as content:
        if file.path.endswith("rpmdb.sqlite"):
            # Only images with this database need the module of SQLite.
            from kubekeep.images.catalog.rpm_sqlite import iterate_sqlite_records  # noqa: PLC0415

            records = iterate_sqlite_records(file)
        elif file.path.endswith("Packages.db"):
            records = iterate_ndb_records(content)
        else:
            records = iterate_hash_records(content)
        size = 0
        for record in records:
            size += len(record) + 1
            if size > len(content):
                raise ValueError(f"records of more than {len(content)} bytes, the size of the file")
            yield record


def _check(header: RpmHeader) -> None:
    name = header.text(NAME)
    if not name or not header.texts.get(VERSION):
        raise ValueError("rpm header without name or version")
    if max(map(len, header.texts.values())) > MAX_FIELD:
        raise ValueError(f"package {name[:80]} has a field of more than {MAX_FIELD} bytes")


def _list_providers(headers: Iterable[RpmHeader], paths_by_header: Iterable[list[bytes]]) -> dict[str, list[str]]:
    """Return package names by capability. A package also provides its files, as far as others require them."""
    headers = list(headers)
    required_paths = {
        capability[1:] for header in headers for capability in header.lists.get(REQUIRES, ()) if capability[:1] == b"/"
    }
    return list_providers(
        (
            header.text(NAME),
            [
                *[capability.decode("utf-8", "replace") for capability in header.lists.get(PROVIDES, ())],
                *[f"/{path.decode('utf-8', 'replace')}" for path in required_paths.intersection(paths)],
            ],
        )
        for header, paths in zip(headers, paths_by_header, strict=True)
    )


def _build_package(header: RpmHeader, providers: dict[str, list[str]]) -> Package:
    name, release = header.text(NAME), header.text(RELEASE)
    epoch = header.numbers.get(EPOCH, (0,))[:1]
    qualifiers = {
        "arch": header.text(ARCHITECTURE),
        # No epoch and epoch 0 are equal for rpm.
        "epoch": str(epoch[0]) if epoch and epoch[0] else "",
        "rpmmod": header.text(MODULARITY),
    }
    licence = read_licence(header.text(LICENCE))
    requires = [capability.decode("utf-8", "replace") for capability in header.lists.get(REQUIRES, ())]
    return Package(
        type="rpm",
        name=name,
        version=f"{header.text(VERSION)}-{release}" if release else header.text(VERSION),
        qualifiers=tuple([(key, value) for key, value in qualifiers.items() if value]),
        source=read_source_rpm(header.text(SOURCE_RPM)),
        licences=(licence,) if licence else (),
        supplier=header.text(VENDOR),
        dependencies=resolve_names(name, requires, providers),
        evidence="rpm database",
    )
