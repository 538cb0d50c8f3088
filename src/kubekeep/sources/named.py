"""What people name on the command line, as what there is to read: paths, patterns, archives, URLs, repositories.

What is fetched or unpacked lies in temporary folders that are gone when the scan has ended. Never reads an object.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH118

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Final

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location
from kubekeep.model.paths import error_reason
from kubekeep.model.text import visible
from kubekeep.sources.ignore import Ignores
from kubekeep.sources.options import ReadOptions
from kubekeep.sources.pattern import expand
from kubekeep.sources.walk import Kind, Root, Skipped, Walk

STDIN: Final = "-"
STANDARD_INPUT: Final = Root(Kind.FILE, STDIN, "<stdin>", "")


class Named:
    """What there is to read at names; keeps temporary folders until `stack` is closed.

    `notes` are what a person should know of it though nothing is wrong. `homes` are, by the base of a Root, the
    folders that its shown paths are relative to; `places` are temporary folders, by their real path, and what people
    see in place of them.
    """

    def __init__(self, options: ReadOptions, stack: ExitStack) -> None:
        self.notes: list[str] = []
        self.homes: dict[str, str] = {}
        self.places: dict[str, str] = {}
        self._options = options
        self._stack = stack
        self._ignores: list[Ignores] = []
        self._walk = Walk(self._ignoring)

    def roots(self, name: str) -> Iterator[Root | Unread]:
        """What there is to read at one name; an Unread for what cannot be."""
        if name == STDIN:
            yield STANDARD_INPUT
        elif "://" in name or ":" in name:
            yield from self._address(name)
        else:
            yield from self._expanded(name)

    def ended(self) -> Iterator[Unread]:
        """What was wrong with ignore files, when all has been walked; counts what they left out."""
        files = folders = 0
        for ignores in self._ignores:
            yield from ignores.problems
            files, folders = files + ignores.counts.files, folders + ignores.counts.folders
        if files or folders:
            self.notes.append(f"left out as told: {_count(files, 'file')} and {_count(folders, 'folder')}")

    def _ignoring(self, folder: str) -> Ignores:
        self._ignores.append(Ignores(folder, self._options.exclude, files=self._options.ignore_files))
        return self._ignores[-1]

    def _address(self, name: str) -> Iterator[Root | Unread]:
        # Most scans name paths: what speaks to a network is loaded for those that do not.
        from kubekeep.sources.git.address import is_repository  # noqa: PLC0415
        from kubekeep.sources.remote import is_url  # noqa: PLC0415

        if is_repository(name):
            yield from self._repository(name)
        elif is_url(name):
            yield from self._url(name)
        else:
            yield from self._expanded(name)

    def _repository(self, name: str) -> Iterator[Root | Unread]:
        from kubekeep.sources.git.checkout import checkout  # noqa: PLC0415 - as above
        from kubekeep.sources.git.program import GitError  # noqa: PLC0415
        from kubekeep.sources.git.worktree import without_credentials  # noqa: PLC0415

        options = self._options
        try:
            found = self._stack.enter_context(
                checkout(
                    name,
                    environment=options.access.environment,
                    tokens=options.access.tokens,
                    branch=options.branch or None,
                    history=bool(options.blame or options.changed_since),
                )
            )
        except GitError as error:
            yield Unread(Location(visible(without_credentials(name))), str(error))
            return
        yield from found.unread
        self.places[os.path.realpath(found.root)] = ""
        self.notes.append(f"{found.shown}: {found.branch or 'commit'} {found.commit[:12]}")
        for root in self._walked(found.path, found.subpath):
            if isinstance(root, Root):
                self.homes[root.base] = found.root
            yield root

    def _url(self, name: str) -> Iterator[Root | Unread]:
        from kubekeep.sources.remote import RemoteError, fetch  # noqa: PLC0415 - as above

        try:
            found = self._stack.enter_context(fetch(name))
        except RemoteError as error:
            yield Unread(Location(visible(name.rpartition("@")[2])), str(error))
            return
        self.notes += found.notes
        yield from self._walked(found.path, found.shown)

    def _expanded(self, name: str) -> Iterator[Root | Unread]:
        paths = expand(name)
        if paths == []:
            yield Unread(Location(visible(name)), "no file matches this pattern")
        for path in [name] if paths is None else paths:
            yield from self._walked(path)

    def _walked(self, path: str, shown: str | None = None) -> Iterator[Root | Unread]:
        for found in self._walk.found(path, shown):
            if isinstance(found, Skipped):
                yield Unread(Location(found.shown), found.message)
            elif found.kind is Kind.ARCHIVE:
                yield from self._archive(found)
            else:
                yield found

    def _archive(self, root: Root) -> Iterator[Root | Unread]:
        from kubekeep.sources.archive import ArchiveError, is_chart, unpacked  # noqa: PLC0415 - as above

        try:
            if is_chart(root.path):
                yield Root(Kind.CHART, root.path, root.shown, root.base)
                return
            found = self._stack.enter_context(unpacked(root.path))
        except (ArchiveError, OSError) as error:
            yield Unread(Location(root.shown), error_reason(error) if isinstance(error, OSError) else str(error))
            return
        self.places[os.path.realpath(found.folder)] = root.shown
        for skipped in found.skipped:
            yield Unread(Location(os.path.join(root.shown, skipped.shown)), skipped.message)
        yield from self._walked(found.folder, root.shown)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
