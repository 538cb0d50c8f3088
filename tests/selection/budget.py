"""Choice of slow tests within a budget: the nearest to the changes first, then a share of the others. No I/O."""

from __future__ import annotations

import enum
import hashlib
from collections.abc import Iterable, Iterator, Mapping
from typing import Final, NamedTuple

from tests.selection.record import FileTimes

NEW_FILE_SECONDS: Final = 20.0
"""Estimate for a file that the last complete run did not have."""
SHARE: Final = 0.15
"""Part of the budget that is kept for tests that no change affects."""
LONG: Final = 60.0
"""Seconds from which a test is chosen after the shorter ones of the same distance."""


class Reason(enum.Enum):
    """Reasons for the choice of a test, in the order of the choice."""

    CHANGED = "changed tests"
    AFFECTED = "affected by a change"
    SHARE = "rotating share of the others"


class Unit(NamedTuple):
    """Tests that are chosen together. row: the name of a slow test; empty for all other tests of the file."""

    file: str
    row: str
    tests: int
    seconds: float


class Choice(NamedTuple):
    """A unit, the reason for it, and its distance from the changes."""

    unit: Unit
    reason: Reason
    distance: int | None


def list_units(files: Iterable[str], times: Mapping[str, FileTimes]) -> Iterator[Unit]:
    """Yield the units of test files."""
    for file in files:
        known = times.get(file)
        if known is None:
            yield Unit(file, "", 0, NEW_FILE_SECONDS)
            continue
        yield from (Unit(file, row, 1, seconds) for row, seconds in known.rows.items())
        rest = known.tests - len(known.rows)
        if rest:
            yield Unit(file, "", rest, max(known.seconds - sum(known.rows.values()), 0.0))


def choose(
    units: Iterable[Unit], distances: Mapping[str, int], seed: str, budget: float
) -> tuple[list[Choice], list[Choice]]:
    """Return the chosen units and those left out, by distance.

    seed: decides about units of the same distance. budget: worker seconds. Units that do not fit are skipped for smaller ones.
    """
    choices = sorted((_create_choice(unit, distances) for unit in units), key=lambda choice: _rank(choice, seed))
    chosen, left = [], []
    spent = 0.0
    for choice in choices:
        is_share = choice.reason is Reason.SHARE
        limit = budget if is_share or choice.reason is Reason.CHANGED else budget * (1 - SHARE)
        if spent + choice.unit.seconds <= limit:
            spent += choice.unit.seconds
            chosen.append(choice)
        else:
            left.append(choice)
    return chosen, left


def _create_choice(unit: Unit, distances: Mapping[str, int]) -> Choice:
    distance = distances.get(unit.file)
    if distance is None:
        return Choice(unit, Reason.SHARE, None)
    return Choice(unit, Reason.AFFECTED if distance else Reason.CHANGED, distance)


def _rank(choice: Choice, seed: str) -> tuple[int, int, bool, str]:
    unit = choice.unit
    number = hashlib.sha256(f"{seed} {unit.file} {unit.row}".encode()).hexdigest()
    order = list(Reason).index(choice.reason)
    return order, choice.distance or 0, unit.seconds >= LONG, number
