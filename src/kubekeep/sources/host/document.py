"""Documents about a node under construction, with errors, and the data that all collectors share. Reads no file itself."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec

from kubekeep.sources.host.configuration import format_configuration
from kubekeep.sources.host.files import NodeFiles
from kubekeep.sources.host.layout import NodeLayout
from kubekeep.sources.host.processes import HostProcess, RunningProcesses
from kubekeep.sources.host.root import HostReadError

API_VERSION: Final = "hostdata.kubescape.cloud/v1beta0"


class HostNode(msgspec.Struct, frozen=True):
    """A node: its name, files, visible processes and layout."""

    name: str
    files: NodeFiles
    processes: RunningProcesses
    layout: NodeLayout

    @contextmanager
    def open_files(self, process: HostProcess) -> Iterator[NodeFiles]:
        """Open the files that a process sees under the paths of its command line. Raises HostReadError."""
        if not process.is_contained:
            yield self.files
            return
        with self.files.root.open_process_root(process.pid) as root:
            yield NodeFiles(root, self.files.accounts)


class MissingData(msgspec.Struct, frozen=True, omit_defaults=True):
    """A missing field of a document, the reason, and the path if there is one."""

    field: str
    why: str
    path: str = ""

    def __str__(self) -> str:
        return f"{self.field}: {self.path}: {self.why}" if self.path else f"{self.field}: {self.why}"


class HostDocument:
    """A document of `kind` about the node with name `node`."""

    def __init__(self, kind: str, node: str) -> None:
        self.kind = kind
        self.data: dict[str, Any] = {}
        self.not_read: list[MissingData] = []
        self._node = node

    def put(self, field: str, value: Any) -> None:
        """Set a field; dots separate nested fields, as in `APIServerInfo.cmdLine`."""
        *outer, last = field.split(".")
        fields = self.data
        for name in outer:
            fields = fields.setdefault(name, {})
        fields[last] = value

    def add_missing(self, field: str, why: object, path: str = "") -> None:
        """Record missing data."""
        self.not_read.append(MissingData(field, str(why), path))

    def add_file(self, field: str, files: NodeFiles, path: str) -> dict[str, Any]:
        """Add the metadata of a file; without mode if access is denied. Returns the entry, {} if the file is absent."""
        entry = self._describe(field, files, path)
        if entry:
            self.put(field, entry)
        return entry

    def add_files(self, field: str, files: NodeFiles, paths: Iterable[str]) -> list[dict[str, Any]]:
        """Add the metadata of several files; absent files, such as targets of dangling links, are skipped."""
        entries = [entry for path in paths if (entry := self._describe(field, files, path, may_be_absent=True))]
        if entries:
            self.put(field, entries)
        return entries

    def _describe(self, field: str, files: NodeFiles, path: str, *, may_be_absent: bool = False) -> dict[str, Any]:
        """Return the metadata of a file; {} if it is absent, which is recorded unless `may_be_absent`."""
        try:
            return files.describe(path)
        except HostReadError as error:
            if not (error.is_absent and may_be_absent):
                self.add_missing(field, error, path)
            return {} if error.is_absent else {"path": path, "err": str(error)}

    def add_configuration(self, field: str, files: NodeFiles, path: str, kinds: Collection[str]) -> dict[str, Any]:
        """Add the metadata and content of a file; returns the object in it, or {}."""
        entry = self.add_file(field, files, path)
        if not entry:
            return {}
        try:
            configuration = files.read_configuration(path, kinds)
        except HostReadError as error:
            self.add_missing(f"{field}.content", error, path)
            return {}
        entry["content"] = format_configuration(configuration)
        return configuration

    def build(self) -> dict[str, Any]:
        """Return the document; `notRead` is outside its data, so rules do not see it."""
        document: dict[str, Any] = {
            "apiVersion": API_VERSION,
            "kind": self.kind,
            "metadata": {"name": self._node},
            "data": self.data,
        }
        if self.not_read:
            document["notRead"] = msgspec.to_builtins(self.not_read)
        return document
