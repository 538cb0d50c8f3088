"""Unsaved texts of an editor, which replace the contents of files. Reads no file."""

from __future__ import annotations

import os
from collections.abc import Mapping


def find_unsaved(unsaved: Mapping[str, bytes], path: str) -> bytes | None:
    """Return the unsaved content of the file at a path; None if it has none. unsaved: contents by real path."""
    # Nearly all scans have none: the links of a path are then not resolved.
    return unsaved.get(os.path.realpath(path)) if unsaved else None
