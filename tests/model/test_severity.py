"""Severity: the cut points, and names in any case."""

from __future__ import annotations

import pytest

from kubekeep.model.severity import Severity, sarif_level


@pytest.mark.parametrize(
    ("score", "severity", "level"),
    [
        (10, "Critical", "error"), (9, "Critical", "error"), (8.9, "High", "warning"), (7, "High", "warning"),
        (6.9, "Medium", "warning"), (4, "Medium", "warning"), (3.9, "Low", "note"), (1, "Low", "note"), (0.9, "Unknown", "note"),
    ],
)  # fmt: skip
def test_bands(score: float, severity: str, level: str) -> None:
    assert Severity.of(score).label == severity
    assert sarif_level(score) == level


def test_names() -> None:
    assert Severity.named(" hIGh ") is Severity.HIGH
    with pytest.raises(ValueError, match="critical, high, medium, low"):
        Severity.named("severe")


def test_every_severity_has_a_colour() -> None:
    assert all(severity.colour for severity in Severity)
