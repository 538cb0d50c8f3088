"""The ready-made sets of exceptions that come with Kubekeep: what managed platforms themselves run in a cluster.

Finds the files by walking; reads none.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent / "exceptions"


def set_names() -> tuple[str, ...]:
    """The names of the sets, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))


def set_file(name: str) -> Path | None:
    """The file of a set; None where there is none of that name."""
    return _FOLDER / f"{name}.yaml" if name in set_names() else None
