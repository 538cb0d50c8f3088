"""Programs and runtimes without a registry. Those that Bitnami packs unchanged are compared with its advisories.

The versions of Bitnami's records are those of the projects, so that they are about builds from source as well.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.ecosystem import (
    NO_ADVISORIES,
    BorrowedAdvisories,
    Ecosystem,
    PackageType,
    QueryName,
    keep_names,
)
from kubekeep.model.package import Package

_BITNAMI_NAMES: Final = {
    name: name
    for name in (
        "curl",
        "deno",
        "haproxy",
        "lighttpd",
        "mariadb",
        "memcached",
        "mosquitto",
        "mysql",
        "nginx",
        "node",
        "openresty",
        "openssl",
        "perl",
        "php",
        "postgresql",
        "python",
        "redis",
        "ruby",
        "sqlite",
        "valkey",
        "varnish",
        "zlib",
    )
} | {"httpd": "apache", "openjdk": "java"}
_NUMBERS: Final = re.compile(r"\d+(?:\.\d+)*")
_JAVA_8: Final = re.compile(r"1\.(\d+)\.0(?:_(\d+))?(?:-.*)?")
_JAVA: Final = re.compile(r"(\d+(?:\.\d+)*)(?:\+.*)?")


def _list_names(package: Package) -> tuple[QueryName, ...] | str:
    name = "" if package.namespace else _BITNAMI_NAMES.get(package.name, "")
    if not name:
        return ()
    if name == "java":
        match = _JAVA_8.fullmatch(package.version)
        version = f"{match[1]}.0.{match[2] or 0}" if match else _JAVA.sub(r"\1", package.version)
    else:
        version = package.version
    # Letters are releases for OpenSSL and pre-releases for others: Bitnami's records have numbers only.
    if not _NUMBERS.fullmatch(version):
        return f"the version {package.version} has no place among the versions of Bitnami"
    return (QueryName(name, version),)


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="generic", normalise=keep_names),),
    catalogs=("beam", "binaries", "java", "r", "wordpress"),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
    borrowed=BorrowedAdvisories(name="Bitnami", list_names=_list_names),
)
