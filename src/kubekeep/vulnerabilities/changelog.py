"""CVEs that the changelogs of installed Debian packages name as fixed: a second opinion on backports. No I/O.

`images.catalog.debian_changelog` reads the changelogs. Never decides if a package is affected.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import FixedVulnerabilities, Package
from kubekeep.vulnerabilities.versions.dpkg import DPKG
from kubekeep.vulnerabilities.versions.scheme import InvalidVersionError


def find_fixed(packages: Iterable[Package], entries: Iterable[FixedVulnerabilities]) -> dict[str, frozenset[str]]:
    """Return the CVEs that changelogs name as fixed in the installed versions, by reference of the package."""
    by_source: dict[str, list[FixedVulnerabilities]] = {}
    for entry in entries:
        by_source.setdefault(entry.source, []).append(entry)
    return {
        identify(package): fixed
        for package in packages
        if package.type == "deb"
        and package.source is not None
        and (fixed := list_fixed(by_source.get(package.source.name, ()), package.source.version))
    }


def list_fixed(entries: Sequence[FixedVulnerabilities], version: str) -> frozenset[str]:
    """Return the CVEs that entries of one source package, the newest first, name as fixed in `version` or before."""
    fixed: set[str] = set()
    for entry in reversed(entries):
        if _is_installed(entry, version):
            fixed = (fixed | set(entry.fixed)) - set(entry.reverted)
    return frozenset(fixed)


def _is_installed(entry: FixedVulnerabilities, version: str) -> bool:
    try:
        return DPKG.compare(entry.version, version) <= 0
    except InvalidVersionError:
        return False
