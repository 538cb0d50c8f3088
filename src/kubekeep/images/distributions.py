"""Names of distributions in package URLs, and the names that other tools use. No I/O."""

from __future__ import annotations

import functools
from collections.abc import Mapping

from kubekeep.ecosystems.shared.registry import index_distributions
from kubekeep.model.package import Distribution


def package_namespace(distribution: Distribution) -> str:
    """Return the namespace of the package URLs of a distribution; empty if there is none."""
    return _get_namespace(distribution.id)


def distribution_qualifier(distribution: Distribution) -> str:
    """Return the value of the qualifier `distro`, as `debian-13`; a release without a number has its code name."""
    release = distribution.version_id or distribution.version_codename
    return f"{distribution.id}-{release}" if release else distribution.id


def normalise_namespace(namespace: str) -> str:
    """Return our namespace for the one in a package URL of another tool."""
    return _get_namespace(_list_ids().get(namespace, namespace))


def normalise_qualifier(qualifier: str, namespace: str) -> str:
    """Return our value of the qualifier `distro`. Some tools write only the version: the namespace then completes it."""
    if qualifier[:1].isdigit():
        qualifier = f"{namespace}-{qualifier}"
    # The name may itself contain a hyphen: the version begins at the last hyphen before a digit.
    name, hyphen, version = qualifier.rpartition("-")
    if not hyphen or not version[:1].isdigit():
        name, version = qualifier, ""
    identifier = _list_ids().get(name, name)
    return f"{identifier}-{version}" if version else identifier


def _get_namespace(identifier: str) -> str:
    """Return the namespace of package URLs for an id: the names of the vendors, as they use themselves."""
    distribution = index_distributions().get(identifier)
    return (distribution.namespace if distribution else "") or identifier


@functools.cache
def _list_ids() -> Mapping[str, str]:
    """Return the ids of `os-release` by the names that other tools and advisories use."""
    return {name: entry.id for entry in index_distributions().values() for name in entry.other_ids}
