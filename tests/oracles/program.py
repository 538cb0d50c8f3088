"""Go programs for tests, built once into the user's cache. Downloads nothing except the modules that Go needs."""

from __future__ import annotations

import contextlib
import fcntl
import functools
import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import msgspec
import pytest

_SECONDS = 3600
_WAITS: Final = (2, 8, 30)
"""Seconds before downloads are repeated."""
_FOLDER: Final = Path(__file__).parent


class NoGoError(LookupError):
    """Go is not installed."""


class GoProgram(msgspec.Struct, frozen=True):
    """A program that `go build FLAGS PACKAGE` makes in the folder `source`, which has a go.mod.

    It is named after the folder of its main package, or after `source` for a package of another module.
    """

    source: Path
    package: str = "."
    flags: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self._main_folder.name

    @property
    def version(self) -> str:
        """Digest of the sources and the versions of all modules; the same on every machine."""
        lines = [
            f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}"
            for file in (*sorted(self._main_folder.glob("*.go")), self.source / "go.mod", self.source / "go.sum")
            if file.exists()
        ]
        return _digest([*lines, self.package, *self.flags])

    @property
    def _main_folder(self) -> Path:
        return (self.source / self.package).resolve() if self.package.startswith(".") else self.source.resolve()

    def find(self) -> Path:
        """Return the path of the program in the cache, whether it is built or not. Raises NoGoError without Go."""
        key = _digest([self.version, _read_compiler_version(_find_go(), self.source)])
        return find_cache_folder() / "oracles" / f"{self.name}-{key}"

    def build(self) -> Path:
        """Return the program, built unless the cache has it.

        One process builds, with low priority; concurrent processes wait for it. Raises NoGoError without Go and
        subprocess.CalledProcessError if the program does not compile.
        """
        target = self.find()
        if target.exists():
            return target
        target.parent.mkdir(parents=True, exist_ok=True)
        with lock_file(target.parent / f"{self.name}.lock"):
            if not target.exists():
                temporary = target.with_suffix(f".{os.getpid()}")
                print(f"building {self.name} with Go", file=sys.stderr)
                start = time.monotonic()
                command = ["nice", "-n", "10", _find_go(), "build", *self.flags, "-o", str(temporary), self.package]
                self._download()
                try:
                    subprocess.run(command, cwd=self.source, check=True, timeout=_SECONDS)
                    temporary.replace(target)
                finally:
                    temporary.unlink(missing_ok=True)
                print(f"built {self.name} in {time.monotonic() - start:.0f} s", file=sys.stderr)
        return target

    def _download(self) -> None:
        """Download the modules that the package needs. Go repeats no download that fails."""
        command = [_find_go(), "list", "-deps", *self.flags, self.package]
        for wait in _WAITS:
            listed = subprocess.run(command, cwd=self.source, check=False, stdout=subprocess.DEVNULL, timeout=_SECONDS)
            if listed.returncode == 0:
                return
            print(f"modules of {self.name} could not be downloaded; trying again in {wait} s", file=sys.stderr)
            time.sleep(wait)


REFERENCES: Final = {
    file.parent.name: GoProgram(file.parent, "helm.sh/helm/v3/cmd/helm" if file.parent.name == "helm" else ".")
    for file in sorted(_FOLDER.glob("*/go.mod"))
}
"""The reference programs, by the name of their folder."""


def program(name: str) -> Path:
    """Return the reference program `name`, built if its sources have changed. Skips the test without Go."""
    try:
        return REFERENCES[name].build()
    except NoGoError as error:
        assert "CI" not in os.environ, "CI requires Go to build the reference programs"
        pytest.skip(str(error))


def _find_go() -> str:
    go = shutil.which("go")
    if go is None:
        raise NoGoError("go is not installed")
    return go


@functools.cache
def _read_compiler_version(go: str, source: Path) -> str:
    """Return the version of the compiler that builds in a folder: its go.mod may ask for a newer one than `go` is."""
    return subprocess.run([go, "env", "GOVERSION"], cwd=source, check=True, capture_output=True, text=True).stdout


def _digest(lines: list[str]) -> str:
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def find_cache_folder() -> Path:
    """Return the cache folder of the project, outside its tree; the same as in `scripts/env`."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep"


@contextlib.contextmanager
def lock_file(file: Path) -> Iterator[None]:
    """Hold an exclusive lock on `file`. The system releases it with the process, even after a crash."""
    with file.open("a") as descriptor:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
