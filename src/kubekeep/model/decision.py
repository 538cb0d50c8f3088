"""Decisions of people about findings: an accepted risk, a false positive, and what will or will not be fixed. Values only.

A decision selects findings by a scope, and has no row for each of them: it also counts for findings that come later, until it
ends. A finding is not changed by it: it is open until a scan no longer has it.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

import msgspec

from kubekeep.model.scanned_source import ANY_SOURCE


class DecisionKind(enum.StrEnum):
    """Kinds of decisions."""

    ACCEPTED_RISK = "accepted-risk"
    """The risk is known, and accepted for a time."""
    FALSE_POSITIVE = "false-positive"
    WILL_NOT_FIX = "will-not-fix"
    IN_PROGRESS = "in-progress"
    """Somebody works on it: the findings count as before."""

    @property
    def covers(self) -> bool:
        """True if findings of the decision no longer count as open ones."""
        return self is not DecisionKind.IN_PROGRESS


class DecisionState(enum.StrEnum):
    """States of decisions."""

    PROPOSED = "proposed"
    """It waits for the approval of a second person."""
    ACTIVE = "active"
    REJECTED = "rejected"
    ENDED = "ended"
    """Somebody has ended it."""
    EXPIRED = "expired"


class DecisionScope(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True, forbid_unknown_fields=True
):
    """Findings of definitions; each other field that is not empty limits them.

    definitions: keys, such as `C-0016` or `CVE-2021-44228`. sources: `*`, keys of sources, and beginnings of keys with `*` at the
    end. namespaces, kinds, names: of subjects. fingerprints: 16 hexadecimal digits, of one source. images: digests. repositories: of
    images, such as `ghcr.io/shop/web`. packages: package URLs without version and qualifiers, such as `pkg:deb/debian/openssl`.
    """

    definitions: tuple[str, ...]
    sources: tuple[str, ...] = (ANY_SOURCE,)
    namespaces: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    fingerprints: tuple[str, ...] = ()
    images: tuple[str, ...] = ()
    repositories: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()

    @property
    def is_limited_to_subjects(self) -> bool:
        """True if it selects some subjects, or some of their findings, and therefore no problem of an image."""
        return bool(self.namespaces or self.kinds or self.names or self.fingerprints)

    @property
    def is_limited_to_images(self) -> bool:
        """True if it selects problems of some images or packages only."""
        return bool(self.images or self.repositories or self.packages)

    @property
    def has_every_source(self) -> bool:
        """True if no source is left out."""
        return ANY_SOURCE in self.sources

    @property
    def selects_subjects(self) -> bool:
        """True if it selects findings of workloads and other subjects of sources."""
        return not self.is_limited_to_images

    @property
    def selects_images(self) -> bool:
        """True if it selects problems of images. An image is the same in all sources that have it."""
        return self.has_every_source and not self.is_limited_to_subjects

    def select_sources(self, keys: Iterable[str]) -> frozenset[str]:
        """Return the keys of the sources of which it contains findings."""
        exact = frozenset(self.sources)
        beginnings = tuple(scope.removesuffix(ANY_SOURCE) for scope in self.sources if scope.endswith(ANY_SOURCE))
        return frozenset(key for key in keys if key in exact or key.startswith(beginnings))

    def selects_source(self, key: str) -> bool:
        """Return True if it contains findings of a source."""
        return bool(self.select_sources([key]))

    def selects_finding(self, namespace: str, kind: str, name: str, fingerprint: str) -> bool:
        """Return True if it contains a finding of its sources and definitions. fingerprint: 16 hexadecimal digits."""
        return self.selects_subjects and all(
            not selected or value in selected
            for selected, value in (
                (self.namespaces, namespace),
                (self.kinds, kind),
                (self.names, name),
                (self.fingerprints, fingerprint),
            )
        )

    def selects_problem(self, digest: str, repositories: frozenset[str], purl: str) -> bool:
        """Return True if it contains a problem of an image of its definitions. repositories: of the image. purl: of the package."""
        return (
            self.selects_images
            and (not self.images or digest in self.images)
            and (not self.repositories or not repositories.isdisjoint(self.repositories))
            and (not self.packages or purl.partition("?")[0].partition("@")[0] in self.packages)
        )


class DecisionEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A decision in force, for a scan that applies it. expires: RFC 3339, UTC."""

    id: int
    kind: DecisionKind
    reason: str
    expires: str
    scope: DecisionScope


class LoadedDecisions(msgspec.Struct, frozen=True):
    """Decisions in force on a source. note: a sentence for people about a copy that is used; empty for current ones."""

    entries: tuple[DecisionEntry, ...] = ()
    note: str = ""
