"""CVSS 4.0: the score of a vector by MacroVectors (specification of FIRST, chapters 8.2 and 8.3).

The score takes threat and environmental metrics into account if the vector has them, as FIRST's calculator does.
The table of scores is FIRST's (cvss-v4-calculator, Copyright FIRST, Red Hat, and contributors, BSD-2-Clause).
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Final

MANDATORY: Final = {
    "AV": "NALP",
    "AC": "LH",
    "AT": "NP",
    "PR": "NLH",
    "UI": "NPA",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "HLN",
    "SI": "HLN",
    "SA": "HLN",
}
"""Values of the base metrics, the most severe first."""
OPTIONAL: Final = {
    "E": "XAPU",
    "CR": "XHML",
    "IR": "XHML",
    "AR": "XHML",
    "MAV": "XNALP",
    "MAC": "XLH",
    "MAT": "XNP",
    "MPR": "XNLH",
    "MUI": "XNPA",
    "MVC": "XHLN",
    "MVI": "XHLN",
    "MVA": "XHLN",
    "MSC": "XHLN",
    "MSI": "XSHLN",
    "MSA": "XSHLN",
    "S": "XNP",
    "AU": "XNY",
    "R": "XAUI",
    "V": "XDC",
    "RE": "XLMH",
}
"""Values of the other metrics; `U` (provider urgency) has words and no effect."""

_LEVELS: Final = {
    "AV": "NALP",
    "PR": "NLH",
    "UI": "NPA",
    "AC": "LH",
    "AT": "NP",
    "VC": "HLN",
    "VI": "HLN",
    "VA": "HLN",
    "SC": "SHLN",
    "SI": "SHLN",
    "SA": "SHLN",
    "CR": "HML",
    "IR": "HML",
    "AR": "HML",
}
"""Order of values for distances of severity, the most severe first."""

_FIRST: Final = ("AV:N PR:N UI:N", "AV:A PR:N UI:N|AV:N PR:L UI:N|AV:N PR:N UI:P", "AV:P PR:N UI:N|AV:A PR:L UI:P")
_SECOND: Final = ("AC:L AT:N", "AC:H AT:N|AC:L AT:P")
_THIRD_SIXTH: Final = {
    "00": "VC:H VI:H VA:H CR:H IR:H AR:H",
    "01": "VC:H VI:H VA:L CR:M IR:M AR:H|VC:H VI:H VA:H CR:M IR:M AR:M",
    "10": "VC:L VI:H VA:H CR:H IR:H AR:H|VC:H VI:L VA:H CR:H IR:H AR:H",
    "11": "VC:L VI:H VA:L CR:H IR:M AR:H|VC:L VI:H VA:H CR:H IR:M AR:M|VC:H VI:L VA:H CR:M IR:H AR:M"
    "|VC:H VI:L VA:L CR:M IR:H AR:H|VC:L VI:L VA:H CR:H IR:H AR:M",
    "21": "VC:L VI:L VA:L CR:H IR:H AR:H",
}
_FOURTH: Final = ("SC:H SI:S SA:S", "SC:H SI:H SA:H", "SC:L SI:L SA:L")
"""Highest vectors of the levels of each equivalence class; `|` separates alternatives."""

_DEPTH_FIRST: Final = (1, 4, 5)
_DEPTH_SECOND: Final = (1, 2)
_DEPTH_THIRD_SIXTH: Final = {"00": 7, "01": 6, "10": 8, "11": 8, "21": 10}
_DEPTH_FOURTH: Final = (6, 5, 4)
"""Numbers of steps from the highest to the lowest vector of a level."""


def score(metrics: Mapping[str, str]) -> float:
    """Return the score of a vector that has all base metrics and only valid values."""
    values = _resolve(metrics)
    if all(values[name] == "N" for name in ("VC", "VI", "VA", "SC", "SI", "SA")):
        return 0.0
    classes = _classify(values)
    value = _load_scores()[classes]
    steps = _measure(values, classes)
    losses = [
        (value - lower) * distance / depth
        for (lower, distance, depth) in zip(_list_lower(classes), *steps, strict=True)
        if lower is not None
    ]
    # The fifth class has one vector for each level, so its distance is 0; it counts in the mean.
    mean = sum(losses) / len(losses) if losses else 0.0
    return round_half_up(max(0.0, min(10.0, value - mean)))


def round_half_up(value: float) -> float:
    """Return the value with one decimal; halves are rounded up, without regard to errors of binary fractions."""
    return int(value * 10 + 0.5 + 1e-9) / 10


def _resolve(metrics: Mapping[str, str]) -> dict[str, str]:
    """Return the effective values: modified metrics replace base metrics, undefined ones are the worst case."""
    values: dict[str, str] = {}
    for name in MANDATORY:
        modified = metrics.get(f"M{name}", "X")
        values[name] = metrics[name] if modified == "X" else modified
    threat = metrics.get("E", "X")
    values["E"] = "A" if threat == "X" else threat
    for name in ("CR", "IR", "AR"):
        requirement = metrics.get(name, "X")
        values[name] = "H" if requirement == "X" else requirement
    return values


def _classify(values: Mapping[str, str]) -> str:
    """Return the MacroVector: one digit for each of the six equivalence classes."""
    easy = (values["AV"] == "N", values["PR"] == "N", values["UI"] == "N")
    first = 2 if values["AV"] == "P" or not any(easy) else 0 if all(easy) else 1
    second = 0 if values["AC"] == "L" and values["AT"] == "N" else 1
    impacts = (values["VC"], values["VI"], values["VA"])
    third = 0 if impacts[:2] == ("H", "H") else 1 if "H" in impacts else 2
    subsequent = (values["SC"], values["SI"], values["SA"])
    fourth = 0 if "S" in subsequent else 1 if "H" in subsequent else 2
    fifth = "APU".index(values["E"])
    pairs = (("CR", "VC"), ("IR", "VI"), ("AR", "VA"))
    sixth = 0 if any(values[need] == values[impact] == "H" for need, impact in pairs) else 1
    return f"{first}{second}{third}{fourth}{fifth}{sixth}"


def _list_lower(classes: str) -> tuple[float | None, ...]:
    """Return the scores of the next lower MacroVectors of the classes 1, 2, 3 with 6, 4 and 5; None at the end."""
    first, second, third, fourth, fifth, sixth = tuple(classes)
    table = _load_scores()
    joint: float | None
    if (third, sixth) == ("0", "0"):
        joint = max(table[f"{first}{second}0{fourth}{fifth}1"], table[f"{first}{second}1{fourth}{fifth}0"])
    elif sixth == "1":
        joint = table.get(f"{first}{second}{int(third) + 1}{fourth}{fifth}1")
    else:
        joint = table.get(f"{first}{second}{third}{fourth}{fifth}1")
    return (
        table.get(f"{int(first) + 1}{classes[1:]}"),
        table.get(f"{first}{int(second) + 1}{classes[2:]}"),
        joint,
        table.get(f"{classes[:3]}{int(fourth) + 1}{classes[4:]}"),
        table.get(f"{classes[:4]}{int(fifth) + 1}{sixth}"),
    )


def _measure(values: Mapping[str, str], classes: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return distances from the highest vector of the MacroVector, and depths, for the classes of `_list_lower`."""
    first, second, fourth = int(classes[0]), int(classes[1]), int(classes[3])
    joint = classes[2] + classes[5]
    highest = (_FIRST[first], _SECOND[second], _THIRD_SIXTH[joint], _FOURTH[fourth])
    distances = tuple(_find_distance(values, alternatives) for alternatives in highest)
    depths = (_DEPTH_FIRST[first], _DEPTH_SECOND[second], _DEPTH_THIRD_SIXTH[joint], _DEPTH_FOURTH[fourth])
    return (*distances, 0), (*depths, 1)


