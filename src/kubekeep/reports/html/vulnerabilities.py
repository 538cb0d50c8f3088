"""Content of the section on vulnerabilities: a summary of each image and SBOM, and rows for the script of the page.

Computes no advice: `shared.affected_packages` lists the upgrades.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Final

import msgspec

from kubekeep.model.severity import Severity
from kubekeep.reports.shared.affected_packages import UpgradeRow, get_level, list_upgrades
from kubekeep.reports.shared.content import LEVELS
from kubekeep.reports.shared.vulnerabilities import ReportedVulnerability, VulnerableSubject
from kubekeep.reports.shared.vulnerability_text import (
    describe_exploitation,
    describe_record,
    describe_status,
    describe_step,
    link_to,
)

_DESCRIPTION: Final = 600
"""Characters of a description; its links lead to the whole text."""
_LINKS: Final = 6
_LINK: Final = re.compile(r"https?://[^\s]+\Z")
_NO_LAYER: Final = -1
_NO_SCORE: Final = -1
"""Score of a vulnerability that has only a word."""


class LayerRow(msgspec.Struct, frozen=True):
    """A layer with the instruction that made it and the numbers of its open vulnerabilities, highest priority first."""

    digest: str
    instruction: str
    counts: tuple[int, ...]


class ImagePart(msgspec.Struct, frozen=True):
    """An image or SBOM with figures of its open vulnerabilities. counts: by priority, highest first."""

    subject: VulnerableSubject
    counts: tuple[tuple[Severity, int], ...]
    fixable: int
    exploited: int
    upgrades: tuple[UpgradeRow, ...]
    layers: tuple[LayerRow, ...]


def build_parts(subjects: Iterable[VulnerableSubject]) -> tuple[ImagePart, ...]:
    """Return the parts, the one with the most urgent vulnerabilities first."""
    parts = [_build_part(subject) for subject in subjects]
    return tuple(sorted(parts, key=lambda part: ([-count for _, count in part.counts], part.subject.reference)))


def _build_part(subject: VulnerableSubject) -> ImagePart:
    entries = subject.open
    counts = Counter(map(get_level, entries))
    return ImagePart(
        subject=subject,
        counts=tuple((level, counts[level]) for level in LEVELS),
        fixable=sum(entry.is_fixable for entry in entries),
        exploited=sum(bool(entry.known_exploited) for entry in entries),
        upgrades=tuple(list_upgrades(subject)),
        layers=tuple(_list_layers(subject, entries)),
    )


def _list_layers(subject: VulnerableSubject, entries: Iterable[ReportedVulnerability]) -> Iterator[LayerRow]:
    """Yield the layers with open vulnerabilities in the order of the image."""
    by_layer: dict[str, Counter[Severity]] = {}
    for entry in entries:
        by_layer.setdefault(entry.layer, Counter())[get_level(entry)] += 1
    for digest in _list_digests(subject):
        if digest in by_layer:
            counts = tuple(by_layer[digest][level] for level in LEVELS)
            yield LayerRow(digest, subject.layers.get(digest, ""), counts)


def _list_digests(subject: VulnerableSubject) -> list[str]:
    """Return the digests of layers, those of the history first, without packages that belong to none."""
    others = sorted({entry.layer for entry in subject.vulnerabilities} - subject.layers.keys() - {""})
    return [*subject.layers, *others]


class VulnerabilityTables:
    """Tables of the script data about vulnerabilities; `text` returns the number of a text in the table of texts."""

    def __init__(self, text: Callable[[str], int]) -> None:
        self._text = text
        self._packages: dict[tuple[Any, ...], int] = {}
        self._advisories: dict[tuple[Any, ...], int] = {}
        self._images: list[list[Any]] = []

    def list_rows(self, parts: Iterable[ImagePart]) -> Iterator[list[Any]]:
        """Yield a row for each open vulnerability.

        Package, advisory, fixed version, next step, level and score of the priority, reason, evidence, notes and status of
        the VEX statement.
        """
        for part in parts:
            digests = _list_digests(part.subject)
            layers = [[self._text(part.subject.layers.get(digest, "")), self._text(digest)] for digest in digests]
            self._images.append([self._text(part.subject.reference), layers])
            numbers = {digest: number for number, digest in enumerate(digests)}
            for entry in part.subject.open:
                yield self._describe(entry, numbers.get(entry.layer, _NO_LAYER))

    def dump(self) -> Iterator[tuple[str, list[Any]]]:
        """Yield each table with its name."""
        yield "packages", list(self._packages)
        yield "advisories", list(self._advisories)
        yield "images", self._images

    def _describe(self, entry: ReportedVulnerability, layer: int) -> list[Any]:
        text = self._text
        location = "" if entry.location is None else str(entry.location)
        texts = (entry.package, entry.version, entry.package_type, entry.purl, entry.path, location)
        package = (len(self._images) - 1, *map(text, texts), layer)
        return [
            self._packages.setdefault(package, len(self._packages)),
            self._advisories.setdefault(self._describe_advisory(entry), len(self._advisories)),
            text(entry.fixed_version),
            text(describe_step(entry)),
            int(get_level(entry)),
            entry.priority.score,
            text(", ".join(entry.priority.reasons)),
            [text(describe_record(record)) for record in entry.records],
            [text(note) for note in entry.notes],
            text(describe_status(entry)),
        ]

    def _describe_advisory(self, entry: ReportedVulnerability) -> tuple[Any, ...]:
        """Return identifier, title, description, severity, score, vector, exploitation, exploited, aliases and links."""
        text = self._text
        description = entry.description
        if len(description) > _DESCRIPTION:
            description = f"{description[:_DESCRIPTION]}…"
        links = (link for link in (link_to(entry.id), *entry.references) if _LINK.match(link))
        return (
            text(entry.id),
            text(entry.title),
            text(" ".join(description.split())),
            int(entry.severity),
            _NO_SCORE if entry.score is None else entry.score,
            text(entry.vector),
            text(describe_exploitation(entry)),
            int(bool(entry.known_exploited)),
            tuple(map(text, entry.aliases)),
            tuple(map(text, list(dict.fromkeys(links))[:_LINKS])),
        )
