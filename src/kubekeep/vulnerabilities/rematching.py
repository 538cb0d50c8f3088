"""Rematching of an inventory after a change of advisories: only packages whose advisories changed are matched again.

The result is what changed in each image since the last match. Never reads an image, and never applies a VEX document or
an exception itself: the caller adds their suppressions.
"""

from __future__ import annotations

import collections
import datetime as dt
import functools
import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, Protocol

import msgspec

from kubekeep import _native
from kubekeep.images.package_url import format_package_url
from kubekeep.images.sbom.identity import identify
from kubekeep.model.package import Distribution, Package
from kubekeep.model.vulnerability import Vulnerability, VulnerabilityReport
from kubekeep.vulnerabilities.database.age import describe_old, list_old
from kubekeep.vulnerabilities.inventory import (
    AffectedEntries,
    MatchedEntry,
    NameLister,
    PackageInventory,
    StoredVulnerability,
    Suppressions,
    UnassessedPackages,
)
from kubekeep.vulnerabilities.matching.go_imports import UsedSymbols
from kubekeep.vulnerabilities.matching.merge import list_cves
from kubekeep.vulnerabilities.source import AdvisorySource

_PROGRAM: Final = ""
"""Key of the version of the matching among the tokens of ecosystems."""
_RATINGS: Final = "*"
"""Key of the state of all advisories among the tokens: records of any ecosystem may rate a flaw."""
_MATCHING_FILES: Final = (
    *("vulnerabilities/*.py", "vulnerabilities/matching/*.py", "vulnerabilities/versions/*.py"),
    *("vulnerabilities/severity/*.py", "ecosystems/*.py", "ecosystems/shared/*.py"),
)


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
        fixed_by_changelog: Mapping[str, frozenset[str]] | None = None,
        used_symbols: UsedSymbols | None = None,
    ) -> VulnerabilityReport:
        """Return the vulnerabilities of packages and the packages that were not assessed."""


class ChangedVulnerability(msgspec.Struct, frozen=True):
    """A vulnerability before and after a change of its severity, fix or suppression."""

    before: StoredVulnerability
    after: StoredVulnerability


class ImageChanges(msgspec.Struct, frozen=True):
    """Changes of the vulnerabilities of an image since the last match. names: of the image, if they are known."""

    digest: str
    names: tuple[str, ...] = ()
    new: tuple[StoredVulnerability, ...] = ()
    changed: tuple[ChangedVulnerability, ...] = ()
    resolved: tuple[StoredVulnerability, ...] = ()

    @property
    def opened(self) -> tuple[StoredVulnerability, ...]:
        """The vulnerabilities that count now and did not before: new ones, and those that are no longer suppressed."""
        reopened = (
            change.after for change in self.changed if change.before.is_suppressed and not change.after.is_suppressed
        )
        return (*(one for one in self.new if not one.is_suppressed), *reopened)


class RematchReport(msgspec.Struct, frozen=True):
    """The changes of all images.

    images: those with changes, by name. image_count: images of the inventory. matched: packages that were matched,
    equal ones once. not_assessed: all packages without an answer. all_matched: ecosystems whose packages were all
    matched, because the advisories of the last match are unknown. outdated: names of images that another version of the
    program read. incomplete: names of images with parts that could not be read. is_first: True if there was no match before
    to compare with, so that all vulnerabilities are listed as new.
    """

    images: tuple[ImageChanges, ...] = ()
    image_count: int = 0
    matched: int = 0
    not_assessed: tuple[UnassessedPackages, ...] = ()
    all_matched: tuple[str, ...] = ()
    outdated: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    is_first: bool = False

    @property
    def is_incomplete(self) -> bool:
        """True if a scan of the same images could find more."""
        return bool(self.outdated or self.incomplete) or any(gap.is_incomplete for gap in self.not_assessed)


