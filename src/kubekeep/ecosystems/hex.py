"""Elixir and Erlang packages of Hex. The namespace is an organisation, which records do not name."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import Advisories, Ecosystem, PackageType, list_name, lower_names

ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="hex", normalise=lower_names),),
    catalogs=("beam",),
    advisories=(
        Advisories(
            name="Hex",
            grype=(
                "hex",
                "erlang-otp",
            ),
        ),
    ),
    version_scheme="semver.SEMVER",
    list_names=list_name,
)
