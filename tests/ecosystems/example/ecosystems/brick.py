"""An ecosystem that only tests define: its names are case-sensitive, and records join both parts with `::`."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, QueryName, lower_namespace
from kubekeep.model.package import Package


def _list_names(package: Package) -> tuple[QueryName, ...]:
    return (QueryName(f"{package.namespace}::{package.name}", package.version),)


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="brick", normalise=lower_namespace),),
    catalogs=("brick",),
    advisories=(Advisories(name="Bricks", grype=("brick-box",)),),
    version_scheme="dpkg.DPKG",
    is_case_sensitive=True,
    list_names=_list_names,
)
