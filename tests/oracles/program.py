"""Build Go programs that tests run, once, into the user's cache. Never downloads anything by itself."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_SECONDS = 1800


class NoGoError(LookupError):
    """Go is not installed."""


def program(name: str, package: str = ".") -> Path:
    """The program of the folder `name`, built if its sources are new. Skips the test where there is no Go.

    `package` is what is built there: a main package of a module that the folder's go.mod names.
    """
    try:
        return built(Path(__file__).parent / name, package)
    except NoGoError as error:
        assert "CI" not in os.environ, "CI needs go: it builds the references"
        pytest.skip(str(error))


def built(source: Path, package: str = ".", flags: Sequence[str] = ()) -> Path:
    """The program that `go build FLAGS PACKAGE` makes in the folder `source`, whose name it gets.

    One process builds, others that ask meanwhile wait for it. Raises NoGoError where there is no Go and
    subprocess.CalledProcessError if it does not compile.
    """
    files = [source / file for file in ("main.go", "go.mod", "go.sum") if (source / file).exists()]
    digest = hashlib.sha256(b"".join([*(file.read_bytes() for file in files), *map(str.encode, flags)]))
    cache = caches() / "oracles"
    target = cache / f"{source.name}-{digest.hexdigest()[:16]}"
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        raise NoGoError("go is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with locked(cache / f"{source.name}.lock"):
        if not target.exists():
            fresh = target.with_suffix(f".{os.getpid()}")
            try:
                subprocess.run([go, "build", *flags, "-o", fresh, package], cwd=source, check=True, timeout=_SECONDS)
                fresh.replace(target)
            finally:
                fresh.unlink(missing_ok=True)
    return target


def caches() -> Path:
    """The folder of what this project keeps outside its tree; `scripts/env` says the same."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep"


@contextlib.contextmanager
def locked(file: Path) -> Iterator[None]:
    """Hold the only lock of `file`; the system lets go of it when a process ends, however it ends."""
    with file.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield
