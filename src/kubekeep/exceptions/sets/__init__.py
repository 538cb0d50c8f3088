"""The built-in sets of exceptions for the components of managed platforms. Never parses an exception."""

from __future__ import annotations

from pathlib import Path
from typing import Final

_FOLDER: Final = Path(__file__).parent


def list_sets() -> tuple[str, ...]:
    """Return the names of the sets, sorted."""
    return tuple(sorted(file.stem for file in _FOLDER.glob("*.yaml")))


def get_set_file(name: str) -> Path | None:
    """Return the file of a set, None if there is no set of that name."""
    return _FOLDER / f"{name}.yaml" if name in list_sets() else None


def read_set_title(name: str) -> str:
    """Return the title of a set: the first line of its file."""
    file = _FOLDER / f"{name}.yaml"
    return file.read_text(encoding="utf-8").partition("\n")[0].removeprefix("#").strip()
