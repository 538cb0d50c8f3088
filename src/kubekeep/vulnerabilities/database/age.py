"""The age of advisories. Never decides if an update is made."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from kubekeep.model.text import utc_text
from kubekeep.vulnerabilities.source import SourceState


def list_old(states: Mapping[str, SourceState], max_age: dt.timedelta, now: dt.datetime) -> list[SourceState]:
    """Return the states that are older than `max_age`, or of unknown age."""
    return [state for state in states.values() if state.updated is None or now - state.updated > max_age]


def describe_old(state: SourceState, max_age: dt.timedelta) -> str:
    """Return a message about advisories that are too old, with the next step."""
    time = f"are of {utc_text(state.updated)}" if state.updated else "have no time"
    return (
        f"the advisories for {state.ecosystem} {time}; the limit is {format_age(max_age)}: "
        f"run `kubekeep db update {_quote(state.ecosystem)}`"
    )


def format_age(age: dt.timedelta) -> str:
    """Return an age in its largest unit that is not zero, as "3 days"."""
    seconds = max(0, int(age.total_seconds()))
    for unit, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if number := seconds // size:
            return f"{number} {unit}{'' if number == 1 else 's'}"
    return "less than a minute"


def _quote(ecosystem: str) -> str:
    return f"'{ecosystem}'" if " " in ecosystem else ecosystem
