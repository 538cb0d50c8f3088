"""The two stages in which CI runs the tests: the quick one answers within minutes, the slow one runs all other tests.

Each test file belongs to one stage. Files of new folders are slow until their folder is listed here.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

QUICK: Final = "quick"
SLOW: Final = "slow"
STAGES: Final = (QUICK, SLOW)
TESTS: Final = Path(__file__).parent
QUICK_FOLDERS: Final = frozenset({"admission", "config", "baseline"})
SLOW_FILES: Final = frozenset({""})
"""Files in quick folders whose tests take more than a few seconds."""


def find_stage(file: Path) -> str:
    """Return the stage of a test file."""
    name = file.relative_to(TESTS)
    return QUICK if name.parts[0] in QUICK_FOLDERS and name.as_posix() not in SLOW_FILES else SLOW
