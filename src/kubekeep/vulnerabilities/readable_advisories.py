"""Advisories of which some files may be damaged: the others still count. Never opens a file itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.source import AdvisorySource, SourceState


class ReadableAdvisories:
    """A source that yields no advisories of a damaged file, and keeps the error: other files are not affected.

    problems: of advisories, by ecosystem. shared_problems: of ratings and exploit signals.
    """

    def __init__(self, source: AdvisorySource) -> None:
        self._source = source
        self.problems: dict[str, str] = {}
        self.shared_problems: list[str] = []

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem."""
        return self._source.get_states()

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that name a package; none of an ecosystem with a damaged record."""
        try:
            return iter([*self._source.find_advisories(ecosystem, names)])
        except DatabaseError as error:
            self.problems[ecosystem] = str(error)
            return iter(())

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that rate the flaw with one of the names, up to a damaged file."""
        try:
            yield from self._source.find_rated(names)
        except DatabaseError as error:
            self.shared_problems.append(str(error))

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs; nothing if the file is damaged."""
        try:
            return self._source.get_signals(cves)
        except DatabaseError as error:
            self.shared_problems.append(str(error))
            return {}
