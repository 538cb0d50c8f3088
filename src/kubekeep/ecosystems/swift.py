"""Swift packages, which are repositories. Records name their addresses in several forms."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, QueryName, join_path, keep_names
from kubekeep.model.package import Package


def _list_names(package: Package) -> tuple[QueryName, ...]:
    path = join_path(package)
    return tuple(QueryName(name, package.version) for name in (f"https://{path}", path, f"https://{path}.git"))


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="swift", normalise=keep_names),),
    catalogs=("swift",),
    advisories=(Advisories(name="SwiftURL", grype=("swift",)),),
    version_scheme="semver.SEMVER",
    list_names=_list_names,
)
