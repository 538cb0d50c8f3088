"""Files and folders of YAML and JSON as resources, each with the place of every value.

Reads what `kubectl apply -f` would read, with kubectl's meaning of every scalar; what cannot be read is said and
the rest goes on. Charts are not rendered, kustomizations not built. Never writes, never follows a link out of a
folder, never holds more than one file's text.
"""

# Paths stay the text that people typed, so os.path and not pathlib:
# ruff: noqa: PTH109, PTH113, PTH116, PTH118, PTH119, PTH120

from __future__ import annotations

import codecs
import os
import stat
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.assessment import Unread
from kubekeep.model.location import Location, Position, Region, line_starts
from kubekeep.model.resource import FileType, Resource, Source
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.objects import Doubt, objects
from kubekeep.sources.tree import DEFAULT_LIMITS, Document, Limits, Problem
from kubekeep.sources.walk import CHART, File, Skipped, Walk, reason

STDIN: Final = "-"
_SHOWN_PROBLEMS: Final = 10
_SHOWN_STDIN: Final = "<stdin>"
_CHART_FILES: Final = frozenset({"Chart.yaml", "values.yaml", "values.yml"})


def read(paths: Sequence[str], *, stdin: BinaryIO | None = None, limits: Limits = DEFAULT_LIMITS) -> Manifests:
    """The resources in files and below folders; `-` is standard input. See `Manifests`."""
    return Manifests(paths, stdin=stdin, limits=limits)


class Manifests:
    """The resources of some paths, in the order of paths, of names in a folder and of documents in a file.

    Iterating reads; `files` counts the files that were read so far, also those without an object. What could not
    be read, or only in doubt, is an Unread among the resources: a path that does not exist, a syntax error (the
    documents before it are given), an object without kind, a duplicate key (its last value is taken, as kubectl
    takes it, though the API server's strict validation would never see the first).
    """

    def __init__(self, paths: Sequence[str], *, stdin: BinaryIO | None = None, limits: Limits = DEFAULT_LIMITS) -> None:
        self.files = 0
        self._paths = paths
        self._stdin = stdin
        self._limits = limits

    def __iter__(self) -> Iterator[Resource | Unread]:
        self.files = 0
        walk = Walk()
        for path in self._paths:
            if path == STDIN:
                yield from self._standard_input()
                continue
            for found in walk.files(path):
                if isinstance(found, Skipped):
                    yield Unread(Location(found.shown), found.message)
                else:
                    yield from self._file(found)

    def _standard_input(self) -> Iterator[Resource | Unread]:
        if self._stdin is None:
            yield Unread(Location(_SHOWN_STDIN), "there is no standard input")
            return
        yield from self._read(self._stdin, File(_SHOWN_STDIN, _SHOWN_STDIN, os.getcwd()))

    def _file(self, file: File) -> Iterator[Resource | Unread]:
        try:
            with _opened(file.path) as stream:
                yield from self._read(stream, file)
        except OSError as error:
            yield Unread(Location(file.shown), reason(error))

    def _read(self, stream: BinaryIO, file: File) -> Iterator[Resource | Unread]:
        data = stream.read(self._limits.bytes + 1)
        if len(data) > self._limits.bytes:
            yield Unread(Location(file.shown), f"larger than {self._limits.bytes} bytes: not read")
            return
        self.files += 1
        yield from _contents(data, file, self._limits)


def _opened(path: str) -> BinaryIO:
    """The regular file at `path`, open; raises OSError for anything else, without waiting for a pipe's writer.

    A descriptor that the shell hands over, as in `kubekeep scan <(kustomize build)`, is opened whatever it is.
    """
    if path == "/dev/stdin" or path.startswith("/dev/fd/"):
        return open(path, "rb")  # noqa: PTH123 - the caller's with statement closes it
    if not stat.S_ISREG(os.stat(path).st_mode):
        raise OSError("not a regular file")
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    # What was a file a moment ago may have become a pipe.
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError("not a regular file")
    return os.fdopen(descriptor, "rb")


def _contents(data: bytes, file: File, limits: Limits) -> Iterator[Resource | Unread]:
    if os.path.basename(file.path) in _CHART_FILES and os.path.isfile(os.path.join(os.path.dirname(file.path), CHART)):
        return
    encoding = "UTF-16" if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    try:
        text = data.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(error.encoding, "replace").removeprefix("\ufeff")
        message = f"not {encoding} text: {error.reason}"
        yield _unread(file, Problem(message, len(before)), line_starts(before))
        return
    lines = line_starts(text)
    file_type, found = _documents(text, lines, file, limits)
    for number, document in enumerate(found):
        if isinstance(document, Problem):
            yield _unread(file, document, lines)
        elif document is not None:
            source = Source(file.shown, file.base, file_type, number, document.marks)
            yield from _resources(document, source, file, lines)


_Documents = Iterable[Document | Problem | None]


def _documents(text: str, lines: array[int], file: File, limits: Limits) -> tuple[FileType, _Documents]:
    """The documents, as JSON if the name or else the content says so, and which of the two it was."""
    if file.path.lower().endswith(".json"):
        return FileType.JSON, json_text.documents(text, lines, limits)
    if text.lstrip().startswith("{"):
        # Nearly all JSON is YAML, but not its surrogate pairs and long keys; kubectl looks for the brace too.
        documents = list(json_text.documents(text, lines, limits))
        if not any(isinstance(document, Problem) for document in documents):
            return FileType.JSON, documents
    return FileType.YAML, yaml_text.documents(text, lines, limits)


def _resources(document: Document, source: Source, file: File, lines: array[int]) -> Iterator[Resource | Unread]:
    """The objects of a document; what is doubtful in it matters only if there are some."""
    is_kubernetes = False
    for found in objects(document.value):
        if isinstance(found, Doubt):
            yield Unread(Location(file.shown, document.marks.region(document.value, found.path)), found.message)
        elif not found.path:
            is_kubernetes = True
            yield Resource(found.object, source)
        else:
            is_kubernetes = True
            yield Resource(found.object, msgspec.structs.replace(source, root=found.path), document.value)
    if not is_kubernetes:
        return
    for problem in document.problems[:_SHOWN_PROBLEMS]:
        yield _unread(file, problem, lines)
    rest = document.problems[_SHOWN_PROBLEMS:]
    if rest:
        yield _unread(file, Problem(f"{len(rest)} more duplicate keys in this document", rest[0].at), lines)


def _unread(file: File, problem: Problem, lines: array[int]) -> Unread:
    line = bisect_right(lines, problem.at)
    place = Position(line, problem.at - lines[line - 1] + 1)
    return Unread(Location(file.shown, Region(place, place)), problem.message)
