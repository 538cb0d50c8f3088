"""Advisories straight from files and folders, without a database. Never uses the network."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from kubekeep.model.exploit_signal import ExploitSignal
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.database import schema
from kubekeep.vulnerabilities.database.build import RecordRouter, write_signals
from kubekeep.vulnerabilities.database.inputs import AdvisoryReader, UnreadRecord
from kubekeep.vulnerabilities.database.reader import SignalFile
from kubekeep.vulnerabilities.database.sources import AdvisoryDatabase, list_database_files
from kubekeep.vulnerabilities.source import SourceState


class AdvisoryFiles:
    """OSV records in files and folders, with KEV and EPSS beside them, indexed in a temporary folder.

    The index is on disk, so that memory does not depend on the number of records; `db build` makes one that lasts.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        """Read all records. Raises AdvisoryInputError if a path has none, or too many that cannot be read."""
        # Removed when the object is closed or collected.
        self._folder = tempfile.TemporaryDirectory(prefix="kubekeep-", ignore_cleanup_errors=True)
        folder = Path(self._folder.name)
        reader = AdvisoryReader()
        with contextlib.ExitStack() as failed:
            failed.callback(self._folder.cleanup)
            router = RecordRouter(folder, is_temporary=True)
            failed.callback(router.close)
            for path in paths:
                for advisory in reader.read(path):
                    router.add(advisory)
            router.finish({"origin": ", ".join(str(path) for path in paths)})
            write_signals(reader.signal_files, folder, folder / "none")
            failed.pop_all()
        self.unread = reader.unread
        """Number of records that could not be read; `problems` has the first ones."""
        self.problems: tuple[UnreadRecord, ...] = tuple(reader.problems)
        self._database = AdvisoryDatabase(folder) if list_database_files(folder) else None
        self._signals = SignalFile(folder / schema.SIGNALS_FILE) if reader.signal_files else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Delete the index."""
        if self._database is not None:
            self._database.close()
        if self._signals is not None:
            self._signals.close()
        self._folder.cleanup()

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the state of each ecosystem."""
        states = self._database.get_states() if self._database else {}
        return {
            name: msgspec.structs.replace(state, renewal=f"use newer files than {state.origin}")
            for name, state in states.items()
        }

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for normalised names."""
        return self._database.find_advisories(ecosystem, names) if self._database else iter(())

    def find_rated(self, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield (name, advisory) for the records that rate the flaw with one of the names."""
        return self._database.find_rated(names) if self._database else iter(())

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return what is known about the exploitation of CVEs."""
        return self._signals.get(cves) if self._signals is not None else {}