class Rematch:
    """A match of the packages whose advisories changed since the last match. Nothing is written until `record`.

    version: of the matching; after a change of it, all packages are matched. Raises StateError.
    """

    def __init__(
        self, inventory: PackageInventory, source: ChangingSource, *, version: str, names: NameLister, now: dt.datetime
    ) -> None:
        self._inventory = inventory
        self._source = source
        self._now = now
        known = inventory.get_tokens()
        self._is_first = not known
        if known and known.get(_PROGRAM) != version:
            inventory.reset_matches(names)
            known = {}
        # Before the advisories are read: a change in between is found again by the next match, never lost.
        tokens = {ecosystem: source.get_token(ecosystem) for ecosystem in inventory.list_ecosystems()}
        self._tokens = {**tokens, _PROGRAM: version, _RATINGS: _get_ratings_token(source)}
        self._has_new_ratings = known.get(_RATINGS) != self._tokens[_RATINGS]
        self._changes: dict[str, frozenset[str] | None] = {
            ecosystem: source.list_changes(ecosystem, known[ecosystem]) if known.get(ecosystem) else None
            for ecosystem, token in tokens.items()
            if known.get(ecosystem) != token
        }
        self._matched: dict[int, MatchedEntry] = {}
        self._suppressions: Suppressions = {}

    def match(self, match: Matcher) -> None:
        """Match the packages."""
        inventory = self._inventory
        signals = self._source.get_signals(inventory.list_cves())
        exploited = {cve: signal.known_exploited for cve, signal in signals.items() if signal.known_exploited}
        entries = inventory.find_entries(self._changes, exploited, has_new_ratings=self._has_new_ratings)
        for group in inventory.iterate_entries(entries):
            self._matched |= _match(group, inventory.load_symbols(group.facts), self._source, match, self._now.date())

    def is_current(self, source: ChangingSource) -> bool:
        """Return True if a source has the advisories that were matched."""
        tokens = {ecosystem: source.get_token(ecosystem) for ecosystem in self._tokens.keys() - {_PROGRAM, _RATINGS}}
        return self._tokens == {**tokens, _PROGRAM: self._tokens[_PROGRAM], _RATINGS: _get_ratings_token(source)}

    def list_results(self) -> Mapping[str, frozenset[bytes]]:
        """Return the digests of the packages with vulnerabilities or without an answer, by digest of the image."""
        entries = self._inventory.list_results() - self._matched.keys()
        entries |= {entry for entry, result in self._matched.items() if not result.is_empty}
        return self._inventory.list_digests(entries)

    def compare(
        self,
        names: Mapping[str, Sequence[str]],
        *,
        suppressions: Suppressions | None = None,
        maximum_age: dt.timedelta | None = None,
        outdated: Iterable[str] = (),
    ) -> RematchReport:
        """Return the changes since the last match.

        names: of the images by digest. suppressions: of all vulnerabilities of all images that are suppressed; None if
        only changelogs suppress any. maximum_age: of advisories. outdated: digests of images that another version read.
        """
        inventory = self._inventory
        images, self._suppressions = _Comparison(inventory, self._matched, suppressions).compare(names)
        return RematchReport(
            images=images,
            image_count=len(inventory.list_images()),
            matched=len(self._matched),
            not_assessed=(*self._count_unassessed(), *self._list_old(maximum_age)),
            all_matched=tuple(ecosystem for ecosystem, changed in self._changes.items() if changed is None),
            outdated=_list_names(outdated, names),
            incomplete=_list_names(inventory.count_problems(), names),
            is_first=self._is_first,
        )

    def record(self) -> None:
        """Write the results, after `compare`: the next match begins with them."""
        self._inventory.record_match(self._matched, self._tokens, self._suppressions)

    def _count_unassessed(self) -> Iterator[UnassessedPackages]:
        """Yield the numbers of packages that were not assessed, the most frequent reason first."""
        reasons = dict(self._inventory.list_unassessed())
        reasons |= {entry: (result.reason, result.is_incomplete) for entry, result in self._matched.items()}
        counts = collections.Counter(reason for reason in reasons.values() if reason[0])
        for (reason, is_incomplete), count in sorted(counts.items(), key=lambda pair: (-pair[1], pair[0])):
            yield UnassessedPackages(reason, count, is_incomplete)

    def _list_old(self, maximum: dt.timedelta | None) -> Iterator[UnassessedPackages]:
        """Yield the packages whose advisories are too old, as a scan does."""
        if maximum is None:
            return
        for state in list_old(self._source.get_states(), maximum, self._now):
            if count := self._inventory.count_packages(state.ecosystem):
                yield UnassessedPackages(describe_old(state, maximum), count, is_incomplete=True)


