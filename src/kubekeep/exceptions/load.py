"""The exceptions of a scan: read from files and ready-made sets, and found among the objects of a cluster.

Reads the files it is told to; never decides what an exception covers.
"""

from __future__ import annotations

import datetime as dt
import os
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

import msgspec

from kubekeep.exceptions.apply import apply_exceptions
from kubekeep.exceptions.custom_resources import exception_of, is_security_exception, security_exception
from kubekeep.exceptions.kubescape_format import is_policy, policy_exception
from kubekeep.exceptions.policy_exception import FlawError, PolicyException
from kubekeep.exceptions.sets import set_file
from kubekeep.model.assessment import ResourceResult
from kubekeep.model.exception import AppliedException, ExceptionUse
from kubekeep.model.label_selector import get_labels
from kubekeep.model.location import Location, Path, line_starts
from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.resource import Resource
from kubekeep.model.text import visible
from kubekeep.posture.select import Selection
from kubekeep.sources import json_text, yaml_text
from kubekeep.sources.manifests import opened
from kubekeep.sources.objects import Found, objects
from kubekeep.sources.tree import LAST_WINS, Document, Limits, Problem

_LIMITS: Final = Limits(bytes=16 << 20, depth=64, aliased=100_000, documents=10_000, nodes=1_000_000)


class ExceptionsError(ValueError):
    """A file of exceptions that cannot be used; the message starts with its place and steers no terminal."""


class ExceptionOptions(msgspec.Struct, frozen=True, kw_only=True):
    """Which exceptions a scan goes by: those of `files` and of ready-made `sets`, by name.

    `inline` says whether what stands beside a finding counts, annotations and comments; None for what fits the
    input: yes for files that people review, no for a snapshot, where whoever may deploy could excuse themselves.
    """

    files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    inline: bool | None = None

    def honours_inline(self, *, snapshot: bool) -> bool:
        """Whether exceptions beside findings count."""
        return not snapshot if self.inline is None else self.inline


def read_all(exceptions: ExceptionOptions, beside: Sequence[str] = ()) -> tuple[PolicyException, ...]:
    """All exceptions of the files and sets, then those of the files `beside` a library. Raises ExceptionsError."""
    files = [*exceptions.files, *beside]
    found = [item for path in files for item in read_exceptions(path)]
    return (*found, *(item for name in exceptions.sets for item in read_set(name)))


def read_set(name: str) -> tuple[PolicyException, ...]:
    """The exceptions of a ready-made set. Raises ExceptionsError for a name that means none."""
    file = set_file(name)
    if file is None:
        raise ExceptionsError(f"there is no set of exceptions {name!r}; `kubekeep list exceptions` shows them")
    found = _policy_exceptions(file.read_text(encoding="utf-8"), str(file), file.name)
    return tuple(msgspec.structs.replace(item, exception=_of_set(name, item.exception)) for item in found)


def _of_set(name: str, exception: AppliedException) -> AppliedException:
    """A waiver of a set: people know that by its name, not by a file of ours."""
    return msgspec.structs.replace(exception, name=f"{name}: {exception.name}", location=None)


def read_exceptions(path: str) -> tuple[PolicyException, ...]:
    """The exceptions in a file: a list of Kubescape's policies, single ones, or objects. Raises ExceptionsError."""
    shown = display_path(path)
    try:
        with opened(path) as stream:
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
    return tuple(_policy_exceptions(text, path, shown))


