"""Plug-ins and themes of WordPress in OSV. Package URLs have no type for them: the catalogue writes `generic`."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem

ECOSYSTEM: Final = Ecosystem(
    types=(),
    catalogs=("wordpress",),
    advisories=(Advisories(name="WordPress", grype=()),),
    version_scheme="semver.SEMVER",
)
