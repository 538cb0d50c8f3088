"""Java libraries of Maven repositories. Artifacts of different groups have equal names."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, QueryName, keep_names
from kubekeep.model.package import Package


def _list_names(package: Package) -> tuple[QueryName, ...] | str:
    if not package.namespace:
        return "the group id is unknown, and advisories name group and artifact"
    return (QueryName(f"{package.namespace}:{package.name}", package.version),)


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="maven", normalise=keep_names),),
    catalogs=("java", "maven_files"),
    advisories=(Advisories(name="Maven", grype=("java-archive", "jenkins-plugin"), is_common=True),),
    version_scheme="maven.MAVEN",
    is_case_sensitive=True,
    list_names=_list_names,
)
