"""Rematch an inventory after a change of advisories: `python benchmarks/rematch.py [--images 1000] [--packages 100]`.

Builds an inventory in a temporary folder, then prints the time of a new process that matches the packages of 100 changed
names, and of one that matches all of them. The advisories are in memory and the comparison of versions is left out, so the
figures are those of the inventory: reading, comparison and writing. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import datetime as dt
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from kubekeep.images.package import Distribution, Package, PackageLocation
from kubekeep.model.severity import Severity
from kubekeep.vulnerabilities.advisory import Advisory
from kubekeep.vulnerabilities.inventory import IndexedImage, PackageContext, PackageInventory
from kubekeep.vulnerabilities.rematching import rematch
from kubekeep.vulnerabilities.source import AdvisorySource, ExploitSignal, SourceState
from kubekeep.vulnerabilities.vulnerability import Vulnerability, VulnerabilityRating, VulnerabilityReport

CONTEXT = PackageContext(Distribution("debian", "13"), "linux/amd64")
CHANGED = 100
HIT_RATE = 50


def create_package(number: int) -> Package:
    """Return a package with a unique name."""
    path = f"usr/lib/python3/dist-packages/package_{number}-1.0.dist-info/METADATA"
    return Package(
        type="pypi", name=f"package-{number}", version="1.0", licences=("MIT",), locations=(PackageLocation(path),)
    )


def list_keys(package: Package, _: Distribution) -> Iterable[tuple[str, str]]:
    """Return the name of a package in its ecosystem."""
    return (("PyPI", package.name),)


class GeneratedAdvisories:
    """Advisories for one package in fifty, of which those of `changed` names are new in generation 2."""

    def __init__(self, generation: int, total: int) -> None:
        self._generation = generation
        self._changed = frozenset(f"package-{number * (total // CHANGED) + 1}" for number in range(CHANGED))

    def get_states(self) -> Mapping[str, SourceState]:
        """Return the only ecosystem."""
        return {"PyPI": SourceState("PyPI", frozenset(("PyPI",)))}

    def find_advisories(self, ecosystem: str, names: Iterable[str]) -> Iterator[tuple[str, Advisory]]:
        """Yield one record for each name."""
        del ecosystem
        yield from ((name, Advisory(f"GEN-{name}")) for name in names)

    def get_signals(self, cves: Iterable[str]) -> Mapping[str, ExploitSignal]:
        """Return no signal."""
        del cves
        return {}

    def get_token(self, ecosystem: str) -> str:
        """Return the generation."""
        return f"{ecosystem}:{self._generation}"

    def list_changes(self, ecosystem: str, since: str) -> frozenset[str] | None:
        """Return the changed names."""
        del ecosystem, since
        return self._changed

    def match(
        self,
        packages: Sequence[Package],
        distribution: Distribution,
        source: AdvisorySource,
        *,
        today: dt.date,
        platform: str = "",
    ) -> VulnerabilityReport:
        """Return one vulnerability for each affected package."""
        del distribution, source, today, platform
        rating = VulnerabilityRating(Severity.HIGH)
        return VulnerabilityReport(
            tuple(
                Vulnerability(id=f"GEN-{package.name}", package=package, rating=rating)
                for package in packages
                if int(package.name.rpartition("-")[2]) % HIT_RATE == 0
                or (self._generation > 1 and package.name in self._changed)
            )
        )


def build(folder: Path, images: int, packages: int) -> None:
    """Write the inventory."""
    with PackageInventory(folder) as inventory:
        inventory.add_images(
            (
                IndexedImage(
                    digest=f"sha256:{image:064d}",
                    packages=tuple(create_package(image * packages + index) for index in range(packages)),
                    context=CONTEXT,
                )
                for image in range(images)
            ),
            list_keys,
        )


def run(folder: Path, generation: int, total: int) -> None:
    """Match what changed, and print the figures."""
    advisories = GeneratedAdvisories(generation, total)
    with PackageInventory(folder) as inventory:
        report = rematch(inventory, advisories, advisories.match, today=dt.datetime.now(dt.UTC).date(), names={})
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
    print(f"{report.matched:,} packages matched, {len(report.images):,} images changed, {memory:,.0f} MB", end="")


def main() -> None:
    """Build the inventory, then time one process for each generation of advisories."""
    parser = argparse.ArgumentParser(description="Rematch an inventory after a change of advisories.")
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--packages", type=int, default=100, help="in each image, unique")
    parser.add_argument("--run", nargs=2, metavar=("FOLDER", "GENERATION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    total = options.images * options.packages
    if options.run:
        run(Path(options.run[0]), int(options.run[1]), total)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "state"
        start = time.monotonic()
        build(folder, options.images, options.packages)
        size = sum(path.stat().st_size for path in folder.iterdir()) / 1e6
        print(
            f"inventory of {total:,} packages in {options.images:,} images: {time.monotonic() - start:.1f} s, {size:.0f} MB"
        )
        sizes = ["--images", str(options.images), "--packages", str(options.packages)]
        for generation, title in (
            (1, "first match"),
            (2, f"after a change of {CHANGED} names"),
            (2, "without a change"),
        ):
            start = time.monotonic()
            command = [sys.executable, __file__, *sizes, "--run", str(folder), str(generation)]
            text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            print(f"{title}: {time.monotonic() - start:.2f} s; {text}")


if __name__ == "__main__":
    main()
