"""Limits for the command line and the configuration file: one number, or several by name. Parses only."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import click
import msgspec

from kubekeep.model.severity import Severity
from kubekeep.posture.gate import EVERY, TOTAL


class NamedLimits(msgspec.Struct, frozen=True):
    """Limits by name, and their text."""

    text: str
    pairs: tuple[tuple[str, float], ...]

    @property
    def by_name(self) -> dict[str, float]:
        """The limits, in the order of the text."""
        return dict(self.pairs)

    def __str__(self) -> str:
        return self.text


class LimitsType(click.ParamType[NamedLimits]):
    """Text such as `80` or `nsa=80,overall=70`, each name once, ignoring case. A number alone is for `default_name`."""

    name = "limits"

    min = 0
    """The lower bound."""

    def __init__(
        self, default_name: str, *, maximum: float | None, integer_only: bool, names: tuple[str, ...] = ()
    ) -> None:
        self.max = maximum
        self._default_name = default_name
        self._integer_only = integer_only
        self._names = names

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> NamedLimits:
        """Return the limits in `value`. Raises a usage error for malformed text."""
        if isinstance(value, NamedLimits):
            return value
        limits: dict[str, float] = {}
        for part in str(value).split(","):
            name, equals, number = part.rpartition("=")
            name = name.strip().casefold() if equals else self._default_name
            if (equals and not name) or name in limits:
                self.fail(f"{part!r} is not NAME=NUMBER, each name once", param, ctx)
            if self._names and name not in self._names:
                self.fail(f"{name!r} is not one of {', '.join(self._names)}", param, ctx)
            limits[name] = self._number(number.strip(), param, ctx)
        return NamedLimits(str(value), tuple(limits.items()))

    def _number(self, text: str, param: click.Parameter | None, ctx: click.Context | None) -> float:
        try:
            number = float(int(text)) if self._integer_only else float(text)
        except (ValueError, OverflowError):
            number = math.nan
        if not self.min <= number <= (math.inf if self.max is None else self.max):
            kind = "a whole number" if self._integer_only else "a number"
            until = "" if self.max is None else f" to {self.max:g}"
            self.fail(f"{text!r} is not {kind} from 0{until}", param, ctx)
        return number


PERCENTAGES = LimitsType(EVERY, maximum=100, integer_only=False)
"""Percent by framework or `overall`; a number without a name applies to every one."""
COUNTS = LimitsType(
    TOTAL, maximum=None, integer_only=True, names=(*(level.name.lower() for level in reversed(Severity)), TOTAL)
)
"""Failures by severity or in `total`; a number without a name is the total."""


def map_limits(limits: NamedLimits | None) -> Mapping[str, float]:
    """Return the limits by name; {} for None."""
    return limits.by_name if limits else {}
