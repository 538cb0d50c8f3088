"""Times on the command line: a date, a time, or an age such as `3d`. Parses only."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import click

from kubekeep.cli.console.age import AGE, AGE_HELP
from kubekeep.model.text import visible


class MomentType(click.ParamType[dt.datetime]):
    """A day or a time in RFC 3339, in the local time zone without one; with `takes_ages`, also an age before now."""

    name = "time"

    def __init__(self, *, takes_ages: bool) -> None:
        self._takes_ages = takes_ages

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """Return the time in `value`. Raises a usage error for other text."""
        if isinstance(value, dt.datetime):
            return value
        try:
            return dt.datetime.fromisoformat(str(value)).astimezone()
        except (ValueError, OverflowError):
            if not self._takes_ages:
                self.fail(f"{visible(str(value))!r} is not a time: use a day such as 2027-01-31", param, ctx)
        try:
            return dt.datetime.now(dt.UTC) - AGE.convert(value, param, ctx)
        except (click.BadParameter, OverflowError):
            self.fail(
                f"{visible(str(value))!r} is not a time: use a day such as 2027-01-31, or an age such as {AGE_HELP}",
                param,
                ctx,
            )


PAST: Final = MomentType(takes_ages=True)
DAY: Final = MomentType(takes_ages=False)
