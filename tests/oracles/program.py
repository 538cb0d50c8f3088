"""Go programs for tests, built once into the user's cache. Downloads nothing except the modules that Go needs."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

_SECONDS = 3600


class NoGoError(LookupError):
    """Go is not installed."""


def program(name: str, package: str = ".") -> Path:
    """Return the program of the folder `name`, built if its sources have changed. Skips the test without Go.

    package: main package to build, from a module in the folder's go.mod.
    """
    try:
        return build_program(Path(__file__).parent / name, package)
    except NoGoError as error:
        assert "CI" not in os.environ, "CI requires Go to build the reference programs"
        pytest.skip(str(error))


def build_program(source: Path, package: str = ".", flags: Sequence[str] = ()) -> Path:
    """Return the program built by `go build FLAGS PACKAGE` in the folder `source`.

    It is named after the folder of its main package, or after `source` for a package of another module. One process
    builds, with low priority; concurrent processes wait for it. Raises NoGoError without Go and
    subprocess.CalledProcessError if the program does not compile.
    """
    main_folder = source / package if package.startswith(".") else source
    name = main_folder.resolve().name
    files = [file for file in (main_folder / "main.go", source / "go.mod", source / "go.sum") if file.exists()]
    digest = hashlib.sha256(b"".join([*(file.read_bytes() for file in files), *map(str.encode, flags)]))
    cache = find_cache_folder() / "oracles"
    target = cache / f"{name}-{digest.hexdigest()[:16]}"
    if target.exists():
        return target
    go = shutil.which("go")
    if go is None:
        raise NoGoError("go is not installed")
    cache.mkdir(parents=True, exist_ok=True)
    with lock_file(cache / f"{name}.lock"):
        if not target.exists():
            temporary = target.with_suffix(f".{os.getpid()}")
            print(f"building {name} with Go", file=sys.stderr)
            start = time.monotonic()
            command = ["nice", "-n", "10", go, "build", *flags, "-o", str(temporary), package]
            try:
                subprocess.run(command, cwd=source, check=True, timeout=_SECONDS)
                temporary.replace(target)
            finally:
                temporary.unlink(missing_ok=True)
            print(f"built {name} in {time.monotonic() - start:.0f} s", file=sys.stderr)
    return target


def find_cache_folder() -> Path:
    """Return the cache folder of the project, outside its tree; the same as in `scripts/env`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep"


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file`. The system releases it with the process, even after a crash."""
    with file.open("a") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
