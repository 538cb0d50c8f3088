"""Severity: score bands, names in any case, and colours."""

from __future__ import annotations

import pytest

from kubekeep.model.severity import Severity, sarif_level


@pytest.mark.parametrize(
    ("score", "severity", "level"),
    [
        (10, "Critical", "error"),
        (9, "Critical", "error"),
        (8.9, "High", "error"),
        (7, "High", "error"),
        (6.9, "Medium", "warning"),
        (4, "Medium", "warning"),
        (3.9, "Low", "note"),
        (1, "Low", "note"),
        (0.9, "Unknown", "note"),
    ],
)
def test_bands(score: float, severity: str, level: str) -> None:
    assert Severity.from_score(score).label == severity
    assert sarif_level(score) == level


def test_names() -> None:
    assert Severity.parse(" hIGh ") is Severity.HIGH
    with pytest.raises(ValueError, match="critical, high, medium, low"):
        Severity.parse("severe")


def test_every_severity_has_a_colour() -> None:
    assert all(severity.colour for severity in Severity)


def test_white_text_is_readable_on_every_print_colour() -> None:
    """Contrast of at least 4.5:1 (WCAG 2.2, 1.4.3)."""
    for severity in Severity:
        channels = (int(severity.print_colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
        red, green, blue = (
            value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels
        )
        assert 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05) >= 4.5, severity
