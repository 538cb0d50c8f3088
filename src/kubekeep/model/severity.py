"""Severity levels with their names, score bands and colours. Never rates anything; controls carry a score."""

from __future__ import annotations

import bisect
import enum


class Severity(enum.IntEnum):
    """Severity of a failure, in rising order. Thresholds follow Kubescape's bands of the 0-10 score."""

    UNKNOWN = 0
    LOW = 1
    MEDIUM = 2
    HIGH = 3
    CRITICAL = 4

    @property
    def label(self) -> str:
        """Display name: `Critical`, `High`, ..."""
        return self.name.capitalize()

    @property
    def colour(self) -> str:
        """Terminal colour of the level."""
        return _COLOURS[self]

    @property
    def print_colour(self) -> str:
        """Colour in HTML and PDF, `#rrggbb`, with a contrast of 4.5:1 to white text (WCAG 2.2 AA)."""
        return _PRINT_COLOURS[self]

    @classmethod
    def from_score(cls, score: float) -> Severity:
        """Return the level of a severity score from 0 to 10."""
        return _LEVELS[bisect.bisect(_FLOORS, score)]

    @classmethod
    def parse(cls, text: str) -> Severity:
        """Parse the name of a level, ignoring case. Raises ValueError for other words."""
        try:
            return cls[text.strip().upper()]
        except KeyError:
            names = ", ".join(level.name.lower() for level in reversed(cls) if level)
            raise ValueError(f"unknown severity {text!r}: use one of {names}") from None


_LEVELS = tuple(Severity)
_FLOORS = (1.0, 4.0, 7.0, 9.0)
"""Minimum scores of the levels above `UNKNOWN`."""
_COLOURS = {
    Severity.CRITICAL: "bright_red",
    Severity.HIGH: "red",
    Severity.MEDIUM: "yellow",
    Severity.LOW: "cyan",
    Severity.UNKNOWN: "white",
}
_PRINT_COLOURS = {
    Severity.CRITICAL: "#d01747",
    Severity.HIGH: "#b85000",
    Severity.MEDIUM: "#8f6b00",
    Severity.LOW: "#2b6cb0",
    Severity.UNKNOWN: "#6b7280",
}


def parse_score(text: str) -> float:
    """Parse a severity score. Raises ValueError unless it is a number from 0 to 10."""
    score = float(text)
    if not 0 <= score <= 10:
        raise ValueError(text)
    return score


def sarif_level(score: float) -> str:
    """Return SARIF's `level` for a severity score: error from 7 (High), warning from 4, else note."""
    return "error" if score >= 7 else "warning" if score >= 4 else "note"
