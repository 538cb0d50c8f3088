"""Images, which contain packages and are none."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Ecosystem, PackageType, keep_names, lower_name

ECOSYSTEM: Final = Ecosystem(
    types=(
        PackageType(name="oci", normalise=lower_name, has_caseless_versions=True),
        PackageType(name="docker", normalise=keep_names),
    ),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories="an image is assessed by its packages",
)
