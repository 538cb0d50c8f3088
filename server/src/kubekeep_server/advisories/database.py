"""The advisory database in a folder: its state, and the names whose advisories have changed. Never uses the network or writes."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from kubekeep.vulnerabilities.database.errors import DatabaseError
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase, list_database_files
from kubekeep.vulnerabilities.rematching import compute_matching_version
from kubekeep.vulnerabilities.source import SourceState
from kubekeep_server.store.advisory_state import EcosystemState, KnownAdvisories
from kubekeep_server.store.pending_matches import Changes

_PROGRAM: Final = ""
"""Key of the version of the matching among the tokens of ecosystems."""
_UNREADABLE: Final = ""
"""Token of an ecosystem whose file is damaged: the next readable one is a change of all its names."""
FolderState = Mapping[str, tuple[int, int]]
"""Time and size of the files of a database by path: another state may be another database."""


class UnusableAdvisoriesError(Exception):
    """A database that cannot be opened, or is older than that of the last match."""


class OlderAdvisoriesError(DatabaseError):
    """Advisories that are older than those of the last match, and would close what newer ones have opened."""


def read_folder_state(folder: Path) -> FolderState:
    """Return the state of the files with advisories, without opening one; empty for a folder without any."""
    states: dict[str, tuple[int, int]] = {}
    for paths in list_database_files(folder).values():
        for path in paths:
            with contextlib.suppress(FileNotFoundError):
                state = path.stat()
                states[str(path)] = (state.st_mtime_ns, state.st_size)
    return states


class ServerAdvisories:
    """A database that is open until `close`; it stays the same, even if an update replaces its files.

    problems: messages about damaged files, which are not used.
    """

    def __init__(self, folder: Path) -> None:
        """Open it. Raises DatabaseError if the folder has none."""
        self.source = AdvisoryDatabase(folder)
        self._tokens = {_PROGRAM: compute_matching_version()}
        self.problems: list[str] = []
        states = self.source.get_states()
        self._ecosystems = tuple(_describe(state) for state in states.values())
        for ecosystem, state in states.items():
            self._tokens[ecosystem] = _UNREADABLE if state.problem else self.source.get_token(ecosystem)
            if state.problem:
                self.problems.append(state.problem)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close its files."""
        self.source.close()

    def follow(self, known: KnownAdvisories) -> KnownAdvisories:
        """Return this database as the one after the known one; the known one if nothing has changed.

        Raises OlderAdvisoriesError.
        """
        if dict(known.tokens) == self._tokens:
            return known
        self._refuse_older(known)
        return KnownAdvisories(known.version + 1, self._tokens, self._ecosystems)

    def list_changes(self, known: KnownAdvisories) -> Changes | None:
        """Return the names whose advisories have changed since the known database; None if all images are affected."""
        if known.tokens.get(_PROGRAM) != self._tokens[_PROGRAM]:
            return None
        return {
            ecosystem: self._list_names(ecosystem, known.tokens.get(ecosystem, ""))
            for ecosystem, token in self._tokens.items()
            if token != known.tokens.get(ecosystem)
        }

    def _list_names(self, ecosystem: str, since: str) -> frozenset[str] | None:
        if self._tokens[ecosystem] == _UNREADABLE:
            # It says nothing: what was open stays open.
            return frozenset()
        return self.source.list_changes(ecosystem, since) if since else None

    def _refuse_older(self, known: KnownAdvisories) -> None:
        before = {state.ecosystem: state for state in known.ecosystems}
        for state in self._ecosystems:
            last = before.get(state.ecosystem)
            if last is None or last.updated is None or state.updated is None or state.updated >= last.updated:
                continue
            token, since = self._tokens[state.ecosystem], known.tokens.get(state.ecosystem, "")
            # A feed that was added or removed has a time of its own, and the files before have known changes.
            is_other = token.count(",") == since.count(",") and self._list_names(state.ecosystem, since) is None
            if is_other:
                raise OlderAdvisoriesError(
                    f"the advisories for {state.ecosystem} are of {state.updated:%Y-%m-%d %H:%M}, and images were matched "
                    f"with those of {last.updated:%Y-%m-%d %H:%M}: update or import newer ones"
                )


def _describe(state: SourceState) -> EcosystemState:
    return EcosystemState(state.ecosystem, state.updated, state.records)


class FollowedAdvisories(NamedTuple):
    """An open database, its state, and the names that have changed since the known state; None for all images."""

    advisories: ServerAdvisories
    known: KnownAdvisories
    changes: Changes | None


def open_after(folder: Path, known: KnownAdvisories) -> FollowedAdvisories:
    """Open the database in a folder as the one after the known one. Raises UnusableAdvisoriesError."""
    try:
        advisories = ServerAdvisories(folder)
    except DatabaseError as error:
        raise UnusableAdvisoriesError(str(error)) from error
    try:
        return FollowedAdvisories(advisories, advisories.follow(known), advisories.list_changes(known))
    except DatabaseError as error:
        advisories.close()
        raise UnusableAdvisoriesError(str(error)) from error
