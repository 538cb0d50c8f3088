"""Decisions on problems of images: those of an image follow from all active decisions, whenever it is refreshed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from sqlalchemy import Connection, select

from kubekeep_server.store.batches import is_key, select_by_keys
from kubekeep_server.store.coverage import ActiveDecision, load_decisions
from kubekeep_server.store.image_reports import Problem
from kubekeep_server.store.image_schema import image, image_name, repository


def find_decisions(
    connection: Connection, definitions: Mapping[str, int], images: Mapping[int, Iterable[Problem]]
) -> dict[tuple[int, Problem], int]:
    """Return the number of the first decision that covers a problem, by image and problem.

    definitions: numbers by key. images: problems by image. The caller has locked the definitions.
    """
    decisions = [
        one for one in load_decisions(connection, definitions.values()) if one.kind.covers and one.scope.selects_images
    ]
    if not decisions:
        return {}
    by_definition: dict[int, list[ActiveDecision]] = {}
    for one in decisions:
        for number in one.definitions:
            by_definition.setdefault(number, []).append(one)
    digests = _load_digests(connection, images)
    names = _load_repositories(connection, images) if any(one.scope.repositories for one in decisions) else {}
    decided: dict[tuple[int, Problem], int] = {}
    for number, problems in images.items():
        repositories = names.get(number, frozenset())
        for problem in problems:
            for one in by_definition.get(definitions[problem.definition], ()):
                if one.scope.selects_problem(digests[number], repositories, problem.purl):
                    decided[number, problem] = one.id
                    break
    return decided


def _load_digests(connection: Connection, images: Iterable[int]) -> dict[int, str]:
    query = select(image.c.id, image.c.digest).where(is_key(image.c.id))
    return {row.id: row.digest for row in select_by_keys(connection, query, images)}


def _load_repositories(connection: Connection, images: Iterable[int]) -> dict[int, frozenset[str]]:
    query = select(image_name.c.image, repository.c.name).join(repository, repository.c.id == image_name.c.repository)
    names: dict[int, set[str]] = {}
    for row in select_by_keys(connection, query.where(is_key(image_name.c.image)), images):
        names.setdefault(row.image, set()).add(row.name)
    return {number: frozenset(group) for number, group in names.items()}
