"""What all documents about a node draw on: its files, its processes and how it is laid out. Makes no document."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import msgspec

from kubekeep.sources.host.files import Files
from kubekeep.sources.host.layout import Layout
from kubekeep.sources.host.processes import Process, Running


class Node(msgspec.Struct, frozen=True):
    """A node: what people call it, its files, the processes that are seen, and where things are."""

    name: str
    files: Files
    running: Running
    layout: Layout

    @contextmanager
    def files_of(self, process: Process) -> Iterator[Files]:
        """The files that a process sees by the paths of its command line. Raises UnreadableError."""
        if not process.contained:
            yield self.files
            return
        with self.files.root.seen_by(process.pid) as root:
            yield Files(root, self.files.accounts)
