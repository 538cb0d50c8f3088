"""Compare the processor time of scans with an earlier commit: `python benchmarks/compare.py FOLDER [--commit COMMIT]`.

Builds the commit in FOLDER, which takes some minutes the first time. Both versions scan the same generated objects with
the controls of that commit, in turns; the table has the median of five runs of user and system time, and the peak
memory. The results of both are compared; controls with other results are listed. Asserts nothing, because machines
differ.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import corpus

COMMIT = "629fea6b"
RUNS = 5
CHECKOUT = Path(__file__).parents[1]
LAUNCHER = """
import os, sys
process = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[
    (os.POSIX_SPAWN_OPEN, output, os.devnull, os.O_WRONLY, 0) for output in (1, 2)
])
usage = os.wait4(process, 0)[2]
print(usage.ru_utime + usage.ru_stime, usage.ru_maxrss)
"""
"""A small process, because Linux counts the memory of the process that starts a command as that of the command."""
WITHOUT_NEW_CHECKS = """
from kubekeep.cli.main import main
from kubekeep.usecases import scan
from kubekeep.usecases.api_check import ApiCheck
ApiCheck.collect = lambda self, resources: resources
scan._attacks = lambda *arguments: None
main()
"""
"""The program without what the earlier commit does not have: the check of fields against the schemas of the API, and
the priorities of resources by their paths through attack tracks."""


def build(folder: Path, commit: str) -> None:
    """Check out and build a commit in a folder."""
    if not folder.exists():
        subprocess.run(["git", "clone", "--quiet", "--shared", str(CHECKOUT), str(folder)], check=True)
    subprocess.run(["git", "checkout", "--quiet", "--detach", commit], cwd=folder, check=True)
    subprocess.run(["scripts/setup"], cwd=folder, check=True)


def run_process(command: list[str]) -> tuple[float, float]:
    """Return the processor seconds and the peak MB of one run of a command, ignoring its exit code."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    launcher = [sys.executable, "-S", "-c", LAUNCHER, *command]
    text = subprocess.run(launcher, capture_output=True, check=True, text=True, env=environment).stdout
    seconds, kilobytes = map(float, text.split())
    return seconds, kilobytes / 1024


def list_controls(checkout: Path) -> list[str]:
    """Return the ids of the controls of the framework allcontrols in a checkout."""
    command = [str(checkout / ".venv/bin/kubekeep"), "list", "controls", "--format", "json"]
    text = subprocess.run(command, capture_output=True, check=True, text=True).stdout
    return [number for number in iterate_ids(json.loads(text)) if number.startswith("C-")]


def iterate_ids(value: Any) -> Iterator[str]:
    """Yield the ids of all controls in a list of controls."""
    for control in value["controls"] if isinstance(value, dict) else value:
        yield str(control["id"])


def compare_results(old: Path, new: Path) -> dict[str, int]:
    """Return the number of resources with another status, by control, of two JSON reports."""
    statuses = [
        {
            (result["resourceID"], control["controlID"]): control["status"]["status"]
            for result in json.loads(report.read_text())["results"]
            for control in result["controls"]
        }
        for report in (old, new)
    ]
    differences: dict[str, int] = {}
    for resource, control in statuses[0].keys() | statuses[1].keys():
        if statuses[0].get((resource, control)) != statuses[1].get((resource, control)):
            differences[control] = differences.get(control, 0) + 1
    return differences


def compare(
    name: str, checkouts: tuple[Path, Path], arguments: list[str], scratch: Path, *, new_checks: bool = True
) -> None:
    """Print the row of one scan, and the controls with other results."""
    reports = scratch / "old.json", scratch / "new.json"
    programs = [[str(checkout / ".venv/bin/kubekeep")] for checkout in checkouts]
    if not new_checks:
        programs[1] = [str(checkouts[1] / ".venv/bin/python"), "-c", WITHOUT_NEW_CHECKS]
    commands = [
        [*program, *arguments, "--format", "json", "--output", str(report)]
        for program, report in zip(programs, reports, strict=True)
    ]
    for command in commands:
        run_process(command)
    runs = [[run_process(command) for command in commands] for _ in range(RUNS)]
    seconds = [statistics.median(run[side][0] for run in runs) for side in (0, 1)]
    memory = [max(run[side][1] for run in runs) for side in (0, 1)]
    ratio = seconds[0] / seconds[1]
    print(
        f"| {name} | {seconds[0]:.2f} s | {seconds[1]:.2f} s | {ratio:.1f} | {memory[0]:.0f} MB | {memory[1]:.0f} MB |"
    )
    print(f"{name}: other results: {compare_results(*reports) or 'none'}", file=sys.stderr)


def main() -> None:
    """Build the earlier commit and compare five scans."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--commit", default=COMMIT)
    options = parser.parse_args()
    build(options.folder, options.commit)
    # Without the byte code of its present rules, a checkout takes three times the time.
    subprocess.run(["scripts/freeze"], cwd=CHECKOUT, check=True)
    checkouts = options.folder.resolve(), CHECKOUT
    controls = ",".join(list_controls(checkouts[0]))
    print(
        f"| scan | {options.commit} | now | times faster | memory | memory now |\n| --- | --- | --- | --- | --- | --- |"
    )
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for size in (1, 2_000, 8_000):
            corpus.write(size, scratch / str(size))
        compare("one object, all controls", checkouts, ["scan", "control", controls, str(scratch / "1")], scratch)
        nsa = ["scan", "framework", "nsa", str(scratch / "2000")]
        compare("2,000 objects, NSA", checkouts, nsa, scratch)
        compare("2,000 objects, NSA, without the new checks", checkouts, nsa, scratch, new_checks=False)
        for size in (2_000, 8_000):
            arguments = ["scan", "control", controls, "--snapshot", str(scratch / str(size))]
            compare(f"{size:,} objects, all controls", checkouts, arguments, scratch)


if __name__ == "__main__":
    main()
