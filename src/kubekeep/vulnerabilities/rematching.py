"""Rematching of an inventory after a change of advisories: only packages whose advisories changed are matched again.

The result is what changed in each image since the last match. Never reads an image.
"""

from __future__ import annotations

import collections
import datetime as dt
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from kubekeep.images.package import Distribution, Package
from kubekeep.images.package_url import format_package_url
from kubekeep.vulnerabilities.inventory import (
    InventoryEntry,
    MatchedEntry,
    PackageContext,
    PackageInventory,
    StoredVulnerability,
    UnassessedPackages,
)
from kubekeep.vulnerabilities.source import AdvisorySource
from kubekeep.vulnerabilities.vulnerability import Vulnerability, VulnerabilityReport


class ChangingSource(AdvisorySource, Protocol):
    """A source of advisories that knows what changed in it."""

    def get_token(self, ecosystem: str) -> str:
        """Return a token of the present state of an ecosystem; "" without data for it."""

    def list_changes(self, ecosystem: str, since: str) -> frozenset[str] | None:
        """Return the normalised names whose advisories changed since a token; None if any may have changed."""


class Matcher(Protocol):
    """Function that matches packages with advisories."""

    def __call__(
        self,
        packages: Sequence[Package],
        distribution: Distribution,
        source: AdvisorySource,
        *,
        today: dt.date,
        platform: str = "",
    ) -> VulnerabilityReport:
        """Return the vulnerabilities of packages and the packages that were not assessed."""


class ChangedVulnerability(msgspec.Struct, frozen=True):
    """A vulnerability before and after a change of its severity, fix or state."""

    before: StoredVulnerability
    after: StoredVulnerability


class ImageChanges(msgspec.Struct, frozen=True):
    """Changes of the vulnerabilities of an image since the last match. names: of the image, if they are known."""

    digest: str
    names: tuple[str, ...] = ()
    new: tuple[StoredVulnerability, ...] = ()
    changed: tuple[ChangedVulnerability, ...] = ()
    resolved: tuple[StoredVulnerability, ...] = ()


class RematchReport(msgspec.Struct, frozen=True):
    """The changes of all images.

    images: those with changes, by name. image_count: images of the inventory. matched: packages that were matched,
    equal ones once. not_assessed: all packages without an answer. all_matched: ecosystems whose packages were all
    matched, because the advisories of the last match are unknown.
    """

    images: tuple[ImageChanges, ...] = ()
    image_count: int = 0
    matched: int = 0
    not_assessed: tuple[UnassessedPackages, ...] = ()
    all_matched: tuple[str, ...] = ()


def rematch(
    inventory: PackageInventory,
    source: ChangingSource,
    match: Matcher,
    *,
    today: dt.date,
    names: Mapping[str, Sequence[str]],
) -> RematchReport:
    """Match the packages whose advisories changed since the last match, and record the result.

    names: of the images by digest. Raises StateError.
    """
    known_tokens = inventory.get_tokens()
    # Before the advisories are read: a change in between is found again by the next match, never lost.
    tokens = {ecosystem: source.get_token(ecosystem) for ecosystem in inventory.list_ecosystems()}
    changes: dict[str, frozenset[str] | None] = {}
    for ecosystem, token in tokens.items():
        known = known_tokens.get(ecosystem)
        if known != token:
            changes[ecosystem] = source.list_changes(ecosystem, known) if known else None
    signals = source.get_signals(inventory.list_vulnerability_names())
    exploited = [name for name, signal in signals.items() if signal.known_exploited]
    matched: dict[int, MatchedEntry] = {}
    for context, entries in inventory.iterate_affected(changes, exploited):
        matched |= _match(context, entries, source, match, today)
    images = _compare(inventory, {entry: result.vulnerabilities for entry, result in matched.items()}, names)
    inventory.record_match(matched, tokens)
    return RematchReport(
        images=images,
        image_count=len(inventory.list_images()),
        matched=len(matched),
        not_assessed=inventory.count_unassessed(),
        all_matched=tuple(ecosystem for ecosystem, changed in changes.items() if changed is None),
    )


def _match(
    context: PackageContext, entries: Sequence[InventoryEntry], source: AdvisorySource, match: Matcher, today: dt.date
) -> dict[int, MatchedEntry]:
    """Return the results by entry, also of entries without vulnerabilities."""
    vulnerabilities: dict[int, list[StoredVulnerability]] = {entry.id: [] for entry in entries}
    reasons: dict[int, tuple[str, bool]] = {}
    by_package = {entry.package: entry.id for entry in entries}
    report = match(list(by_package), context.distribution, source, today=today, platform=context.platform)
    for vulnerability in report.vulnerabilities:
        vulnerabilities[by_package[vulnerability.package]].append(_summarise(vulnerability))
    for gap in report.not_assessed:
        reasons |= {by_package[package]: (gap.reason, gap.is_incomplete) for package in gap.packages}
    return {entry: MatchedEntry(tuple(own), *reasons.get(entry, ("", False))) for entry, own in vulnerabilities.items()}


def _summarise(vulnerability: Vulnerability) -> StoredVulnerability:
    return StoredVulnerability(
        id=vulnerability.id,
        purl=format_package_url(vulnerability.package),
        level=vulnerability.rating.level.name.lower(),
        fixed_version=vulnerability.fixed_version,
        known_exploited=vulnerability.signal.known_exploited,
        is_suppressed=vulnerability.is_suppressed,
    )


def _compare(
    inventory: PackageInventory,
    matched: Mapping[int, Sequence[StoredVulnerability]],
    names: Mapping[str, Sequence[str]],
) -> tuple[ImageChanges, ...]:
    """Return the changes by image, in the order of their names."""
    before = inventory.list_vulnerabilities(matched)
    differing = [entry for entry, after in matched.items() if {*after} != {*before.get(entry, ())}]
    images: dict[str, list[int]] = collections.defaultdict(list)
    for entry, digests in inventory.list_images_of(differing).items():
        for digest in digests:
            images[digest].append(entry)
    changes = [_compare_image(digest, entries, before, matched, names) for digest, entries in images.items()]
    return tuple(sorted(changes, key=lambda one: (one.names[:1], one.digest)))


def _compare_image(
    digest: str,
    entries: Sequence[int],
    before: Mapping[int, Sequence[StoredVulnerability]],
    after: Mapping[int, Sequence[StoredVulnerability]],
    names: Mapping[str, Sequence[str]],
) -> ImageChanges:
    old = {(one.id, one.purl): one for entry in entries for one in before.get(entry, ())}
    new = {(one.id, one.purl): one for entry in entries for one in after.get(entry, ())}
    return ImageChanges(
        digest=digest,
        names=tuple(names.get(digest, ())),
        new=tuple(new[key] for key in sorted(new.keys() - old.keys())),
        changed=tuple(
            ChangedVulnerability(old[key], new[key]) for key in sorted(new.keys() & old.keys()) if old[key] != new[key]
        ),
        resolved=tuple(old[key] for key in sorted(old.keys() - new.keys())),
    )
