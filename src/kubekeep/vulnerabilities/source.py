"""Protocol of sources of advisories: the database of Kubekeep, a folder of OSV records, a database of Grype."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from kubekeep.vulnerabilities.advisory import Advisory


class SourceState(msgspec.Struct, frozen=True):
    """The advisories of one ecosystem in a source.

    ecosystem: without a release, as "Debian". releases: the ecosystems with release that records name, as "Debian:12";
    ("npm",) for one without releases. updated: time of the newest data. problem: the reason why its advisories cannot be
    read, with the next step; empty if they can.
    """

    ecosystem: str
    releases: frozenset[str]
    updated: dt.datetime | None = None
    records: int = 0
    origin: str = ""
    problem: str = ""


class ExploitSignal(msgspec.Struct, frozen=True, gc=False, omit_defaults=True):
    """Facts about the exploitation of a CVE.

    known_exploited: date of addition to CISA's catalogue of known exploited vulnerabilities; empty if not listed.
    epss and percentile: probability from 0 to 1 of exploitation within 30 days (FIRST EPSS); None if unknown.
    """

    known_exploited: str = ""
    ransomware: bool = False
    epss: float | None = None
    percentile: float | None = None


class AdvisorySource(Protocol):
    """Advisories by package."""

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem that the source has, by its name without a release."""

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that name a package, withdrawn ones too.

        ecosystem: without a release. names: normalised with `normalise_name`; the record's own spelling may differ.
        """

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs; unknown ones are absent."""
