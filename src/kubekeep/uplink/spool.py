"""Unsent submissions on the disk: a bounded folder with a private file each. Never sends one.

Each operation is a single step of the file system, so that processes need no lock and a killed process leaves no partial
submission. Two processes may send the same submission, which a server then knows by its id.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final, TextIO

import msgspec

from kubekeep.model.scanned_source import ScannedSource, SourceCluster, SourceRegistry
from kubekeep.uplink.client import CHUNK, SubmissionContent
from kubekeep.uplink.compression import open_compressed
from kubekeep.uplink.private_files import TEMPORARY, remove, write_private

_ENDING: Final = ".unsent"
_MAX_HEAD: Final = 64 << 10
_DIGITS: Final = 8
_ABANDONED_SECONDS: Final = 24 * 3600
"""Age of a partial file whose process has certainly ended."""


class SpoolLimits(msgspec.Struct, frozen=True, kw_only=True):
    """Limits of a spool: submissions, their bytes in total, and their age in days."""

    count: int = 100
    size: int = 512 << 20
    days: float = 30


class SubmissionHead(msgspec.Struct, frozen=True, kw_only=True):
    """The server and the state that an unsent submission is for. source: name for people. state: key of the source and branch."""

    server: str
    source: str
    state: str
    started: dt.datetime
    id: str

    def __str__(self) -> str:
        return f"{self.source} of {self.started:%Y-%m-%d %H:%M} UTC"


class UnsentSubmission(msgspec.Struct, frozen=True):
    """A submission in a spool. offset: of its content in the file. size: bytes of the content."""

    path: Path
    head: SubmissionHead
    offset: int
    size: int

    @property
    def content(self) -> SubmissionContent:
        """The content; reading it raises FileNotFoundError if another process has sent it meanwhile."""
        return SubmissionContent(self.head.id, self.size, self._read)

    def _read(self) -> Iterator[bytes]:
        with self.path.open("rb") as file:
            file.seek(self.offset)
            while chunk := file.read(CHUNK):
                yield chunk


class Spool:
    """The unsent submissions in a folder. Methods raise OSError as the file system does."""

    def __init__(self, folder: Path, limits: SpoolLimits | None = None) -> None:
        self._folder = folder
        self._limits = limits or SpoolLimits()

    def add(self, head: SubmissionHead, write: Callable[[TextIO], object]) -> UnsentSubmission:
        """Store the submission that `write` writes to a stream, and return it once it is on the disk."""
        line = msgspec.json.encode(head) + b"\n"
        server = hashlib.sha256(head.server.encode()).hexdigest()[:_DIGITS]
        path = self._folder / f"{head.started:%Y%m%dT%H%M%S.%f}-{server}-{head.id}{_ENDING}"
        with write_private(path) as file:
            file.write(line)
            with open_compressed(file) as text:
                write(text)
            size = file.tell() - len(line)
        return UnsentSubmission(path, head, len(line), size)

    def list_unsent(self, server: str) -> list[UnsentSubmission]:
        """Return the submissions for a server, the oldest first."""
        return [unsent for unsent in self._read_all() if unsent.head.server == server]

    def remove(self, unsent: UnsentSubmission) -> None:
        """Remove a submission that was sent or refused."""
        remove(unsent.path)

    def drop_excess(self, kept: UnsentSubmission) -> list[str]:
        """Remove submissions until the limits hold, and return their names for people. kept: one that stays in any case.

        The oldest go first of those whose source has a later state.
        """
        damaged = self._remove_unusable()
        remaining = self._read_all()
        oldest = kept.head.started - dt.timedelta(days=self._limits.days)
        dropped = [unsent for unsent in remaining if unsent.head.started < oldest]
        remaining = [unsent for unsent in remaining if unsent.head.started >= oldest and unsent.path != kept.path]
        while remaining and self._exceeds_limits([*remaining, kept]):
            dropped.append(_select_excess(remaining, kept))
            remaining.remove(dropped[-1])
        for unsent in dropped:
            remove(unsent.path)
        return [*damaged, *(str(unsent.head) for unsent in dropped)]

    def _exceeds_limits(self, entries: Iterable[UnsentSubmission]) -> bool:
        sizes = [unsent.size for unsent in entries]
        return len(sizes) > self._limits.count or sum(sizes) > self._limits.size

    def _read_all(self) -> list[UnsentSubmission]:
        """Return the submissions in the order of their names, which begin with the time of the scan."""
        entries = map(_read_head, sorted(self._folder.glob(f"*{_ENDING}")))
        return [entry for entry in entries if entry is not None]

    def _remove_unusable(self) -> list[str]:
        """Remove the partial files of killed processes, and damaged files, whose paths are returned."""
        damaged = [path for path in self._folder.glob(f"*{_ENDING}") if _is_damaged(path)]
        for path in (*self._folder.glob(f"{TEMPORARY}*"), *damaged):
            with contextlib.suppress(FileNotFoundError):
                if path in damaged or time.time() - path.stat().st_mtime > _ABANDONED_SECONDS:
                    path.unlink()
        return list(map(str, damaged))


def describe_source(source: ScannedSource) -> str:
    """Return the name of a source for people."""
    if isinstance(source, SourceCluster):
        return f"cluster {source.name or source.uid}"
    if isinstance(source, SourceRegistry):
        return f"registry {source.host}"
    branch = f" ({source.branch})" if source.branch else ""
    return f"repository {source.url}{branch}"


def _select_excess(remaining: list[UnsentSubmission], kept: UnsentSubmission) -> UnsentSubmission:
    """Return the oldest submission whose source has a later state, or else the oldest one."""
    latest = {(unsent.head.server, unsent.head.state): unsent for unsent in (*remaining, kept)}
    outdated = (unsent for unsent in remaining if latest[unsent.head.server, unsent.head.state] is not unsent)
    return next(outdated, remaining[0])


def _is_damaged(path: Path) -> bool:
    return path.exists() and _read_head(path) is None


def _read_head(path: Path) -> UnsentSubmission | None:
    """Return the submission in a file; None if another process has removed it, or if it is damaged."""
    try:
        with path.open("rb") as file:
            line = file.readline(_MAX_HEAD)
            size = file.seek(0, 2) - len(line)
        return UnsentSubmission(path, msgspec.json.decode(line, type=SubmissionHead), len(line), size)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return None
