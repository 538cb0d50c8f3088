"""Perl distributions, in SBOMs of other tools. OSV has no ecosystem of them."""

from __future__ import annotations

from typing import Final

from kubekeep.ecosystems.shared.ecosystem import NO_ADVISORIES, Ecosystem, PackageType


def _normalise(namespace: str, name: str) -> tuple[str, str]:
    """Return the author, whose id is in upper case, and the name."""
    return namespace.upper(), name


ECOSYSTEM: Final = Ecosystem(
    types=(PackageType(name="cpan", normalise=_normalise),),
    catalogs=(),
    advisories=(),
    version_scheme="",
    no_advisories=NO_ADVISORIES,
)
