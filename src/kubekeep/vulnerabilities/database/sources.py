"""Sources of advisories for a scan: the database, and several sources as one.

Never uses the network, and never creates a database.
"""

from __future__ import annotations

import datetime as dt
import functools
import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Final, Protocol, Self

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.errors import DatabaseError, MissingDatabaseError
from kubekeep.vulnerabilities.database.reader import EcosystemFile, SignalFile
from kubekeep.vulnerabilities.database.records import parse_time
from kubekeep.vulnerabilities.source import AdvisorySource, SourceState

_FEED_SEPARATOR: Final = ","


class ClosableSource(AdvisorySource, Protocol):
    """A source that is closed after use."""

    @property
    def unread(self) -> int:
        """Number of records that could not be read."""

    @property
    def problems(self) -> Sequence[object]:
        """The first records that could not be read."""

    def close(self) -> None:
        """Close its files."""


class AdvisoryDatabase:
    """The database in a folder: the files of OSV, and those of private feeds in folders below `feeds`.

    Methods except `get_states` raise DatabaseError for a damaged or foreign file.
    """

    unread = 0
    problems: Sequence[object] = ()

    def __init__(self, folder: Path) -> None:
        """List the files without opening them. Raises MissingDatabaseError if there are none."""
        self._folder = folder
        self._paths = list_database_files(folder)
        if not self._paths:
            raise MissingDatabaseError(
                f"there is no advisory database in {visible(str(folder))}: run `kubekeep db update`, or use --advisories"
            )
        self._files: dict[str, tuple[EcosystemFile, ...]] = {}
        self._states: Mapping[str, SourceState] | None = None
        """Read once: files stay the same until they are closed."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the files."""
        for files in self._files.values():
            for file in files:
                file.close()
        self._files.clear()
        self._states = None
        # They are opened for the first question about them.
        signals = self.__dict__.get("_signals")
        if signals is not None:
            signals.close()

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem; that of a damaged or foreign file has only the problem."""
        if self._states is None:
            self._states = {ecosystem: self._get_state(ecosystem) for ecosystem in self._paths}
        return self._states

    def _get_state(self, ecosystem: str) -> SourceState:
        try:
            return join_states([file.get_state() for file in self._open(ecosystem)])
        except DatabaseError as error:
            return SourceState(ecosystem, frozenset(), problem=str(error))

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names, withdrawn ones too; of equal ids the newest."""
        files = self._open(ecosystem)
        wanted_names = names if len(files) < 2 else list(names)
        return join_advisories([file.find(wanted_names) for file in files])

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that rate the flaw with one of the names."""
        ordered = sorted(set(names))
        for ecosystem in self._paths:
            for file in self._open(ecosystem):
                yield from file.find_rated(ordered)

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs."""
        return self._signals.get(cves) if self._signals is not None else {}

    def get_token(self, ecosystem: str) -> str:
        """Return a token of the present state of an ecosystem for `list_changes`; "" without data for it."""
        return _FEED_SEPARATOR.join(file.token for file in self._open(ecosystem))

    def list_changes(self, ecosystem: str, since: str) -> frozenset[str] | None:
        """Return the normalised names whose advisories have changed since the token `since` was made.

        None means that any may have changed: the token is of another database, or older than the recorded changes.
        """
        files, tokens = self._open(ecosystem), since.split(_FEED_SEPARATOR)
        if not files or len(files) != len(tokens):
            return None
        changes: frozenset[str] = frozenset()
        for file, token in zip(files, tokens, strict=True):
            names = file.list_changes(token)
            if names is None:
                return None
            changes |= names
        return changes

    def _open(self, ecosystem: str) -> tuple[EcosystemFile, ...]:
        if ecosystem not in self._files:
            files = tuple(EcosystemFile(path) for path in self._paths.get(ecosystem, ()))
            for file in files:
                if file.ecosystem != ecosystem:
                    raise DatabaseError(
                        f"a file for {visible(ecosystem)} has the advisories of {visible(file.ecosystem)}: "
                        "delete it and run `kubekeep db update`"
                    )
            self._files[ecosystem] = files
        return self._files[ecosystem]

    @functools.cached_property
    def _signals(self) -> SignalFile | None:
        path = self._folder / schema.SIGNALS_FILE
        return SignalFile(path) if path.is_file() else None


class JoinedSources:
    """Several sources as one: of records with equal ids the newest counts; signals come from the first with any."""

    def __init__(self, sources: Sequence[ClosableSource]) -> None:
        self._sources = tuple(sources)

    def close(self) -> None:
        """Close all sources."""
        for source in self._sources:
            source.close()

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the joined state of each ecosystem; its time is that of the oldest part."""
        states: dict[str, list[SourceState]] = {}
        for source in self._sources:
            for ecosystem, state in source.get_states().items():
                states.setdefault(ecosystem, []).append(state)
        return {ecosystem: join_states(parts) for ecosystem, parts in states.items()}

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names."""
        ordered = sorted(set(names))
        return join_advisories([source.find_advisories(ecosystem, ordered) for source in self._sources])

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that rate the flaw with one of the names."""
        ordered = sorted(set(names))
        for source in self._sources:
            yield from source.find_rated(ordered)

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs."""
        ordered = sorted(set(cves))
        signals: dict[str, ExploitSignal] = {}
        for source in self._sources:
            signals = {**source.get_signals(ordered), **signals}
        return signals


def list_database_files(folder: Path) -> dict[str, list[Path]]:
    """Return the files of a database by ecosystem, that of OSV first."""
    paths: dict[str, list[Path]] = {}
    for pattern in (f"*{schema.SUFFIX}", f"{schema.FEEDS}/*/*{schema.SUFFIX}"):
        for path in sorted(folder.glob(pattern)):
            paths.setdefault(schema.get_ecosystem(path), []).append(path)
    return dict(sorted(paths.items()))


def join_states(states: Sequence[SourceState]) -> SourceState:
    """Return the state of an ecosystem with parts in several files; its time is that of the oldest part."""
    if len(states) == 1:
        return states[0]
    times = [state.updated for state in states]
    known: list[dt.datetime] = [time for time in times if time is not None]
    return SourceState(
        ecosystem=states[0].ecosystem,
        releases=frozenset().union(*(state.releases for state in states)),
        updated=min(known) if len(known) == len(times) else None,
        records=sum(state.records for state in states),
        origin=", ".join(dict.fromkeys(state.origin for state in states if state.origin)),
        renewal=", and ".join(dict.fromkeys(state.renewal for state in states if state.renewal)),
        problem="; ".join(dict.fromkeys(state.problem for state in states if state.problem)),
    )


def join_advisories(parts: Sequence[Iterator[tuple[str, Advisory]]]) -> Iterator[tuple[str, Advisory]]:
    """Merge advisories that are sorted by name; of those with a name and an id in common, the newest remains."""
    if len(parts) == 1:
        return parts[0]
    return _keep_newest(heapq.merge(*parts, key=_get_name))


def _keep_newest(advisories: Iterator[tuple[str, Advisory]]) -> Iterator[tuple[str, Advisory]]:
    current = ""
    newest: dict[str, Advisory] = {}
    for name, advisory in advisories:
        if name != current:
            yield from ((current, kept) for kept in newest.values())
            current, newest = name, {}
        other = newest.get(advisory.id)
        if other is None or parse_time(advisory.modified) > parse_time(other.modified):
            newest[advisory.id] = advisory
    yield from ((current, kept) for kept in newest.values())


def _get_name(pair: tuple[str, Advisory]) -> str:
    return pair[0]
