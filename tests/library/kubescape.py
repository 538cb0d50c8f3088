"""Where the facts of Kubescape's library lie, beside the checkout, and how its paths are read. Never asserts."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SHARED: Final = Path(__file__).resolve().parents[2].parent / "shared"
FACTS: Final = SHARED / "groundtruth"


def spelled(path: str) -> str:
    """A path of theirs in our spelling: they put the names of labels into brackets with single quotes or none."""
    return re.sub(r"\['?([^\]\"']*[^\]\"'\d][^\]\"']*)'?\]", r'["\1"]', path)
