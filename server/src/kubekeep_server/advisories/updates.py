"""Updates and imports of the advisory database by `kubekeep db`, in a process of its own: it takes memory, and can be ended."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Final

_MOST_LINES: Final = 5
BundleState = tuple[str, int, int]
"""Path, time and size of a file."""


def build_update(folder: Path) -> tuple[str, ...]:
    """Return the command that updates a database from the sources of its last update, without any from OSV."""
    return (sys.executable, "-m", "kubekeep", "db", "update", "--quiet", "--database", str(folder))


def build_import(file: Path, folder: Path) -> tuple[str, ...]:
    """Return the command that imports a bundle or another file."""
    return (sys.executable, "-m", "kubekeep", "db", "import", "--database", str(folder), "--", str(file))


async def run_command(command: tuple[str, ...]) -> str:
    """Run a command and return its messages if it failed, else an empty text. The end of the caller ends it."""
    process = await asyncio.create_subprocess_exec(
        *command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    try:
        _, output = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    if not process.returncode:
        return ""
    lines = output.decode("utf-8", "replace").strip().splitlines()[-_MOST_LINES:]
    return "; ".join(lines) or f"kubekeep db ended with {process.returncode}"


def list_bundles(folder: Path) -> list[BundleState]:
    """Return the files of a folder, the oldest first; hidden ones are not complete yet. Raises OSError."""
    files = [path for path in folder.iterdir() if path.is_file() and not path.name.startswith(".")]
    states = [(path, path.stat()) for path in files]
    ordered = sorted(states, key=lambda state: (state[1].st_mtime_ns, state[0]))
    return [(str(path), state.st_mtime_ns, state.st_size) for path, state in ordered]
