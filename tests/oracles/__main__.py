"""Build the Go programs of the tests before the first test needs one. Never runs them.

Programs whose answers are recorded are built only on request: no test runs them, unless it compares or records answers.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Final

from tests.cluster import builds
from tests.oracles.program import REFERENCES, GoProgram, NoGoError
from tests.signatures import registries
from tests.signatures.keyless import instance

_PEERS: Final = ("bolt", "helm", "notation", "signature", "trivy-db")
"""Reference programs that every run needs: Kubekeep starts them, or their answers differ from run to run."""


def main() -> int:
    """Build the programs that the cache does not have, and return the exit code."""
    parser = argparse.ArgumentParser(prog="scripts/programs", description=__doc__)
    parser.add_argument("--all", action="store_true", help="build the programs with recorded answers too")
    names = REFERENCES if parser.parse_args().all else _PEERS
    return build_programs(
        [*builds.PROGRAMS, *instance.PROGRAMS, registries.PROGRAM, *(REFERENCES[name] for name in names)]
    )


def build_programs(programs: Sequence[GoProgram]) -> int:
    """Build programs, print a line about each, and return 1 if one does not build, else 0."""
    results = [_build(program) for program in programs]
    return 0 if all(results) else 1


def _build(program: GoProgram) -> bool:
    """Print a line about a program, and return True if it is built."""
    start = time.monotonic()
    try:
        is_present = program.find().exists()
        program.build()
    except (NoGoError, subprocess.SubprocessError) as error:
        print(f"{program.name}: not built: {error}; sources: {program.source}", flush=True)
        return False
    print(f"{program.name}: {'present' if is_present else f'built in {time.monotonic() - start:.0f} s'}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main())