def _find_distance(values: Mapping[str, str], alternatives: str) -> int:
    """Return the number of steps below the first of the highest vectors that is not below the vector itself."""
    for alternative in alternatives.split("|"):
        steps = []
        for pair in alternative.split(" "):
            name, _, highest = pair.partition(":")
            levels = _LEVELS[name]
            steps.append(levels.index(values[name]) - levels.index(highest))
        if min(steps) >= 0:
            return sum(steps)
    raise AssertionError(f"no vector of {alternatives} is above {dict(values)}")


@functools.cache
def _load_scores() -> dict[str, float]:
    """Return the score of each MacroVector; those with third class 2 have sixth class 1 only."""
    scores: dict[str, float] = {}
    for line in _SCORES.split("\n"):
        classes, *row = line.split(" ")
        sixths = "01" if len(row) == 6 else "1"
        columns = [f"{fifth}{sixth}" for fifth in "012" for sixth in sixths]
        scores.update({classes + column: float(text) for column, text in zip(columns, row, strict=True)})
    return scores


_SCORES: Final = """\
0000 10.0 9.9 9.8 9.5 9.5 9.2
0001 10.0 9.6 9.3 8.7 9.1 8.1
0002 9.3 9.0 8.9 8.0 8.1 6.8
0010 9.8 9.5 9.5 9.2 9.0 8.4
0011 9.3 9.2 8.9 8.1 8.1 6.5
0012 8.8 8.0 7.8 7.0 6.9 4.8
0020 9.2 8.2 7.2
0021 7.9 6.9 5.0
0022 6.9 5.5 2.7
0100 9.9 9.7 9.5 9.2 9.2 8.5
0101 9.5 9.1 9.0 8.3 8.4 7.1
0102 9.2 8.1 8.2 7.1 7.2 5.3
0110 9.5 9.3 9.2 8.5 8.5 7.3
0111 9.2 8.2 8.0 7.2 7.0 5.9
0112 8.4 7.0 7.1 5.2 5.0 3.0
0120 8.6 7.5 5.2
0121 7.1 5.2 2.9
0122 6.3 2.9 1.7
1000 9.8 9.5 9.4 8.7 9.1 8.1
1001 9.4 8.9 8.6 7.4 7.7 6.4
1002 8.7 7.5 7.4 6.3 6.3 4.9
1010 9.4 8.9 8.8 7.7 7.6 6.7
1011 8.6 7.6 7.4 5.8 5.9 5.0
1012 7.2 5.7 5.7 5.2 5.2 2.5
1020 8.3 7.0 5.4
1021 6.5 5.8 2.6
1022 5.3 2.1 1.3
1100 9.5 9.0 8.8 7.6 7.6 7.0
1101 9.0 7.7 7.5 6.2 6.1 5.3
1102 7.7 6.6 6.8 5.9 5.2 3.0
1110 8.9 7.8 7.6 6.7 6.2 5.8
1111 7.4 5.9 5.7 5.7 4.7 2.3
1112 6.1 5.2 5.7 2.9 2.4 1.6
1120 7.1 5.9 3.0
1121 5.8 2.6 1.5
1122 2.3 1.3 0.6
2000 9.3 8.7 8.6 7.2 7.5 5.8
2001 8.6 7.4 7.4 6.1 5.6 3.4
2002 7.0 5.4 5.2 4.0 4.0 2.2
2010 8.5 7.5 7.4 5.5 6.2 5.1
2011 7.2 5.7 5.5 4.1 4.6 1.9
2012 5.3 3.6 3.4 1.9 1.9 0.8
2020 6.4 5.1 2.0
2021 4.7 2.1 1.1
2022 2.4 0.9 0.4
2100 8.8 7.5 7.3 5.3 6.0 5.0
2101 7.3 5.5 5.9 4.0 4.1 2.0
2102 5.4 4.3 4.5 2.2 2.0 1.1
2110 7.5 5.5 5.8 4.5 4.0 2.1
2111 6.1 5.1 4.8 1.8 2.0 0.9
2112 4.6 1.8 1.7 0.7 0.8 0.2
2120 5.3 2.4 1.4
2121 2.4 1.2 0.5
2122 1.0 0.3 0.1"""
"""Scores by the classes 1 to 4; the columns are the classes 5 and 6, as 00 01 10 11 20 21."""
