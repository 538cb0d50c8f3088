"""Comparison with the reference implementations: recorded pairs, and live pairs of tools that this machine has."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.versions.registry import get_scheme
from kubekeep.vulnerabilities.versions.scheme import VersionScheme

FOLDER = Path(__file__).parent / "reference"
ORDERS = {"<": -1, "=": 0, ">": 1}
LIVE_PAIRS = 40


def read_pairs(file: Path) -> tuple[VersionScheme, list[tuple[str, int, str]]]:
    """Return the scheme of a recording and its pairs with their order."""
    lines = file.read_text(encoding="utf-8").splitlines()
    scheme = get_scheme(lines[0].removeprefix("# ecosystem: "))
    assert scheme is not None
    return scheme, [(first, ORDERS[operator], second) for first, operator, second in _split(lines)]


def _split(lines: list[str]) -> Iterator[list[str]]:
    return (line.split("\t") for line in lines if not line.startswith("# "))


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.tsv")), ids=lambda file: file.stem)
def test_recorded_pairs_have_the_order_of_the_reference(file: Path) -> None:
    scheme, pairs = read_pairs(file)
    assert len(pairs) >= 250
    wrong = [pair for pair in pairs if scheme.compare(pair[0], pair[2]) != pair[1]]
    reverse = [pair for pair in pairs if scheme.compare(pair[2], pair[0]) != -pair[1]]
    assert (wrong, reverse) == ([], [])


@pytest.mark.skipif(not shutil.which("dpkg"), reason="dpkg is not installed")
def test_dpkg_agrees() -> None:
    scheme, pairs = read_pairs(FOLDER / "dpkg.tsv")
    for first, _, second in pairs[:: len(pairs) // LIVE_PAIRS]:
        operator = {-1: "lt", 0: "eq", 1: "gt"}[scheme.compare(first, second)]
        completed = subprocess.run(
            ["dpkg", "--compare-versions", "--", first, operator, second], check=False, capture_output=True
        )
        assert completed.returncode == 0, (first, operator, second)


@pytest.mark.skipif(not shutil.which("rpm"), reason="rpm is not installed")
def test_rpm_agrees() -> None:
    scheme, pairs = read_pairs(FOLDER / "rpm.tsv")
    chosen = [(first, second) for first, _, second in pairs[:: len(pairs) // LIVE_PAIRS]]
    calls = "".join(f"io.write(rpm.vercmp('{first}', '{second}'), '\\n') " for first, second in chosen)
    completed = subprocess.run(["rpm", "--eval", f"%{{lua: {calls}}}"], check=True, capture_output=True, text=True)
    orders = [int(order) for order in completed.stdout.split()]
    assert orders == [scheme.compare(first, second) for first, second in chosen]
