"""Ages on the command line and in the configuration file, such as `3d`. Parses only."""

from __future__ import annotations

import datetime as dt
import re
from typing import Any, Final

import click

from kubekeep.model.text import visible

_AGE: Final = re.compile(r"([0-9]{1,5})([mhdw])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
AGE_HELP: Final = "90m, 12h, 3d or 2w"
"""Examples for messages and help texts."""


class AgeType(click.ParamType[dt.timedelta]):
    """A number of minutes, hours, days or weeks: `90m`, `12h`, `3d`, `2w`."""

    name = "age"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.timedelta:
        """Return the age in `value`. Raises a usage error for other text."""
        if isinstance(value, dt.timedelta):
            return value
        match = _AGE.fullmatch(str(value))
        if match is None:
            advice = f"use a number of minutes, hours, days or weeks, such as {AGE_HELP}"
            self.fail(f"{visible(str(value))!r} is not an age: {advice}", param, ctx)
        return dt.timedelta(**{_UNITS[match[2]]: int(match[1])})


AGE: Final = AgeType()
