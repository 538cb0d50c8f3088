"""Version of the matching: a new version may give other answers for the same packages and advisories."""

from __future__ import annotations

import functools
import hashlib
from pathlib import Path
from typing import Final

from kubekeep import _native

_PARTS: Final = ("*.py", "matching/*.py", "versions/*.py", "severity/*.py")


@functools.cache
def compute_matching_version() -> str:
    """Return a text that changes with the code that compares packages with advisories."""
    folder = Path(__file__).parent.parent
    digest = hashlib.blake2b(_native.VERSION.encode(), digest_size=16)
    for part in _PARTS:
        for path in sorted(folder.glob(part)):
            digest.update(path.name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()
