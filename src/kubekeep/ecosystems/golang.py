"""Go modules. The modules of Kubernetes itself have advisories of their own in addition."""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, QueryName, join_path, lower_names
from kubekeep.model.package import Package


def _list_names(package: Package) -> tuple[QueryName, ...] | str:
    """Return the path with the version as records have it: without `v`, and without `go` for the standard library."""
    path, version = join_path(package), package.version
    if path in ("stdlib", "toolchain", "std"):
        path = "stdlib" if path == "std" else path
        version = version.removeprefix("go")
    if version in ("(devel)", "devel", "unknown"):
        return "the version is unknown"
    return (QueryName(path, re.sub(r"^v(?=\d)", "", version)),)


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="golang", normalise=lower_names),),
    catalogs=("go", "go_files"),
    advisories=(
        Advisories(name="Go", grype=("go-module",), is_common=True),
        Advisories(name="Kubernetes", grype=(), prefix="k8s.io/"),
    ),
    version_scheme="go.GO",
    list_names=_list_names,
)
