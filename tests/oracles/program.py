"""Build the Go programs of this folder, once, into the user's cache. Never downloads anything by itself."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import pytest


def program(name: str, package: str = ".") -> Path:
    """The program of the folder `name`, built if its sources are new. Skips the test where there is no Go.

    `package` is what is built there: a main package of a module that the folder's go.mod names.
    """
    go = shutil.which("go")
    if go is None:
        assert "CI" not in os.environ, "CI needs go: it builds the references"
        pytest.skip("go is not installed")
    source = Path(__file__).parent / name
    files = [source / file for file in ("main.go", "go.mod", "go.sum") if (source / file).exists()]
    digest = hashlib.sha256(b"".join(file.read_bytes() for file in files))
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep" / "oracles"
    built = cache / f"{name}-{digest.hexdigest()[:16]}"
    if not built.exists():
        cache.mkdir(parents=True, exist_ok=True)
        fresh = built.with_suffix(f".{os.getpid()}")
        subprocess.run([go, "build", "-o", fresh, package], cwd=source, check=True, timeout=900)
        fresh.replace(built)
    return built
