"""GitHub Actions, and repositories on GitHub, of which only those of actions have advisories. No catalogue reads them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, keep_names, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(
        PackageType(name="github", normalise=lower_names),
        PackageType(name="githubactions", normalise=keep_names),
    ),
    catalogs=(),
    advisories=(Advisories(name="GitHub Actions", grype=("github-action",)),),
    version_scheme="semver.SEMVER",
)
