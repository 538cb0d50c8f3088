"""The kernel in OSV, which package URLs cannot name: the kernels of distributions are packages of these."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem

ECOSYSTEM: Final = Ecosystem(
    types=(),
    catalogs=(),
    advisories=(
        Advisories(name="Linux", grype=()),
        Advisories(name="Android", grype=()),
    ),
    version_scheme="rubygems.KERNEL",
)
