"""Argument and environment variables of the process for custom rules. Reads no other variable."""

from __future__ import annotations

import os
from typing import Final

RULE_PROCESS: Final = "--rule-process"
"""Only argument of the binary when it runs as this process: it contains no Python program."""
_PASSED: Final = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT")
"""Variables that some Python installations need to start."""
_ADDED: Final = {
    # The allocator would otherwise reserve a gigabyte at once, which counts for the limit.
    "MIMALLOC_ARENA_EAGER_COMMIT": "0",
}


def process_environment() -> dict[str, str]:
    """Return the environment of the process."""
    return {name: os.environ[name] for name in _PASSED if name in os.environ} | _ADDED
