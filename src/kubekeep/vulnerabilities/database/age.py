"""The age of advisories. Never decides if an update is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Final

from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.source import SourceState

_UNITS: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))


def list_old(states: Mapping[str, SourceState], max_age: dt.timedelta, now: dt.datetime) -> list[SourceState]:
    """Return the states that are older than `max_age`, or of unknown age."""
    return [state for state in states.values() if is_old(state.updated, max_age, now)]


def is_old(updated: dt.datetime | None, max_age: dt.timedelta, now: dt.datetime) -> bool:
    """Return True for a time that is unknown or further away than `max_age`, also if it is in the future."""
    return updated is None or abs(now - updated) > max_age


def describe_old(state: SourceState, max_age: dt.timedelta) -> str:
    """Return a message about advisories that are too old, with the next step."""
    time = f"are of {utc_text(state.updated)}" if state.updated else "have no time"
    return f"the advisories for {state.ecosystem} {time}; the limit is {format_limit(max_age)}: {state.renewal}"


def format_age(age: dt.timedelta) -> str:
    """Return an age in its largest unit that is not zero, as "3 days"."""
    seconds = max(0, int(age.total_seconds()))
    for unit, size in _UNITS:
        if number := seconds // size:
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def format_limit(limit: dt.timedelta) -> str:
    """Return a maximum age exactly, in the largest unit without a rest, as "90 minutes"."""
    seconds = int(limit.total_seconds())
    unit, size = next(((unit, size) for unit, size in _UNITS if not seconds % size), ("second", 1))
    number = seconds // size
    return f"{number:,} {unit}{'' if number == 1 else 's'}"
