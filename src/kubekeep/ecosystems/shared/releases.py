"""Releases of distributions as advisories name them, and the builders that several distributions use. No I/O."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable

import msgspec

from kubekeep.model.package import Distribution


class DistributionRelease(msgspec.Struct, frozen=True):
    """The release of a distribution.

    ecosystem: without the release. label: the usual name, as "Debian:13". names: all names of the release in advisories.
    pattern: a regular expression for names by product, as those of SUSE; empty without one.
    """

    ecosystem: str
    label: str
    names: frozenset[str]
    pattern: str = ""

    def applies(self, ecosystem: str) -> bool:
        """Return True if advisories for `ecosystem` are about this release. A name without a release means all."""
        return ecosystem in self.names or ecosystem == self.ecosystem or self._matches(ecosystem)

    def _matches(self, ecosystem: str) -> bool:
        return bool(self.pattern) and _compile(self.pattern).match(ecosystem) is not None


class GrypeRelease(msgspec.Struct, frozen=True, array_like=True):
    """A release in the table `operating_systems` of Grype's database; the order is that of the query."""

    id: int
    name: str
    major: str
    minor: str
    label: str
    codename: str
    channel: str = ""


ReleaseBuilder = Callable[[Distribution], DistributionRelease | None]
"""Returns the release of the distribution of an image; None if its version names none."""
GrypeReleaseNamer = Callable[[str, GrypeRelease], str]
"""Returns the name in OSV of a release in Grype's database; "" for a release that is not used."""


def build_release(ecosystem: str, label: str, *others: str) -> DistributionRelease:
    """Return a release that advisories name `label`, or one of the others."""
    names = frozenset(f"{ecosystem}:{name}" for name in (label, *others))
    return DistributionRelease(ecosystem, f"{ecosystem}:{label}", names)


def build_major(ecosystem: str) -> ReleaseBuilder:
    """Return a builder for distributions whose advisories name the major version."""

    def build(system: Distribution) -> DistributionRelease | None:
        match = re.match(r"\d+", system.version_id)
        return build_release(ecosystem, match[0], f"{match[0]}.0") if match else None

    return build


def build_minor(ecosystem: str) -> ReleaseBuilder:
    """Return a builder for distributions whose advisories name major and minor version."""

    def build(system: Distribution) -> DistributionRelease | None:
        match = re.match(r"(\d+)(?:\.(\d+))?", system.version_id)
        if not match:
            return None
        minor = match[2] or "0"
        return build_release(ecosystem, f"{match[1]}.{minor}", *([match[1]] if minor == "0" else []))

    return build


def build_exact(ecosystem: str) -> ReleaseBuilder:
    """Return a builder for distributions whose advisories name the version of `os-release`."""
    return lambda system: build_release(ecosystem, system.version_id) if system.version_id else None


def build_without_release(ecosystem: str) -> ReleaseBuilder:
    """Return a builder for distributions whose advisories name no release."""
    return lambda _: DistributionRelease(ecosystem, ecosystem, frozenset((ecosystem,)))


def name_major(ecosystem: str, release: GrypeRelease) -> str:
    """Return the name by the major version."""
    return f"{ecosystem}:{release.major}" if release.major and not release.channel else ""


def name_minor(ecosystem: str, release: GrypeRelease) -> str:
    """Return the name by major and minor version."""
    return f"{ecosystem}:{release.major}.{release.minor or '0'}" if release.major and not release.channel else ""


def name_without_release(ecosystem: str, _: GrypeRelease) -> str:
    """Return the ecosystem, whose advisories name no release."""
    return ecosystem


@functools.lru_cache(maxsize=256)
def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