def _get_ratings_token(source: ChangingSource) -> str:
    tokens = sorted((ecosystem, source.get_token(ecosystem)) for ecosystem in source.get_states())
    return hashlib.blake2b(repr(tokens).encode(), digest_size=16).hexdigest()


def _list_names(digests: Iterable[str], names: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Return the first name of each image."""
    return tuple(sorted(names[digest][0] for digest in digests if names.get(digest)))


def _match(
    group: AffectedEntries, symbols: UsedSymbols | None, source: AdvisorySource, match: Matcher, today: dt.date
) -> dict[int, MatchedEntry]:
    """Return the results by entry, also of entries without vulnerabilities."""
    vulnerabilities: dict[int, list[StoredVulnerability]] = {entry.id: [] for entry in group.entries}
    reasons: dict[int, tuple[str, bool]] = {}
    by_package = {entry.package: entry.id for entry in group.entries}
    fixed = frozenset(group.facts.fixed)
    report = match(
        list(by_package),
        group.context.distribution,
        source,
        today=today,
        platform=group.context.platform,
        fixed_by_changelog={identify(package): fixed for package in by_package} if fixed else None,
        used_symbols=symbols,
    )
    for vulnerability in report.vulnerabilities:
        vulnerabilities[by_package[vulnerability.package]].append(_summarise(vulnerability))
    for gap in report.not_assessed:
        for package in gap.packages:
            reasons.setdefault(by_package[package], (gap.reason, gap.is_incomplete))
    return {entry: MatchedEntry(tuple(own), *reasons.get(entry, ("", False))) for entry, own in vulnerabilities.items()}


def _summarise(vulnerability: Vulnerability) -> StoredVulnerability:
    vex = vulnerability.vex
    return StoredVulnerability(
        id=vulnerability.id,
        purl=format_package_url(vulnerability.package),
        level=vulnerability.rating.level.name.lower(),
        fixed_version=vulnerability.fixed_version,
        known_exploited=vulnerability.signal.known_exploited,
        cves=tuple(list_cves(vulnerability)),
        suppression=f"{vex.origin}: {vex.text}" if vex is not None and vulnerability.is_suppressed else "",
        has_own_rating=vulnerability.rating.source.partition(" ")[0] in {record.id for record in vulnerability.records},
    )


_Key = tuple[str, str]
"""Id of a vulnerability and package URL."""


class _Comparison:
    """The vulnerabilities of images before and after a match that is not recorded yet."""

    def __init__(
        self, inventory: PackageInventory, matched: Mapping[int, MatchedEntry], suppressions: Suppressions | None
    ) -> None:
        self._inventory = inventory
        self._matched = matched
        self._unreported = inventory.list_unreported()
        self._before = inventory.list_vulnerabilities(matched)
        self._old = inventory.get_suppressions()
        self._new = suppressions
        self._differing: dict[tuple[str, str, str], str] = {}

    def compare(self, names: Mapping[str, Sequence[str]]) -> tuple[tuple[ImageChanges, ...], Suppressions]:
        """Return the changes by image, in the order of their names, and the suppressions that packages do not have."""
        differing = [
            entry
            for entry, result in self._matched.items()
            if {*result.vulnerabilities} != {*self._before.get(entry, ())}
        ]
        digests = {digest for own in self._inventory.list_images_of(differing).values() for digest in own}
        digests |= self._unreported.keys() | {digest for digest, _, _ in self._old}
        if self._new is not None:
            # A package may be suppressed by its changelog, and not in an image with a later statement.
            digests |= set(self._inventory.list_images())
        elif not digests:
            return (), {}
        entries = self._list_entries(digests)
        known = self._inventory.list_vulnerabilities({entry for own in entries.values() for entry in own})
        changes = [
            self._compare_image(digest, entries[digest], known, names.get(digest, ())) for digest in sorted(digests)
        ]
        changed = [change for change in changes if change.new or change.changed or change.resolved]
        return tuple(sorted(changed, key=lambda one: (one.names[:1], one.digest))), self._differing

    def _list_entries(self, digests: Iterable[str]) -> dict[str, set[int]]:
        """Return the entries with vulnerabilities before or after, by image."""
        entries: dict[str, set[int]] = collections.defaultdict(set)
        for digest, known in self._inventory.list_vulnerable(digests).items():
            entries[digest] |= known
        vulnerable = [entry for entry, result in self._matched.items() if result.vulnerabilities]
        for entry, own in self._inventory.list_images_of(vulnerable).items():
            for digest in own:
                entries[digest].add(entry)
        return entries

    def _compare_image(
        self,
        digest: str,
        entries: Iterable[int],
        known: Mapping[int, Sequence[StoredVulnerability]],
        names: Sequence[str],
    ) -> ImageChanges:
        before, after = self._collect(entries, known)
        if digest in self._unreported:
            before = {(one.id, one.purl): one for one in self._unreported[digest]}
        old = {key: _suppress(one, self._old.get((digest, *key), one.suppression)) for key, one in before.items()}
        new = {key: self._apply(digest, one) for key, one in after.items()}
        return ImageChanges(
            digest=digest,
            names=tuple(names),
            new=tuple(new[key] for key in sorted(new.keys() - old.keys())),
            changed=tuple(
                ChangedVulnerability(old[key], new[key])
                for key in sorted(new.keys() & old.keys())
                if _has_changed(old[key], new[key])
            ),
            resolved=tuple(old[key] for key in sorted(old.keys() - new.keys())),
        )

    def _collect(
        self, entries: Iterable[int], known: Mapping[int, Sequence[StoredVulnerability]]
    ) -> tuple[dict[_Key, StoredVulnerability], dict[_Key, StoredVulnerability]]:
        """Return the vulnerabilities of packages before and after the match."""
        before: dict[_Key, StoredVulnerability] = {}
        after: dict[_Key, StoredVulnerability] = {}
        for entry in entries:
            result = self._matched.get(entry)
            own = known.get(entry, ())
            before |= {(one.id, one.purl): one for one in own}
            after |= {(one.id, one.purl): one for one in (own if result is None else result.vulnerabilities)}
        return before, after

    def _apply(self, digest: str, one: StoredVulnerability) -> StoredVulnerability:
        """Return a vulnerability with its suppression in an image."""
        if self._new is None:
            return one
        text = self._new.get((digest, one.id, one.purl), "")
        if text != one.suppression:
            self._differing[digest, one.id, one.purl] = text
        return _suppress(one, text)


def _suppress(one: StoredVulnerability, text: str) -> StoredVulnerability:
    return one if one.suppression == text else msgspec.structs.replace(one, suppression=text)


def _has_changed(before: StoredVulnerability, after: StoredVulnerability) -> bool:
    """Return True if severity, fix, exploitation or the state of suppression differ; the reason alone is no change."""
    return before.is_suppressed != after.is_suppressed or any(
        getattr(before, field) != getattr(after, field) for field in ("level", "fixed_version", "known_exploited")
    )


@functools.cache
def compute_matching_version() -> str:
    """Return a text that changes with the code of the matching: other code may give other results for the same packages."""
    folder = Path(__file__).parent.parent
    digest = hashlib.blake2b(_native.VERSION.encode(), digest_size=16)
    for pattern in _MATCHING_FILES:
        for path in sorted(folder.glob(pattern)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
