"""States of several controls over a period as those of one requirement. Values only."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from kubekeep_server.store.control_states import ControlState


class Interval(NamedTuple):
    """A state from one time on until, and without, another one. Microseconds since 1970."""

    since: int
    until: int
    state: ControlState


def combine(states: Iterable[ControlState]) -> ControlState:
    """Return the state of a whole of its parts: it fails with one of them, and has passed if all of them have."""
    present = frozenset(states)
    if ControlState.FAILED in present:
        return ControlState.FAILED
    if present <= {ControlState.NOT_EVALUATED}:
        return ControlState.NOT_EVALUATED
    if present & {ControlState.NOT_EVALUATED, ControlState.PARTLY}:
        return ControlState.PARTLY
    return ControlState.COVERED if ControlState.COVERED in present else ControlState.PASSED


def merge_intervals(
    controls: Sequence[int], intervals: Mapping[int, Sequence[Interval]], since: int, until: int
) -> tuple[Interval, ...]:
    """Return the states of a requirement in a period, without gaps. intervals: of its controls, in the order of time."""
    states = dict.fromkeys(controls, ControlState.NOT_EVALUATED)
    changes: dict[int, dict[int, ControlState]] = {since: {}}
    for number in states:
        for one in intervals.get(number, ()):
            begin, end = max(one.since, since), min(one.until, until)
            if begin < end:
                changes.setdefault(begin, {})[number] = one.state
                changes.setdefault(end, {}).setdefault(number, ControlState.NOT_EVALUATED)
    merged: list[Interval] = []
    for begin, end in itertools.pairwise([*sorted(changes.keys() - {until}), until]):
        states.update(changes[begin])
        state = combine(states.values())
        if merged and merged[-1].state is state:
            merged[-1] = merged[-1]._replace(until=end)
        else:
            merged.append(Interval(begin, end, state))
    return tuple(merged)
