"""Location of the facts about Kubescape's library beside the checkout, and conversion of its paths. No assertions."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

SHARED: Final = Path(__file__).resolve().parents[2].parent / "shared"
FACTS: Final = SHARED / "groundtruth"


def convert_path(path: str) -> str:
    """Convert a Kubescape path to our notation: Kubescape writes label names in brackets with single quotes or none."""
    return re.sub(r"\['?([^\]\"']*[^\]\"'\d][^\]\"']*)'?\]", r'["\1"]', path)
