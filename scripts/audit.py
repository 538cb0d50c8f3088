"""Audit of the locked dependencies for known vulnerabilities, with pip-audit and cargo-audit.

A known vulnerability fails. A missing tool or missing advisory data skips that part with one line, and never fails.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
_SECONDS: Final = 300


class SkippedError(Exception):
    """An audit that could not run, with the reason."""


def read_pip_audit(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the vulnerabilities in the JSON of pip-audit. Raises SkippedError if it has no data of some package."""
    for package in answer["dependencies"]:
        if "skip_reason" in package:
            raise SkippedError(package["skip_reason"])
        for advisory in package["vulns"]:
            yield f"{package['name']} {package['version']}: {advisory['id']}"


def read_cargo_audit(answer: dict[str, Any]) -> Iterator[str]:
    """Yield the vulnerabilities in the JSON of cargo-audit."""
    for entry in answer["vulnerabilities"]["list"]:
        yield f"{entry['package']['name']} {entry['package']['version']}: {entry['advisory']['id']}"


_AUDITS: Final[tuple[tuple[tuple[str, ...], Callable[[dict[str, Any]], Iterator[str]]], ...]] = (
    (("pip-audit", "-r", "requirements-run.lock", "--disable-pip", "--format", "json"), read_pip_audit),
    (("cargo-audit", "audit", "--file", "rust/Cargo.lock", "--json"), read_cargo_audit),
)


def main() -> int:
    """Run both audits; return 1 if a dependency has a known vulnerability."""
    vulnerabilities: list[str] = []
    for command, read in _AUDITS:
        try:
            vulnerabilities += read(_run(command))
        except SkippedError as error:
            print(f"audit skipped: {command[0]}: {error}", file=sys.stderr)
    for vulnerability in vulnerabilities:
        print(vulnerability, file=sys.stderr)
    return int(bool(vulnerabilities))


def _run(command: tuple[str, ...]) -> dict[str, Any]:
    """Return the JSON that a program prints. Raises SkippedError if it is missing, too slow, or prints none."""
    folders = (ROOT / ".venv" / "bin", Path.home() / ".cargo" / "bin")
    path = os.pathsep.join((*map(str, folders), os.environ.get("PATH", "")))
    program = shutil.which(command[0], path=path)
    if program is None:
        raise SkippedError("not installed")
    try:
        process = subprocess.run(
            [program, *command[1:]], cwd=ROOT, capture_output=True, check=False, text=True, timeout=_SECONDS
        )
        answer: dict[str, Any] = json.loads(process.stdout)
    except subprocess.TimeoutExpired as error:
        raise SkippedError(f"no result after {_SECONDS} s") from error
    except ValueError as error:
        raise SkippedError((process.stderr.strip().splitlines() or ["no result"])[-1]) from error
    return answer


if __name__ == "__main__":
    sys.exit(main())
