"""Matches of images: problems by the server's own advisories, beside those that sources report.

A match opens what its advisories name. It closes only what it has named itself before, for the reports that it had seen then:
advisories that the server does not have close nothing, and neither does a package that could not be compared. Reports decide
if a problem is suppressed, as only they know exceptions and VEX documents.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import msgspec
from msgspec.structs import replace
from sqlalchemy import Connection, select

from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.compression import compress, decompress
from kubekeep_server.store.image_reports import ImageReport, Problem, ProblemState, join_states, merge_reports
from kubekeep_server.store.match_schema import image_match
from kubekeep_server.store.upsert import replace_rows

_Reports = Mapping[bytes, ImageReport]
"""Reports on an image by digest."""
_Listed = dict[bytes, dict[Problem, ProblemState]]
"""Problems by the digest of the report with them."""


class MatchedProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A vulnerability of a package by advisories.

    definition: its key. names: all identifiers of the flaw, by one of which a report may list it. rating: severity, score and
    known exploitation by its advisories. is_suppressed: a changelog or the linked functions show that the package is not
    affected.
    """

    definition: str
    purl: str
    names: tuple[str, ...] = ()
    fixed_version: str = ""
    rating: str = ""
    is_suppressed: bool = False

    @property
    def key(self) -> Problem:
        """The problem as the server lists it."""
        return Problem(self.definition, self.purl)

    @property
    def keys(self) -> tuple[Problem, ...]:
        """The problem as any report may list it."""
        return (self.key, *(Problem(name, self.purl) for name in self.names if name != self.definition))


class KnownProblem(msgspec.Struct, frozen=True, omit_defaults=True):
    """A problem that the server's advisories name, or have named.

    is_open: False if they name it no longer. is_unknown: True if its package could not be compared again. overruled: digests of
    the reports that were made before the advisories changed, whose statement about the problem does not count.
    """

    problem: MatchedProblem
    is_open: bool = True
    is_unknown: bool = False
    overruled: tuple[bytes, ...] = ()


class ImageMatch(msgspec.Struct, frozen=True):
    """The problems of an image by the server's advisories, in the order of package and definition."""

    problems: tuple[KnownProblem, ...] = ()

    @property
    def is_incomplete(self) -> bool:
        """True if nothing is known now about a package with an open problem."""
        return any(known.is_unknown for known in self.problems)


class PackageResults(NamedTuple):
    """The result of matching packages of an image, by package URL.

    listed: all packages of the image. compared: those that were matched. unassessed: of these, those without an answer.
    """

    listed: frozenset[str]
    compared: frozenset[str]
    unassessed: frozenset[str]
    problems: tuple[MatchedProblem, ...]


def load_matches(connection: Connection, images: Iterable[int]) -> dict[int, ImageMatch]:
    """Return the matches of images; those that were never matched are absent."""
    query = select(image_match).where(is_key(image_match.c.image))
    rows = select_by_keys(connection, query, images)
    return {row.image: msgspec.msgpack.decode(decompress(row.content), type=ImageMatch) for row in rows}


def store_matches(connection: Connection, matches: Mapping[int, ImageMatch], version: int) -> None:
    """Store matches by image. version: of the advisory database."""
    rows: list[dict[str, Any]] = [
        {
            "image": number,
            "version": version,
            "is_incomplete": matches[number].is_incomplete,
            "content": compress(msgspec.msgpack.encode(matches[number])),
        }
        for number in sorted(matches)
    ]
    replace_rows(connection, image_match, ("version", "is_incomplete", "content"), rows)


def merge_match(reports: _Reports, match: ImageMatch) -> dict[Problem, ProblemState]:
    """Return the open problems of an image with the reports of all its sources and the server's match."""
    listed = {digest: merge_reports([report]) for digest, report in reports.items()}
    for known in match.problems:
        _overrule(listed, known)
    merged: dict[Problem, ProblemState] = {}
    for problems in listed.values():
        for problem, state in problems.items():
            merged[problem] = join_states(merged[problem], state) if problem in merged else state
    reported = frozenset(merged)
    for known in match.problems:
        if known.is_open:
            _add(merged, known, reported)
    return merged


def _overrule(listed: _Listed, known: KnownProblem) -> None:
    """Remove what overruled reports say about a problem, or the fixed version in it."""
    for digest in known.overruled:
        problems = listed.get(digest, {})
        for key in known.problem.keys:
            state = problems.pop(key, None)
            if state is not None and known.is_open:
                problems[key] = state._replace(fixed_version=known.problem.fixed_version)


def _add(merged: dict[Problem, ProblemState], known: KnownProblem, reported: frozenset[Problem]) -> None:
    """Add a problem of the match, or confirm it under the name that reports have for it; several names are one problem."""
    problem = known.problem
    own = ProblemState(problem.fixed_version, problem.is_suppressed, known.is_unknown)
    first, *others = [key for key in problem.keys if key in reported and key in merged] or [problem.key]
    state = merged.get(first, own)
    for key in others:
        state = join_states(state, merged.pop(key))
    # Exceptions and VEX documents are in reports only.
    merged[first] = join_states(state, own)._replace(is_suppressed=state.is_suppressed)


def update_match(before: ImageMatch, results: PackageResults, reports: _Reports) -> ImageMatch:
    """Return the match of an image after its packages, or some of them, were matched again."""
    listed = {digest: merge_reports([report]) for digest, report in reports.items()}
    known = {entry.problem.key: _prune(entry, listed) for entry in before.problems}
    matched = {problem.key: problem for problem in results.problems}
    after = {key: _renew(known.get(key), problem, listed) for key, problem in matched.items()}
    for key, entry in known.items():
        if key not in matched and key.purl in results.listed:
            after[key] = _keep_or_close(entry, results, listed)
    kept = [entry for entry in after.values() if entry.is_open or entry.overruled]
    return ImageMatch(tuple(sorted(kept, key=lambda entry: (entry.problem.purl, entry.problem.definition))))


def _prune(entry: KnownProblem, listed: _Listed) -> KnownProblem:
    """Return a problem without the reports that no source has any more."""
    return replace(entry, overruled=tuple(digest for digest in entry.overruled if digest in listed))


def _renew(entry: KnownProblem | None, problem: MatchedProblem, listed: _Listed) -> KnownProblem:
    """Return a problem that advisories name. A change of its fix overrules the reports that were made before it."""
    if entry is None:
        return KnownProblem(problem)
    has_other_fix = entry.is_open and entry.problem.fixed_version != problem.fixed_version
    overruled = _list_overruled(entry, listed) if has_other_fix else entry.overruled
    return KnownProblem(problem, overruled=overruled)


def _keep_or_close(entry: KnownProblem, results: PackageResults, listed: _Listed) -> KnownProblem:
    purl = entry.problem.purl
    if not entry.is_open or purl not in results.compared:
        return entry
    if purl in results.unassessed:
        return replace(entry, is_unknown=True)
    return replace(entry, is_open=False, is_unknown=False, overruled=_list_overruled(entry, listed))


def _list_overruled(entry: KnownProblem, listed: _Listed) -> tuple[bytes, ...]:
    return tuple(sorted({*entry.overruled, *_list_reporting(entry.problem.keys, listed)}))


def _list_reporting(keys: Iterable[Problem], listed: _Listed) -> Iterator[bytes]:
    """Yield the digests of reports that list a problem under one of its names."""
    for digest, problems in listed.items():
        if any(key in problems for key in keys):
            yield digest
