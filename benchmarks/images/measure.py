"""Compare the SBOMs of images with other tools: `python benchmarks/images/measure.py FOLDER [--syft PATH] [--trivy PATH]`.

FOLDER has the images of `build.py`. Programs run in turns, each with an empty cache and then with a warm one; the table
has the median of the runs: user and system seconds, the peak memory, and the packages by type. Asserts nothing, because
machines differ.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from compare import LAUNCHER

IMAGES = ("trixie", "python", "app")
RUNS = 3
KUBEKEEP = Path(sys.executable).parent / "kubekeep"


def run_process(command: list[str], cache: Path) -> tuple[float, float]:
    """Return the processor seconds and the peak MB of one run of a command. Raises CalledProcessError."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    environment |= {"XDG_CACHE_HOME": str(cache), "TRIVY_CACHE_DIR": str(cache), "SYFT_CACHE_DIR": str(cache)}
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *command]
    text = subprocess.run(launcher, capture_output=True, check=True, text=True, env=environment).stdout
    seconds, kilobytes = map(float, text.split())
    return seconds, kilobytes / 1024


def create_commands(layout: Path, sbom: Path, syft: str, trivy: str) -> dict[str, list[str]]:
    """Return the command of each program that writes the SBOM of an OCI layout in CycloneDX."""
    commands = {"kubekeep": [str(KUBEKEEP), "image", "sbom", f"oci:{layout}", "-f", "cyclonedx", "-o", str(sbom)]}
    if syft:
        commands["syft"] = [syft, "scan", f"oci-dir:{layout}", "-q", "-o", f"cyclonedx-json={sbom}"]
    if trivy:
        # Without its database of Java, Trivy reads no image that has an archive.
        options = ("--quiet", "--offline-scan", "--skip-files", "**/*.jar", "--format", "cyclonedx")
        commands["trivy"] = [trivy, "image", *options, "--input", str(layout), "-o", str(sbom)]
    return commands


def count_packages(sbom: Path) -> str:
    """Return the numbers of distinct package URLs by type."""
    components = json.loads(sbom.read_text())["components"]
    purls = {component["purl"].partition("?")[0] for component in components if "purl" in component}
    counts = collections.Counter(purl.partition("/")[0].removeprefix("pkg:") for purl in purls)
    return ", ".join(f"{count} {kind}" for kind, count in sorted(counts.items()))


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description="Compare the SBOMs of images with other tools.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--syft", default="")
    parser.add_argument("--trivy", default="")
    parser.add_argument("--runs", type=int, default=RUNS)
    options = parser.parse_args()
    print("| image | program | cold | memory | warm | packages |\n| --- | --- | ---: | ---: | ---: | --- |")
    for image in IMAGES:
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            sbom = folder / "sbom.json"
            commands = create_commands(options.folder / image, sbom, options.syft, options.trivy)
            cold: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
            warm: dict[str, list[float]] = collections.defaultdict(list)
            packages: dict[str, str] = {}
            for _ in range(options.runs):
                for program, command in commands.items():
                    cache = folder / program
                    shutil.rmtree(cache, ignore_errors=True)
                    sbom.unlink(missing_ok=True)  # A program that fails must not be counted with the file of another.
                    try:
                        cold[program].append(run_process(command, cache))
                        packages[program] = count_packages(sbom)
                        warm[program].append(run_process(command, cache)[0])
                    except (subprocess.CalledProcessError, OSError, ValueError) as error:
                        packages[program] = f"failed: {type(error).__name__}"
            for program in commands:
                if not warm[program]:
                    print(f"| {image} | {program} | | | | {packages[program]} |")
                    continue
                seconds, memory = (statistics.median(values) for values in zip(*cold[program], strict=True))
                again = statistics.median(warm[program])
                print(
                    f"| {image} | {program} | {seconds:.2f} s | {memory:.0f} MB | {again:.2f} s | {packages[program]} |"
                )


if __name__ == "__main__":
    main()
