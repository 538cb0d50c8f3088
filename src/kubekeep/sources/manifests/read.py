"""Resources in YAML and JSON files, with the location of every value.

Follows `kubectl apply -f`, including the types of scalars; a document that cannot be read does not prevent others.
Never searches for files, and keeps the text of one file at a time.
"""

# Paths stay the text that people typed, so os.path and not pathlib:

from __future__ import annotations

import codecs
import gzip
import re
import zlib
from array import array
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from typing import BinaryIO, Final

import msgspec

from kubekeep.model.assessment import FieldProblem, UnreadInput
from kubekeep.model.location import Location, Position, Region, line_starts
from kubekeep.model.paths import error_reason
from kubekeep.model.resource import Resource
from kubekeep.model.source import FileType, Source
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.embedded import list_embedded
from kubekeep.sources.files import open_file
from kubekeep.sources.manifests.names import COMPRESSED, COMPRESSED_JSON, COMPRESSED_YAML, JSON, YAML
from kubekeep.sources.objects import IncompleteObject, find_objects
from kubekeep.sources.source import Root
from kubekeep.sources.tree import Document, Limits, Problem

_MOST_PROBLEMS: Final = 10
_VALUES_FILE: Final = re.compile(
    r"(?:.*[/\\])?(?:values[/\\][^/\\]*|(?:[^/\\]*[-_.])?values(?:[-_.][^/\\]*)?)\.(?:ya?ml|json)", re.IGNORECASE
)
"""Names of values files of charts: `values-prod.yaml`, `ci/test-values.yaml`, `values/prod.yaml`."""


def read_file(root: Root, limits: Limits) -> Iterator[Resource | UnreadInput]:
    """Yield the objects of a file in the order of its documents.

    Yields an UnreadInput for a syntax error (after the documents before it) and an object without kind, and a FieldProblem
    for a duplicate key: its last value is used, as in kubectl, although strict validation of the API server rejects it.
    """
    try:
        with open_file(root.path) as stream:
            yield from read_stream(stream, root, limits)
    except OSError as error:
        yield UnreadInput(Location(root.shown_path), error_reason(error))


def read_stream(stream: BinaryIO, root: Root, limits: Limits) -> Iterator[Resource | UnreadInput]:
    """Yield the objects of an open stream, as `read_file` does for a file."""
    try:
        content = _decompress(stream, limits) if _is_compressed(root) else stream.read(limits.bytes + 1)
    except (OSError, EOFError, zlib.error) as error:
        yield UnreadInput(
            Location(root.shown_path), f"not a complete file of gzip: {error_reason(ValueError(str(error)))}"
        )
        return
    if len(content) > limits.bytes:
        yield UnreadInput(Location(root.shown_path), f"larger than {limits.bytes} bytes: not read")
        return
    yield from _read_documents(content, root, limits)


def _is_compressed(root: Root) -> bool:
    return root.path.lower().endswith(COMPRESSED)


def _decompress(stream: BinaryIO, limits: Limits) -> bytes:
    """Return the content of a compressed file, at most one byte more than the limit. Raises OSError, EOFError, zlib.error."""
    with gzip.GzipFile(fileobj=stream) as decompressed:
        return decompressed.read(limits.bytes + 1)


def _read_documents(content: bytes, file: Root, limits: Limits) -> Iterator[Resource | UnreadInput]:
    encoding = "UTF-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "UTF-8"
    try:
        text = content.decode(encoding).removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        text_before = content[: error.start].decode(error.encoding, "replace").removeprefix("\ufeff")
        message = f"not {encoding} text: {error.reason}"
        yield _report_problem(file, Problem(message, len(text_before)), line_starts(text_before))
        return
    lines = line_starts(text)
    file_type, documents = _parse_documents(text, lines, file, limits)
    for number, document in enumerate(documents):
        if isinstance(document, Problem):
            yield _report_problem(file, document, lines)
        elif document is not None:
            source = Source(file.shown_path, file.base, file_type, number, document.source_map)
            yield from _find_resources(document, source, file, lines)


_Documents = Iterable[Document | Problem | None]


def _parse_documents(text: str, lines: array[int], file: Root, limits: Limits) -> tuple[FileType, _Documents]:
    """Return the documents and their type: JSON by the name of the file or else by its content, otherwise YAML."""
    yaml, json = (COMPRESSED_YAML, COMPRESSED_JSON) if _is_compressed(file) else (YAML, JSON)
    if file.path.lower().removesuffix(".gz").endswith(".json"):
        return json, json_text.parse_documents(text, lines, limits)
    if text.lstrip().startswith("{"):
        # Nearly all JSON is YAML, but not its surrogate pairs and long keys; kubectl looks for the brace too.
        documents = list(json_text.parse_documents(text, lines, limits))
        if not any(isinstance(document, Problem) for document in documents):
            return json, documents
    return yaml, yaml_text.parse_documents(text, lines, limits)


def _find_resources(
    document: Document, source: Source, file: Root, lines: array[int]
) -> Iterator[Resource | UnreadInput]:
    """Yield the objects of a document; problems of a document without objects are ignored.

    A values file of a chart may have a key `kind` or `apiVersion`; it is no object without the other one.
    """
    is_kubernetes = False
    is_mapping = isinstance(document.value, dict)
    if is_mapping and not document.value.keys() >= {"apiVersion", "kind"} and _VALUES_FILE.fullmatch(file.path):
        return
    for match in find_objects(document.value):
        if isinstance(match, IncompleteObject):
            yield UnreadInput(
                Location(file.shown_path, document.source_map.region(document.value, match.path)), match.message
            )
            continue
        is_kubernetes = True
        if not match.path:
            yield Resource(match.object, source)
        else:
            yield Resource(match.object, msgspec.structs.replace(source, root=match.path), document.value)
        yield from list_embedded(match, document.value, source)
    if not is_kubernetes:
        return
    for problem in document.problems[:_MOST_PROBLEMS]:
        yield FieldProblem(_locate_problem(file, problem, lines), problem.message)
    rest = document.problems[_MOST_PROBLEMS:]
    if rest:
        message = f"{len(rest)} more duplicate keys in this document"
        yield FieldProblem(_locate_problem(file, rest[0], lines), message)


def _report_problem(file: Root, problem: Problem, lines: array[int]) -> UnreadInput:
    return UnreadInput(_locate_problem(file, problem, lines), problem.message)


def _locate_problem(file: Root, problem: Problem, lines: array[int]) -> Location:
    line = bisect_right(lines, problem.at)
    position = Position(line, problem.at - lines[line - 1] + 1)
    return Location(file.shown_path, Region(position, position))
