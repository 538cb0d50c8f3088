"""Extensions of Visual Studio Code, in SBOMs of other tools. No catalogue reads them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, QueryName, join_path, keep_names
from kubekeep.model.package import Package


def _list_names(package: Package) -> tuple[QueryName, ...]:
    """Return publisher and name, which records join with a dot."""
    return (QueryName(join_path(package).replace("/", "."), package.version),)


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="vscode-extension", normalise=keep_names),),
    catalogs=(),
    advisories=(Advisories(name="VSCode", grype=()),),
    version_scheme="semver.SEMVER",
    list_names=_list_names,
)
