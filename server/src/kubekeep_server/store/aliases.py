"""Problems of an image under several names: a flaw that sources name by CVE, GHSA or the id of a distribution counts once.

Only names that reports and matches have are joined, by the aliases of their definitions. Two CVEs are never one flaw.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
from sqlalchemy import Connection, select

from kubekeep.vulnerabilities.aliases import extract_cve, is_cve
from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.image_reports import Problem, ProblemState, join_states
from kubekeep_server.store.schema import definition

Problems = dict[Problem, ProblemState]


class _Names(msgspec.Struct, frozen=True):
    """The part of a definition with its other names."""

    aliases: tuple[str, ...] = ()


_decoder = msgspec.json.Decoder(_Names)


def join_aliases(connection: Connection, images: Mapping[int, Problems]) -> dict[int, Problems]:
    """Return the problems of images, with those of a package about one flaw as one: that of the CVE if it is listed.

    Reads no definition unless a package has a problem without the id of a CVE beside another one.
    """
    required = {number: groups for number, problems in images.items() if (groups := _find_candidates(problems))}
    keys = {problem.definition for groups in required.values() for group in groups for problem in group}
    names = _load_names(connection, keys)
    return {**images, **{number: _join(images[number], groups, names) for number, groups in required.items()}}


def _find_candidates(problems: Iterable[Problem]) -> list[list[Problem]]:
    """Return the problems of each package that may have two names of one flaw."""
    other = {problem.purl for problem in problems if not is_cve(problem.definition)}
    groups: dict[str, list[Problem]] = {}
    for problem in problems:
        if problem.purl in other:
            groups.setdefault(problem.purl, []).append(problem)
    return [sorted(group) for group in groups.values() if len(group) > 1]


def _load_names(connection: Connection, keys: Iterable[str]) -> dict[str, frozenset[str]]:
    """Return all names of definitions by key."""
    query = select(definition.c.key, definition.c.document).where(is_key(definition.c.key))
    names: dict[str, frozenset[str]] = {}
    for row in select_by_keys(connection, query, keys):
        aliases = _decoder.decode(row.document).aliases
        names[row.key] = frozenset(filter(None, (row.key, extract_cve(row.key), *aliases)))
    return names


def _join(problems: Problems, groups: Iterable[list[Problem]], names: Mapping[str, frozenset[str]]) -> Problems:
    joined = dict(problems)
    for group in groups:
        cves = [problem for problem in group if is_cve(problem.definition)]
        chosen = [*cves]
        for problem in group:
            if problem in cves:
                continue
            equal = [first for first in chosen if _are_equal(names, problem.definition, first.definition)]
            if len(equal) == 1:
                joined[equal[0]] = join_states(joined[equal[0]], joined.pop(problem))
            else:
                # An advisory about several flaws is none of them.
                chosen.append(problem)
    return joined


def _are_equal(names: Mapping[str, frozenset[str]], first: str, second: str) -> bool:
    return second in names.get(first, ()) or first in names.get(second, ())
