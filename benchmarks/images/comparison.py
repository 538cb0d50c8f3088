"""Comparison of a CycloneDX document with the lists of package managers.

Tools spell package URLs differently, so both sides are normalised first. A row in `explained.toml` is neither an error
nor a success. Does not compare dependencies, licences and places.
"""

from __future__ import annotations

import fnmatch
import json
import re
import subprocess
import tempfile
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote

EXPLAINED = Path(__file__).with_name("explained.toml")
DISTRIBUTIONS = ("deb", "rpm", "apk")
"""Types with an architecture; the namespace of their package URLs is the vendor and not part of the name."""
Row = tuple[str, ...]


@dataclass
class Comparison:
    """Packages of a type in an image: those of the package manager and those of the SBOM, normalised.

    missing and extra: the differences without an explanation. explained: the others, with their reasons.
    """

    image: str
    kind: str
    expected: set[Row]
    listed: set[Row]
    missing: set[Row] = field(default_factory=set)
    extra: set[Row] = field(default_factory=set)
    explained: dict[Row, str] = field(default_factory=dict)


def normalise_row(kind: str, row: Row) -> Row:
    """Return a row in one common spelling."""
    name, version, *rest = row
    if kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    elif kind == "golang":
        name = name.lower()
        version = re.sub(r"^(go|v)(?=\d)", "", version) if name == "stdlib" else version.replace("(devel)", "")
    elif kind in DISTRIBUTIONS:
        version = version.removeprefix("0:")
    return (name, version, *rest)


def parse_package_url(text: str) -> tuple[str, Row] | None:
    """Return the type of a package URL and its normalised row."""
    if not text.startswith("pkg:"):
        return None
    path, _, subpath = text.removeprefix("pkg:").partition("#")
    path, _, query = path.partition("?")
    qualifiers = parse_qs(query)
    kind, _, path = path.partition("/")
    path, separator, version = path.rpartition("@")
    if not separator or "/" in version:
        path, version = (f"{path}@{version}" if separator else version), ""
    name, version = unquote(path), unquote(version)
    if kind == "golang" and subpath:
        name = f"{name}/{unquote(subpath)}"
    if kind not in DISTRIBUTIONS:
        return kind, normalise_row(kind, (name, version))
    if (epoch := qualifiers.get("epoch", ["0"])[0]) != "0" and ":" not in version:
        version = f"{epoch}:{version}"
    return kind, normalise_row(kind, (name.rpartition("/")[2], version, qualifiers.get("arch", [""])[0]))


def iterate_components(components: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    """Yield components and the components in them."""
    for component in components:
        yield component
        yield from iterate_components(component.get("components", []))


def read_rows(document: dict[str, Any]) -> dict[str, set[Row]]:
    """Return the rows of a CycloneDX document by type."""
    rows: dict[str, set[Row]] = defaultdict(set)
    for component in iterate_components(document.get("components", [])):
        if parsed := parse_package_url(component.get("purl", "")):
            rows[parsed[0]].add(parsed[1])
    return rows


def read_truth(path: Path, kind: str) -> set[Row]:
    """Return the normalised rows of a package manager."""
    return {normalise_row(kind, tuple(line.split("\t"))) for line in path.read_text().splitlines()}


def explain(image: str, kind: str, row: Row, side: str) -> str:
    """Return the reason for a difference, or an empty text; side: `missing` or `extra`."""
    text = "@".join(row[:2])
    for entry in tomllib.loads(EXPLAINED.read_text())["row"]:
        if (
            fnmatch.fnmatchcase(image, entry.get("image", "*"))
            and entry["type"] == kind
            and entry.get("side", side) == side
            and fnmatch.fnmatchcase(text, entry["pattern"])
        ):
            return str(entry["reason"])
    return ""


def compare_image(folder: Path, name: str, command: list[str]) -> list[Comparison]:
    """Run a program on an image and compare each type with a known truth."""
    with tempfile.TemporaryDirectory() as temporary:
        sbom = Path(temporary) / "sbom.json"
        paths = {"image": str(folder / name), "sbom": str(sbom)}
        process = subprocess.run(
            [word.format(**paths) for word in command], check=False, cwd=temporary, capture_output=True, text=True
        )
        if process.returncode or not sbom.exists():
            print(f"{name}: {(process.stderr.strip() or 'no SBOM').splitlines()[-1]}\n")
        rows = read_rows(json.loads(sbom.read_text())) if sbom.exists() else {}
    return [
        compare_rows(name, kind, read_truth(path, kind), rows.get(kind, set()))
        for path in sorted((folder / "truth").glob(f"{name}.*.tsv"))
        for kind in [path.suffixes[-2].removeprefix(".")]
    ]


def compare_rows(image: str, kind: str, expected: set[Row], listed: set[Row]) -> Comparison:
    """Compare the two sides of a type."""
    comparison = Comparison(image, kind, expected, listed)
    for side, rows, differences in (
        ("missing", expected - listed, comparison.missing),
        ("extra", listed - expected, comparison.extra),
    ):
        for row in rows:
            if reason := explain(image, kind, row, side):
                comparison.explained[row] = reason
            else:
                differences.add(row)
    return comparison


def print_comparisons(comparisons: list[Comparison]) -> None:
    """Print a table of images and types, one of the types, and the differing rows."""
    print("| image | type | truth | listed | missing | extra | explained | recall | precision |")
    print("| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |")
    for comparison in comparisons:
        print(f"| {comparison.image} | {comparison.kind} {format_figures([comparison])}")
    for kind in sorted({comparison.kind for comparison in comparisons}):
        print(f"| all | {kind} {format_figures([each for each in comparisons if each.kind == kind])}")
    for comparison in comparisons:
        for side, rows in (("missing", comparison.missing), ("extra", comparison.extra)):
            for row in sorted(rows):
                print(f"{side}: {comparison.image} {comparison.kind} {' '.join(row)}")
        for row, reason in sorted(comparison.explained.items()):
            print(f"explained: {comparison.image} {comparison.kind} {' '.join(row)}: {reason}")


def format_figures(comparisons: list[Comparison]) -> str:
    """Return the numbers of a table row: explained rows count neither for nor against the program."""
    expected, listed = (sum(len(rows) for rows in side) for side in (
        [each.expected for each in comparisons], [each.listed for each in comparisons]))  # fmt: skip
    missing, extra = (sum(len(rows) for rows in side) for side in (
        [each.missing for each in comparisons], [each.extra for each in comparisons]))  # fmt: skip
    explained = sum(len(each.explained) for each in comparisons)
    right = sum(len(each.expected & each.listed) for each in comparisons)
    recall = f"{right / (right + missing):.3f}" if right + missing else ""
    precision = f"{right / (right + extra):.3f}" if right + extra else ""
    return f"| {expected} | {listed} | {missing} | {extra} | {explained} | {recall} | {precision} |"
