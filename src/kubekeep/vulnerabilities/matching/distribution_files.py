"""Packages of languages in the folders of a distribution's package manager. No I/O.

Images of our own are read with the list of owned files. SBOMs of other tools list such packages twice: as a package of
the distribution with backported fixes, and as a package of the language whose version does not show them.
"""

from __future__ import annotations

import re
from typing import Final

from kubekeep.ecosystems.shared.registry import is_distribution_type
from kubekeep.model.package import Distribution, Package

_DEBIAN: Final = re.compile(
    r"/?usr/(?:lib/python3(?:\.\d+)?/dist-packages|share/python3-wheels|share/nodejs|lib/nodejs|share/npm"
    r"|share/rubygems-integration|share/maven-repo|share/java|share/perl5)/"
)
"""Folders that only packages of Debian and Ubuntu write; `pip` and `gem` write below /usr/local and /var/lib."""
_RED_HAT: Final = re.compile(r"/?usr/(?:lib(?:64)?/python\d+(?:\.\d+)?/site-packages|share/(?:gems|java|maven-repo))/")
"""The same of the family of Red Hat, where `pip` writes below /usr/local."""
_RED_HAT_IDS: Final = frozenset(("almalinux", "amzn", "centos", "fedora", "ol", "rhel", "rocky"))


def is_installed_by_distribution(package: Package, distribution: Distribution) -> bool:
    """Return True if all files that prove the package are in folders of the package manager."""
    # Packages with evidence were read from an image by ourselves, with the list of owned files.
    if package.evidence or is_distribution_type(package.type) or not package.locations or not distribution.id:
        return False
    if distribution.id in ("debian", "ubuntu") or "debian" in distribution.id_like:
        folders = _DEBIAN
    elif distribution.id in _RED_HAT_IDS:
        folders = _RED_HAT
    else:
        return False
    return all(folders.match(location.path) for location in package.locations)
