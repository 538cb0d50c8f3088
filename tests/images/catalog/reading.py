"""Short ways to read a file with a catalogue and to compare its packages."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

from kubekeep.images.content import LayerFile
from kubekeep.model.package import Package

RECORDED = Path(__file__).parent / "recorded"


def read_packages(module: ModuleType, path: str, content: bytes | str | None = None) -> tuple[Package, ...]:
    """Return the packages that a catalogue reads from a file; without content, from the recorded file."""
    if content is None:
        content = (RECORDED / "locks" / path).read_bytes()
    record = module.read(LayerFile(path, content.encode() if isinstance(content, str) else content))
    return record.packages if record else ()


def list_names(packages: tuple[Package, ...]) -> set[tuple[str, str]]:
    """Return name with namespace, and version."""
    return {(f"{package.namespace}/{package.name}".lstrip("/"), package.version) for package in packages}


def measure(actual: set[tuple[str, ...]], expected: set[tuple[str, ...]]) -> tuple[float, float]:
    """Return recall and precision."""
    common = len(actual & expected)
    return common / max(len(expected), 1), common / max(len(actual), 1)
