"""The exceptions of a scan: read from files and built-in sets, and collected from the objects of a cluster.

Never decides if an exception covers a finding.
"""

from __future__ import annotations

import datetime as dt
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.custom_resources import describe_object, is_security_exception, parse_security_exception
from kubekeep.exceptions.kubescape_format import is_policy, parse_exception
from kubekeep.exceptions.kubescape_images import is_image_policy, parse_image_policy
from kubekeep.exceptions.policy_exception import InvalidExceptionError, PolicyException
from kubekeep.exceptions.sets import get_set_file
from kubekeep.exceptions.unread import accept_unread
from kubekeep.model.assessment import SubjectResult, UnreadInput
from kubekeep.model.errors import KubekeepError
from kubekeep.model.exception import AppliedException, ExceptionUse
from kubekeep.model.label_selector import get_labels
from kubekeep.model.location import Location, Path, line_starts
from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.posture.select import Selection
from kubekeep.sources.files import open_file
from kubekeep.sources.objects import DocumentObject, find_objects
from kubekeep.sources.tree import LAST_WINS, Document, Limits, Problem

_LIMITS: Final = Limits(bytes=16 << 20, depth=64, aliased=100_000, documents=10_000, nodes=1_000_000)


class ExceptionsError(KubekeepError, ValueError):
    """An exceptions file that cannot be used. The message starts with its location and has no control characters."""


class ExceptionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Sources of exceptions of a scan: paths of `files` and names of built-in `sets`.

    inline: annotations and suppression comments count. None selects the default: True for reviewed files, False for a
    snapshot, because anyone with permission to deploy could exclude their own findings.
    """

    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    inline: bool | None = None

    def honours_inline(self, *, snapshot: bool) -> bool:
        """Return True if annotations and suppression comments count."""
        return not snapshot if self.inline is None else self.inline


def read_all(exceptions: ExceptionOptions, beside: Sequence[str] = ()) -> tuple[PolicyException, ...]:
    """Read the exceptions of files and sets, then of the files `beside` a library. Raises ExceptionsError."""
    files = [*exceptions.files, *beside]
    read = [exception for path in files for exception in read_exceptions(path)]
    return (*read, *(exception for name in exceptions.sets for exception in read_set(name)))


def read_set(name: str) -> tuple[PolicyException, ...]:
    """Read the exceptions of a built-in set. Raises ExceptionsError if there is none of that name."""
    file = get_set_file(name)
    if file is None:
        raise ExceptionsError(f"unknown set of exceptions {name!r}; `kubekeep list exception-sets` lists them")
    exceptions = _read_documents(file.read_text(encoding="utf-8"), str(file), file.name)
    return tuple(
        msgspec.structs.replace(exception, exception=_name_by_set(name, exception.exception))
        for exception in exceptions
    )


def _name_by_set(name: str, exception: AppliedException) -> AppliedException:
    """Name an exception by its set instead of by a file of the package."""
    return msgspec.structs.replace(exception, name=f"{name}: {exception.name}", location=None)


def read_exceptions(path: str) -> tuple[PolicyException, ...]:
    """Read a file: a list of Kubescape policies, single policies, or custom resources. Raises ExceptionsError."""
    shown = display_path(path)
    try:
        with open_file(path) as stream:
            data = stream.read(_LIMITS.bytes + 1)
    except (OSError, ValueError) as error:
        why = error_reason(error) if isinstance(error, OSError) else str(error)
        raise ExceptionsError(f"{shown}: {visible(why)}") from error
    if len(data) > _LIMITS.bytes:
        raise ExceptionsError(f"{shown}: larger than {_LIMITS.bytes} bytes")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExceptionsError(f"{shown}: not UTF-8 text: {error.reason}") from error
    return tuple(_read_documents(text, path, shown))


class ScanExceptions:
    """The exceptions of one scan and the namespaces and custom resources they depend on."""

    def __init__(self, exceptions: ExceptionOptions, beside: Sequence[str], *, snapshot: bool) -> None:
        """Read the files, also those `beside` a library. Raises ExceptionsError."""
        self._configured = read_all(exceptions, beside)
        self._inline = exceptions.honours_inline(snapshot=snapshot)
        self._snapshot = snapshot
        self._collected: list[PolicyException] = []
        self._namespaces: dict[str, dict[str, str]] = {}

    @property
    def has_any(self) -> bool:
        """Return True if any exception may apply."""
        return bool(self._configured or self._collected or self._inline)

    def forget(self) -> None:
        """Forget the collected objects."""
        self._collected.clear()
        self._namespaces.clear()

    def collect(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """Pass resources through; collect namespace labels, and the exceptions of a snapshot."""
        for resource in resources:
            if resource.kind == "Namespace" and not resource.group:
                self._namespaces[resource.name] = get_labels(resource.object)
            elif self._snapshot and is_security_exception(resource.object):
                self._collected += _read_object(resource)
            yield resource

    def apply(
        self, results: list[SubjectResult], selection: Selection, now: dt.datetime
    ) -> tuple[list[SubjectResult], tuple[ExceptionUse, ...]]:
        """Return the results with exceptions applied, and the use of each exception for findings."""
        return apply_exceptions(
            results,
            [exception for exception in (*self._configured, *self._collected) if not exception.is_about_files],
            selection,
            now,
            namespaces=self._namespaces,
            folder=os.getcwd(),  # noqa: PTH109 - text to compare with, not a path to walk
            inline=self._inline,
        )

    def accept_unread(
        self, unread: Iterable[UnreadInput], now: dt.datetime
    ) -> tuple[list[UnreadInput], list[str], tuple[ExceptionUse, ...]]:
        """Return the unread parts that no exception accepts, notes about the others, and the use of each exception."""
        exceptions = [exception for exception in self._configured if exception.is_about_files]
        return accept_unread(unread, exceptions, now)


def _read_object(resource: Resource) -> Iterator[PolicyException]:
    """Parse a custom resource; an invalid one yields an exception with a flaw."""
    location = resource.locate(())
    try:
        exception = parse_security_exception(resource.object, location)
    except InvalidExceptionError as error:
        yield PolicyException(exception=describe_object(resource.object, resource.locate(error.path)), flaw=str(error))
    else:
        yield from () if exception is None else (exception,)


class _ExceptionsDocument(msgspec.Struct, frozen=True):
    """A file as errors and reports name it, and one of its documents."""

    shown: str
    document: Document

    def location(self, at: Path) -> Location:
        """Return the location of the value at a path."""
        return Location(self.shown, self.document.source_map.region(self.document.value, at))

    def error(self, message: str, at: Path) -> ExceptionsError:
        """Return an error about the value at a path."""
        start = self.document.source_map.region(self.document.value, at).start
        return ExceptionsError(f"{self.shown}:{start.line}:{start.column}: {visible(message)}")


def _read_documents(text: str, path: str, shown: str) -> Iterator[PolicyException]:
    for document in _documents(text, path, shown):
        value = document.value
        file = _ExceptionsDocument(shown, document)
        if isinstance(value, list):
            for number, entry in enumerate(value):
                yield from _read_entry(file, entry, (number,), number)
        elif is_policy(value) or is_image_policy(value):
            yield from _read_entry(file, value, (), 0)
        else:
            yield from _read_objects(file, value)


def _read_objects(file: _ExceptionsDocument, value: Any) -> Iterator[PolicyException]:
    entries = list(find_objects(value))
    if not entries:
        raise file.error("neither a list of exceptions nor an object", ())
    for entry in entries:
        if not isinstance(entry, DocumentObject):
            raise file.error(entry.message, entry.path)
        if not is_security_exception(entry.object):
            kind = entry.object.get("kind")
            raise file.error(f"{kind} is neither SecurityException nor ClusterSecurityException", entry.path)
        yield from _read_entry(file, entry.object, entry.path, 0)


def _read_entry(file: _ExceptionsDocument, value: Any, at: Path, number: int) -> Iterator[PolicyException]:
    try:
        if is_security_exception(value):
            exception = parse_security_exception(value, file.location(at))
            yield from () if exception is None else (exception,)
        elif is_image_policy(value):
            yield parse_image_policy(value, file.location(at), number)
        else:
            yield parse_exception(value, file.location(at), number)
    except InvalidExceptionError as error:
        raise file.error(str(error), (*at, *error.path)) from error


def _documents(text: str, path: str, shown: str) -> Iterator[Document]:
    """Yield the documents that are not empty. Raises ExceptionsError for unreadable ones and for duplicate keys."""
    from kubekeep.sources import json_text, yaml_text  # noqa: PLC0415 - most scans have no file of exceptions

    lines = line_starts(text)
    is_json = os.path.splitext(path)[1].lower() == ".json"  # noqa: PTH122 - the text that people typed
    for document in (json_text if is_json else yaml_text).parse_documents(text, lines, _LIMITS):
        problems = [document] if isinstance(document, Problem) else document.problems if document is not None else ()
        for problem in problems:
            line = bisect_right(lines, problem.at)
            position = f"{shown}:{line}:{problem.at - lines[line - 1] + 1}"
            raise ExceptionsError(f"{position}: {visible(problem.message.removesuffix(LAST_WINS))}")
        if isinstance(document, Document) and document.value is not None:
            yield document
