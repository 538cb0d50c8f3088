"""Protocol of sources of advisories: the database of Kubekeep, a folder of OSV records, a database of Grype."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol

import msgspec

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.vulnerabilities.advisory import Advisory


class SourceState(msgspec.Struct, frozen=True):
    """The advisories of one ecosystem in a source.

    ecosystem: without a release, as "Debian". releases: the ecosystems with release that records name, as "Debian:12";
    ("npm",) for one without releases. updated: time of the newest data. renewal: the step that loads newer advisories, as in
    "run `kubekeep db update`". problem: the reason why its advisories cannot be read, with the next step; empty if they
    can.
    """

    ecosystem: str
    releases: frozenset[str]
    updated: dt.datetime | None = None
    records: int = 0
    origin: str = ""
    renewal: str = ""
    problem: str = ""


class AdvisorySource(Protocol):
    """Advisories by package."""

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem that the source has, by its name without a release."""

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that name a package, withdrawn ones too.

        ecosystem: without a release. names: normalised with `normalise_name`; the record's own spelling may differ.
        """

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records of all ecosystems that rate the flaw with one of the names.

        names: identifiers of flaws, such as CVEs; an advisory names them as its id, an alias, or its only upstream flaw.
        """

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs; unknown ones are absent."""
