"""CVSS 2.0, 3.0, 3.1 and 4.0: scores of vectors, by the specifications of FIRST (https://www.first.org/cvss/).

The score of 2.0 and 3.x is the base score. The score of 4.0 takes the threat metrics of the vector into account, because
4.0 has a single score. Never scores a vector that misses a base metric or has an invalid value.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

from kubekeep.model.severity import Severity
from kubekeep.vulnerabilities.severity import cvss4

MAX_LENGTH: Final = 500
"""Longest vector that is read; a complete one of CVSS 4.0 has fewer than 200 characters."""

_SECOND: Final = {
    "AV": {"L": 0.395, "A": 0.646, "N": 1.0},
    "AC": {"H": 0.35, "M": 0.61, "L": 0.71},
    "Au": {"M": 0.45, "S": 0.56, "N": 0.704},
    "C": {"N": 0.0, "P": 0.275, "C": 0.660},
    "I": {"N": 0.0, "P": 0.275, "C": 0.660},
    "A": {"N": 0.0, "P": 0.275, "C": 0.660},
}
_SECOND_OPTIONAL: Final = {
    "E": ("U", "POC", "F", "H", "ND"),
    "RL": ("OF", "TF", "W", "U", "ND"),
    "RC": ("UC", "UR", "C", "ND"),
    "CDP": ("N", "L", "LM", "MH", "H", "ND"),
    "TD": ("N", "L", "M", "H", "ND"),
    "CR": ("L", "M", "H", "ND"),
    "IR": ("L", "M", "H", "ND"),
    "AR": ("L", "M", "H", "ND"),
}
_THIRD: Final = {
    "AV": {"N": 0.85, "A": 0.62, "L": 0.55, "P": 0.2},
    "AC": {"L": 0.77, "H": 0.44},
    "PR": {"N": 0.85, "L": 0.62, "H": 0.27},
    "UI": {"N": 0.85, "R": 0.62},
    "S": {"U": 0.0, "C": 1.0},
    "C": {"H": 0.56, "L": 0.22, "N": 0.0},
    "I": {"H": 0.56, "L": 0.22, "N": 0.0},
    "A": {"H": 0.56, "L": 0.22, "N": 0.0},
}
_CHANGED_PRIVILEGES: Final = {"N": 0.85, "L": 0.68, "H": 0.5}
"""Weights of the required privileges if the scope changes."""
_THIRD_OPTIONAL: Final = {
    "E": tuple("XUPFH"),
    "RL": tuple("XOTWU"),
    "RC": tuple("XURC"),
    "CR": tuple("XLMH"),
    "IR": tuple("XLMH"),
    "AR": tuple("XLMH"),
    "MAV": tuple("XNALP"),
    "MAC": tuple("XLH"),
    "MPR": tuple("XNLH"),
    "MUI": tuple("XNR"),
    "MS": tuple("XUC"),
    "MC": tuple("XNLH"),
    "MI": tuple("XNLH"),
    "MA": tuple("XNLH"),
}


@functools.lru_cache(maxsize=4096)
def score_vector(vector: str) -> tuple[str, float]:
    """Return the version of CVSS ("2.0", "3.0", "3.1", "4.0") and the score. Raises ValueError with the reason."""
    if len(vector) > MAX_LENGTH:
        raise ValueError(f"CVSS vector of {len(vector)} characters")
    text = vector.strip().rstrip("/")
    if text.startswith("CVSS:4.0/"):
        return "4.0", _score_fourth(_parse(text[9:]))
    for version in ("3.1", "3.0"):
        if text.startswith(f"CVSS:{version}/"):
            return version, _score_third(_parse(text[9:]), version)
    if text.startswith("CVSS:"):
        raise ValueError(f"unknown version of CVSS in {text[:40]}")
    return "2.0", _score_second(_parse(text.removeprefix("CVSS2#").removeprefix("(").removesuffix(")")))


def rate(score: float) -> Severity:
    """Return the level of a score by the bands of CVSS; 0 ("none") is no level."""
    if score < 0.1:
        return Severity.UNKNOWN
    return Severity.from_score(max(score, 1.0))


def _parse(text: str) -> dict[str, str]:
    metrics: dict[str, str] = {}
    for pair in text.split("/"):
        name, colon, value = pair.partition(":")
        if not colon or not value:
            raise ValueError(f"invalid metric {pair[:20]!r}")
        if name in metrics:
            raise ValueError(f"metric {name[:20]} occurs twice")
        metrics[name] = value
    return metrics


def _check(
    metrics: Mapping[str, str],
    mandatory: Mapping[str, Mapping[str, float]] | Mapping[str, str],
    optional: Mapping[str, tuple[str, ...]] | Mapping[str, str],
) -> None:
    for name in mandatory:
        if name not in metrics:
            raise ValueError(f"metric {name} is missing")
    for name, value in metrics.items():
        values = mandatory.get(name) or optional.get(name)
        if values is None:
            raise ValueError(f"unknown metric {name[:20]}")
        if value not in tuple(values):
            raise ValueError(f"invalid value of metric {name}: {value[:20]}")


def _score_fourth(metrics: dict[str, str]) -> float:
    urgency = metrics.pop("U", "X")
    if urgency not in ("X", "Clear", "Green", "Amber", "Red"):
        raise ValueError(f"invalid value of metric U: {urgency[:20]}")
    _check(metrics, cvss4.MANDATORY, cvss4.OPTIONAL)
    return cvss4.score(metrics)


def _score_third(metrics: Mapping[str, str], version: str) -> float:
    _check(metrics, _THIRD, _THIRD_OPTIONAL)
    weights = {name: values[metrics[name]] for name, values in _THIRD.items()}
    is_changed = metrics["S"] == "C"
    if is_changed:
        weights["PR"] = _CHANGED_PRIVILEGES[metrics["PR"]]
    base = 1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"])
    impact = 7.52 * (base - 0.029) - 3.25 * (base - 0.02) ** 15 if is_changed else 6.42 * base
    if impact <= 0:
        return 0.0
    exploitability = 8.22 * weights["AV"] * weights["AC"] * weights["PR"] * weights["UI"]
    total = min((1.08 if is_changed else 1.0) * (impact + exploitability), 10.0)
    return _round_up(total, version)


def _round_up(value: float, version: str) -> float:
    """Return the smallest number with one decimal that is not below the value; 3.1 defines it in whole numbers."""
    if version == "3.0":
        # Errors of binary fractions smaller than any real difference must not add 0.1.
        tenths = round(value * 10, 9)
        return int(tenths) / 10 if tenths == int(tenths) else (int(tenths) + 1) / 10
    units = round(value * 100_000)
    return units / 100_000 if units % 10_000 == 0 else (units // 10_000 + 1) / 10


def _score_second(metrics: Mapping[str, str]) -> float:
    _check(metrics, _SECOND, _SECOND_OPTIONAL)
    weights = {name: values[metrics[name]] for name, values in _SECOND.items()}
    impact = 10.41 * (1 - (1 - weights["C"]) * (1 - weights["I"]) * (1 - weights["A"]))
    exploitability = 20 * weights["AV"] * weights["AC"] * weights["Au"]
    factor = 0.0 if impact == 0 else 1.176
    return cvss4.round_half_up((0.6 * impact + 0.4 * exploitability - 1.5) * factor)
