"""Names of distributions in package URLs, and the names that other tools use. No I/O."""

from __future__ import annotations

from typing import Final

from kubekeep.model.package import Distribution

_NAMESPACES: Final = {
    "rhel": "redhat",
    "opensuse-leap": "opensuse",
    "opensuse-tumbleweed": "opensuse",
    "sled": "suse",
    "sles": "suse",
    "sles_sap": "suse",
    "suse-microos": "suse",
    "sle_hpc": "suse",
    "sl-micro": "suse",
}
"""Namespaces of package URLs that differ from the id in `os-release`: the names of the vendors, as they use themselves."""

_IDS: Final = {
    "alma": "almalinux",
    "amazon": "amzn",
    "azure": "azurelinux",
    "azure-linux": "azurelinux",
    "cbl-mariner": "mariner",
    "oracle": "ol",
    "oraclelinux": "ol",
    "redhat": "rhel",
    "red-hat": "rhel",
    "rocky-linux": "rocky",
    "rockylinux": "rocky",
    "opensuse.leap": "opensuse-leap",
    "opensuse.tumbleweed": "opensuse-tumbleweed",
    "suse linux enterprise server": "sles",
}
"""Ids of `os-release` by the names that other tools and advisories use."""


def package_namespace(distribution: Distribution) -> str:
    """Return the namespace of the package URLs of a distribution; empty if there is none."""
    return _NAMESPACES.get(distribution.id, distribution.id)


def distribution_qualifier(distribution: Distribution) -> str:
    """Return the value of the qualifier `distro`, as `debian-13`; a release without a number has its code name."""
    release = distribution.version_id or distribution.version_codename
    return f"{distribution.id}-{release}" if release else distribution.id


def normalise_namespace(namespace: str) -> str:
    """Return our namespace for the one in a package URL of another tool."""
    identifier = _IDS.get(namespace, namespace)
    return _NAMESPACES.get(identifier, identifier)


def normalise_qualifier(qualifier: str, namespace: str) -> str:
    """Return our value of the qualifier `distro`. Some tools write only the version: the namespace then completes it."""
    if qualifier[:1].isdigit():
        qualifier = f"{namespace}-{qualifier}"
    # The name may itself contain a hyphen: the version begins at the last hyphen before a digit.
    name, hyphen, version = qualifier.rpartition("-")
    if not hyphen or not version[:1].isdigit():
        name, version = qualifier, ""
    identifier = _IDS.get(name, name)
    return f"{identifier}-{version}" if version else identifier
