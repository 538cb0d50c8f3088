"""The problems of the images of a scope, summed without a row for each problem.

A table of problems by definition and scope would change with each image; the packed problems of an image change with it alone.
"""

from __future__ import annotations

import functools
import operator
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, select

from kubekeep._native import ImageProblems
from kubekeep_server.store.image_schema import image_problems
from kubekeep_server.store.scopes import Scope, select_selected_uses, select_uses


class Summary(NamedTuple):
    """The open problems of a definition in the images of a scope. opened: microseconds since 1970 of the first one."""

    definition: int
    exposure: int
    images: int
    opened: int
    is_fixable: bool


class UpgradeSummary(NamedTuple):
    """The open problems that newer versions of a package fix. name: number in `package_name`."""

    name: int
    problems: int
    images: int
    workloads: int
    exposed_workloads: int


class ScopeProblems:
    """The open problems of the images of a scope, without those that an exception covers.

    is_selected: a condition of the workloads that run the images; None for all images.
    """

    def __init__(self, connection: Connection, scope: Scope, is_selected: ColumnElement[bool] | None = None) -> None:
        uses = (select_uses(scope) if is_selected is None else select_selected_uses(scope, is_selected)).subquery()
        columns = (image_problems.c.content, uses.c.exposure, uses.c.workloads, uses.c.exposed_workloads)
        query = select(*columns, image_problems.c.image).join(uses, uses.c.image == image_problems.c.image)
        rows = connection.execute(query.order_by(image_problems.c.image)).all()
        self._images = [row[-1] for row in rows]
        self._rows = [tuple(row[:-1]) for row in rows]

    def sum_definitions(self) -> dict[int, Summary]:
        """Return what the images have of each definition, by its number."""
        return {summary[0]: summary for summary in map(Summary._make, self._problems.sum_definitions())}

    def list_images(self, definitions: Iterable[int], limit: int) -> list[tuple[int, int]]:
        """Return pairs of a definition and each of the first `limit` images with it."""
        pairs = self._problems.list_images(sorted(definitions), limit)
        return [(definition, self._images[position]) for definition, position in pairs]

    def sum_upgrades(self, definitions: Sequence[list[int]], groups: Sequence[tuple[int, int]]) -> list[UpgradeSummary]:
        """Return what newer versions of each package fix. definitions: those that count, by exposure of the image.

        groups: pairs of a package and the one that it counts for, with which it is one change. A workload with several of the images counts for each.
        """
        sums: dict[int, tuple[int, ...]] = {}
        for exposure, problems in self._by_exposure.items():
            for name, *numbers in problems.sum_upgrades(definitions[exposure], groups):
                known = sums.get(name, (0,) * len(numbers))
                sums[name] = tuple(map(operator.add, known, numbers))
        return [UpgradeSummary(name, *numbers) for name, numbers in sums.items()]

    def list_upgrades(self, definitions: Sequence[list[int]], names: Iterable[int]) -> set[tuple[int, int, int]]:
        """Return the different triples of package name, fixed version and definition. definitions: as in `sum_upgrades`."""
        selected = sorted(names)
        return {
            upgrade
            for exposure, problems in self._by_exposure.items()
            for upgrade in problems.list_upgrades(definitions[exposure], selected)
        }

    @functools.cached_property
    def _problems(self) -> ImageProblems:
        return ImageProblems(self._rows)

    @functools.cached_property
    def _by_exposure(self) -> dict[int, ImageProblems]:
        rows: dict[int, list[Any]] = {}
        for row in self._rows:
            rows.setdefault(row[1], []).append(row)
        return {exposure: ImageProblems(group) for exposure, group in rows.items()}
