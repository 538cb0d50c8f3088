"""One document about a node while it is being filled in, with what could not be read. Reads nothing itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from kubekeep.sources.host.configuration import format_configuration
from kubekeep.sources.host.files import NodeFiles
from kubekeep.sources.host.layout import NodeLayout
from kubekeep.sources.host.processes import Process, RunningProcesses
from kubekeep.sources.host.root import HostReadError

API_VERSION: Final = "hostdata.kubescape.cloud/v1beta0"


class HostNode(msgspec.Struct, frozen=True):
    """A node: what people call it, its files, the processes that are seen, and where things are."""

    name: str
    files: NodeFiles
    running: RunningProcesses
    layout: NodeLayout

    @contextmanager
    def open_files(self, process: Process) -> Iterator[NodeFiles]:
        """The files that a process sees by the paths of its command line. Raises UnreadableError."""
        if not process.contained:
            yield self.files
            return
        with self.files.root.open_process_root(process.pid) as root:
            yield NodeFiles(root, self.files.accounts)


class NotRead(msgspec.Struct, frozen=True, omit_defaults=True):
    """What is missing in a document, the path that was looked at if there is one, and why it is missing."""

    field: str
    why: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.path}: {self.why}" if self.path else f"{self.field}: {self.why}"


class HostDocument:
    """A document of `kind` about the node called `node`."""

    def __init__(self, kind: str, node: str) -> None:
        self.kind = kind
        self.data: dict[str, Any] = {}
        self.not_read: list[NotRead] = []
        self._node = node

    def put(self, field: str, value: Any) -> None:
        """Say something; `APIServerInfo.cmdLine` is a field of a field."""
        *outer, last = field.split(".")
        place = self.data
        for name in outer:
            place = place.setdefault(name, {})
        place[last] = value

    def add_missing(self, field: str, why: object, path: str = "") -> None:
        """Say what could not be read."""
        self.not_read.append(NotRead(field, str(why), path))

    def add_file(self, field: str, files: NodeFiles, path: str) -> dict[str, Any]:
        """Say what is known of a file. The entry is there, without a mode, where the file may not be looked at."""
        entry = self._entry(field, files, path)
        if entry:
            self.put(field, entry)
        return entry

    def add_files(self, field: str, files: NodeFiles, paths: Iterable[str]) -> list[dict[str, Any]]:
        """Say what is known of the files of a list, without those that are gone: links that lead nowhere."""
        entries = [entry for path in paths if (entry := self._entry(field, files, path, gone=True))]
        if entries:
            self.put(field, entries)
        return entries

    def _entry(self, field: str, files: NodeFiles, path: str, *, gone: bool = False) -> dict[str, Any]:
        """What is known of a file; empty where there is none, which is told unless files may be `gone`."""
        try:
            return files.describe(path)
        except HostReadError as error:
            if not (error.is_absent and gone):
                self.add_missing(field, error, path)
            return {} if error.is_absent else {"path": path, "err": str(error)}

    def add_configuration(self, field: str, files: NodeFiles, path: str, kinds: Collection[str]) -> dict[str, Any]:
        """Say what is known of a file, with its content; gives the object in it, or nothing."""
        entry = self.add_file(field, files, path)
        if not entry:
            return {}
        try:
            found = files.configuration(path, kinds)
        except HostReadError as error:
            self.add_missing(f"{field}.content", error, path)
            return {}
        entry["content"] = format_configuration(found)
        return found

    def build(self) -> dict[str, Any]:
        """The document; `notRead` stands beside its data, where no rule looks."""
        document: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": self._node},
            "data": self.data,
        }
        if self.not_read:
            document["notRead"] = msgspec.to_builtins(self.not_read)
        return document
