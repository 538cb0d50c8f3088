"""Find out whether the selection of tests sees faults: `python benchmarks/faults.py [--count N] [--seed TEXT]`.

Negates one condition of the product at a time, each in another package, in a temporary worktree, and runs the tests that are
selected for this change. Prints a line for each fault. Run it at the commit of a complete run, or shortly after: the selection
is for all changes since then. Takes some minutes for each fault; changes nothing in the working tree.
"""

from __future__ import annotations

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

ROOT: Final = Path(__file__).parent.parent
PACKAGES: Final = ("src/kubekeep", "server/src/kubekeep_server")
_SECONDS: Final = 3_600


class Condition(NamedTuple):
    """The condition of an `if` in a file. start, end: positions in its bytes."""

    path: str
    line: int
    start: int
    end: int


def main() -> int:
    """Try the faults, and return 1 if one was not found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20, help="number of faults")
    parser.add_argument("--seed", default="1", help="other faults for each text")
    arguments = parser.parse_args()
    conditions = choose_conditions(arguments.count, arguments.seed)
    missed = 0
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "tree"
        run_git("worktree", "add", "--quiet", "--detach", str(tree))
        try:
            copy_built_files(tree)
            for condition in conditions:
                start = time.monotonic()
                failure = try_fault(tree, condition)
                missed += not failure
                result = f"found by {failure}" if failure else "MISSED"
                print(f"{time.monotonic() - start:5.0f} s  {condition.path}:{condition.line}  {result}", flush=True)
        finally:
            run_git("worktree", "remove", "--force", str(tree))
    print(f"{len(conditions) - missed} of {len(conditions)} faults found")
    return int(bool(missed))


def choose_conditions(count: int, seed: str) -> list[Condition]:
    """Return conditions in different packages."""
    packages = sorted({file.parent for package in PACKAGES for file in (ROOT / package).rglob("*.py")})
    generator = random.Random(seed)
    generator.shuffle(packages)
    chosen = []
    for package in packages:
        conditions = [condition for file in sorted(package.glob("*.py")) for condition in list_conditions(file)]
        if conditions:
            chosen.append(generator.choice(conditions))
    return chosen[:count]


def list_conditions(file: Path) -> Iterator[Condition]:
    """Yield the conditions in the functions of a file."""
    content = file.read_bytes()
    lines = content.splitlines(keepends=True)
    offsets = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    for function in ast.walk(ast.parse(content)):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.If):
                    test = node.test
                    start = offsets[test.lineno - 1] + test.col_offset
                    end = offsets[(test.end_lineno or test.lineno) - 1] + (test.end_col_offset or 0)
                    yield Condition(file.relative_to(ROOT).as_posix(), test.lineno, start, end)


def copy_built_files(tree: Path) -> None:
    """Copy the built files that git does not know: the native module, the index of the library and the pages."""
    listed = subprocess.run(
        ["git", "ls-files", "--others", "--ignored", "--exclude-standard", "-z", *PACKAGES],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    for path in filter(None, listed.split("\0")):
        if "__pycache__" not in path:
            (tree / path).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / path, tree / path)


def try_fault(tree: Path, condition: Condition) -> str:
    """Negate a condition, run the selected tests, and return the first test that fails; empty if none does."""
    file = tree / condition.path
    content = file.read_bytes()
    negated = b"not (%b)" % content[condition.start : condition.end]
    file.write_bytes(content[: condition.start] + negated + content[condition.end :])
    try:
        command = [sys.executable, "-m", "pytest", "-n", "3", "--dist", "worksteal", "--selection", "-q", "--maxfail=1"]
        variables = {"PYTHONPATH": os.pathsep.join(str(tree / name) for name in ("src", "server/src"))}
        ended = subprocess.run(
            command,
            cwd=tree,
            env={**os.environ, **variables},
            check=False,
            capture_output=True,
            text=True,
            timeout=_SECONDS,
        )
    finally:
        file.write_bytes(content)
    failures = [line for line in ended.stdout.splitlines() if line.startswith(("FAILED ", "ERROR "))]
    if ended.returncode and not failures:
        return f"an error of pytest: {(ended.stdout + ended.stderr).strip().splitlines()[-1]}"
    return failures[0].split(" - ")[0].partition(" ")[2] if failures else ""


def run_git(*arguments: str) -> None:
    """Run git in the repository."""
    subprocess.run(["git", *arguments], cwd=ROOT, check=True)


if __name__ == "__main__":
    sys.exit(main())
