"""Published examples of each scheme's specification and reference implementation."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from kubekeep.vulnerabilities.versions.registry import get_scheme

FOLDER = Path(__file__).parent / "published"
OPERATOR = re.compile(r" ([<=]) ")


def read_chains(file: Path) -> Iterator[tuple[str, str]]:
    """Yield (ecosystem, chain) for each line."""
    first, *lines = file.read_text(encoding="utf-8").splitlines()
    ecosystem = first.removeprefix("# ecosystem: ")
    return ((ecosystem, line) for line in lines if line and not line.startswith("#"))


def list_pairs(chain: str) -> Iterator[tuple[str, str, int]]:
    """Yield each pair of versions of a chain with its order, -1 or 0."""
    versions = OPERATOR.split(chain)[::2]
    operators = OPERATOR.split(chain)[1::2]
    for start, end in itertools.combinations(range(len(versions)), 2):
        yield versions[start], versions[end], -1 if "<" in operators[start:end] else 0


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.txt")), ids=lambda file: file.stem)
def test_published_examples_have_their_order(file: Path) -> None:
    wrong, count = [], 0
    for ecosystem, chain in read_chains(file):
        scheme = get_scheme(ecosystem)
        assert scheme is not None
        for first, second, order in list_pairs(chain):
            count += 1
            actual = scheme.compare(first, second), scheme.compare(second, first), scheme.is_equal(first, second)
            if actual != (order, -order, order == 0):
                wrong.append((first, second, order, actual))
    assert not wrong
    assert count


def test_every_scheme_has_published_examples() -> None:
    schemes = {get_scheme(ecosystem) for file in FOLDER.glob("*.txt") for ecosystem, _ in read_chains(file)}
    ecosystems = ("Debian", "AlmaLinux", "Wolfi", "PyPI", "npm", "Go", "Maven", "RubyGems", "Packagist", "NuGet", "Pub")
    others = ("Julia", "CRAN", "Hackage", "opam", "ConanCenter", "Arch", "Bitnami", "Linux")
    assert schemes == {get_scheme(ecosystem) for ecosystem in (*ecosystems, *others)}