class Exceptions:
    """The exceptions of one scan, with what they have to know of its objects."""

    def __init__(self, exceptions: ExceptionOptions, beside: Sequence[str], *, snapshot: bool) -> None:
        """Read the files, those `beside` a library too. Raises ExceptionsError."""
        self._given = read_all(exceptions, beside)
        self._inline = exceptions.honours_inline(snapshot=snapshot)
        self._snapshot = snapshot
        self._found: list[PolicyException] = []
        self._namespaces: dict[str, dict[str, str]] = {}

    @property
    def are_any(self) -> bool:
        """Whether anything may be accepted."""
        return bool(self._given or self._found or self._inline)

    def forget(self) -> None:
        """Forget the objects that were noted."""
        self._found.clear()
        self._namespaces.clear()

    def noting(self, resources: Iterable[Resource]) -> Iterator[Resource]:
        """The same resources; namespaces among them are noted, and the exceptions that a cluster holds."""
        for resource in resources:
            if resource.kind == "Namespace" and not resource.group:
                self._namespaces[resource.name] = get_labels(resource.object)
            elif self._snapshot and is_security_exception(resource.object):
                self._found += _security_exception(resource)
            yield resource

    def applied(
        self, results: list[ResourceResult], selection: Selection, now: dt.datetime
    ) -> tuple[list[ResourceResult], tuple[ExceptionUse, ...]]:
        """The results with waivers, and what became of each exception."""
        return apply_exceptions(
            results,
            (*self._given, *self._found),
            selection,
            now,
            namespaces=self._namespaces,
            folder=os.getcwd(),  # noqa: PTH109 - text to compare with, not a path to walk
            inline=self._inline,
        )


def _security_exception(resource: Resource) -> Iterator[PolicyException]:
    """The exception that an object is; one that cannot be used has a flaw."""
    place = resource.locate(())
    try:
        found = security_exception(resource.object, place)
    except FlawError as error:
        yield PolicyException(exception=exception_of(resource.object, resource.locate(error.path)), flaw=str(error))
    else:
        yield from () if found is None else (found,)


class _File(msgspec.Struct, frozen=True):
    """A file as errors and reports name it, and one document of it."""

    shown: str
    document: Document

    def location(self, at: Path) -> Location:
        """Where the value at `at` stands."""
        return Location(self.shown, self.document.source_map.region(self.document.value, at))

    def error(self, message: str, at: Path) -> ExceptionsError:
        """The error that `message` is about the value at `at`."""
        start = self.document.source_map.region(self.document.value, at).start
        return ExceptionsError(f"{self.shown}:{start.line}:{start.column}: {visible(message)}")


def _policy_exceptions(text: str, path: str, shown: str) -> Iterator[PolicyException]:
    for document in _documents(text, path, shown):
        value = document.value
        file = _File(shown, document)
        if isinstance(value, list):
            for number, item in enumerate(value):
                yield from _one(file, item, (number,), number)
        elif is_policy(value):
            yield from _one(file, value, (), 0)
        else:
            yield from _of_objects(file, value)


def _of_objects(file: _File, value: Any) -> Iterator[PolicyException]:
    found = list(objects(value))
    if not found:
        raise file.error("neither a list of exceptions nor an object", ())
    for item in found:
        if not isinstance(item, Found):
            raise file.error(item.message, item.path)
        if not is_security_exception(item.object):
            kind = item.object.get("kind")
            raise file.error(f"{kind} is neither SecurityException nor ClusterSecurityException", item.path)
        yield from _one(file, item.object, item.path, 0)


def _one(file: _File, value: Any, at: Path, number: int) -> Iterator[PolicyException]:
    try:
        if is_security_exception(value):
            found = security_exception(value, file.location(at))
            yield from () if found is None else (found,)
        else:
            yield policy_exception(value, file.location(at), number)
    except FlawError as error:
        raise file.error(str(error), (*at, *error.path)) from error


def _documents(text: str, path: str, shown: str) -> Iterator[Document]:
    """The documents that say something. Raises ExceptionsError for what cannot be read, and keys said twice."""
    lines = line_starts(text)
    is_json = os.path.splitext(path)[1].lower() == ".json"  # noqa: PTH122 - the text that people typed
    for item in (json_text if is_json else yaml_text).documents(text, lines, _LIMITS):
        problems = [item] if isinstance(item, Problem) else item.problems if item is not None else ()
        for problem in problems:
            line = bisect_right(lines, problem.at)
            place = f"{shown}:{line}:{problem.at - lines[line - 1] + 1}"
            raise ExceptionsError(f"{place}: {visible(problem.message.removesuffix(LAST_WINS))}")
        if isinstance(item, Document) and item.value is not None:
            yield item
