"""Version schemes by the names of ecosystems in OSV, and of the distributions that only Grype's database has. No I/O."""

from __future__ import annotations

import functools
import importlib
from collections.abc import Mapping

from kubekeep.ecosystems.shared.registry import load_ecosystems
from kubekeep.vulnerabilities.versions.scheme import VersionScheme

_VENDORS = ("docker hardened images", "echo", "root", "tuxcare")


def get_scheme(ecosystem: str) -> VersionScheme | None:
    """Return the scheme of an ecosystem with or without its release, as "Debian:12"; None if it is unknown.

    The packages of some vendors have the versions of the ecosystem behind the vendor, as "Root:Alpine:3.18".
    """
    name, _, release = ecosystem.partition(":")
    scheme = _list_schemes().get(name.strip().lower())
    if name.strip().lower() in _VENDORS:
        scheme = _list_schemes().get(release.partition(":")[0].strip().lower(), scheme)
    return load_scheme(scheme) if scheme else None


@functools.cache
def load_scheme(scheme: str) -> VersionScheme:
    """Import the module of a scheme, as "pep440.PEP440", on first use: most scans need one to three of them."""
    module, _, name = scheme.partition(".")
    loaded: VersionScheme = getattr(importlib.import_module(f"kubekeep.vulnerabilities.versions.{module}"), name)
    return loaded


@functools.cache
def _list_schemes() -> Mapping[str, str]:
    return {
        name.lower(): ecosystem.version_scheme
        for ecosystem in load_ecosystems().values()
        for advisories in ecosystem.advisories
        for name in (advisories.name, *advisories.other_names)
    }
