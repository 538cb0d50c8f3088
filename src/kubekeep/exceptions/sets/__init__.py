"""The ready-made sets of exceptions that come with Kubekeep: what managed platforms themselves run in a cluster.

Finds the files by walking; never reads an exception.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


def set_names() -> tuple[str, ...]:
    """The names of the sets, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))


def set_file(name: str) -> Path | None:
    """The file of a set; None where there is none of that name."""
    return _FOLDER / f"{name}.yaml" if name in set_names() else None


def set_title(name: str) -> str:
    """What a set is about, as the first line of its file says."""
    file = _FOLDER / f"{name}.yaml"
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
