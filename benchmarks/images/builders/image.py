"""An image under construction: its root file system, its layers, and the lists of its package managers.

Needs umoci, unshare and root. Nothing outside of the folder of the build is changed; programs of the image run in its
root file system, with their own mount and process namespaces.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import tomllib
from collections.abc import Iterable
from pathlib import Path

from images.build import debootstrap, pack

ENVIRONMENT = {
    "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
    "HOME": "/root",
    "LC_ALL": "C.UTF-8",
    "DEBIAN_FRONTEND": "noninteractive",
}
Row = tuple[str, ...]
"""A package: its name and version, and for packages of distributions the architecture."""


def read(*command: str, cwd: Path | None = None, environment: dict[str, str] | None = None) -> str:
    """Return the output of a program. Raises CalledProcessError."""
    variables = {**os.environ, **(environment or {})}
    return subprocess.run(command, check=True, cwd=cwd, env=variables, stdout=subprocess.PIPE, text=True).stdout


def read_packages(module: str, key: str) -> list[str]:
    """Return a list of `packages.toml`."""
    packages: list[str] = tomllib.loads(Path(__file__).with_name("packages.toml").read_text())[module][key]
    return packages


class ImageBuild:
    """An image below a folder: `NAME` is its OCI layout, `NAME.bundle` its root file system while it is built."""

    def __init__(self, folder: Path, name: str) -> None:
        """Remove the rests of an interrupted build and start with an empty image."""
        self.folder = folder
        self.name = name
        self.layout = folder / f"{name}.part"
        self.bundle = folder / f"{name}.bundle"
        self.root = self.bundle / "rootfs"
        self.truth = folder / "truth"
        for path in (self.layout, self.bundle):
            shutil.rmtree(path, ignore_errors=True)
        self.truth.mkdir(parents=True, exist_ok=True)
        for path in self.truth.glob(f"{name}.*.tsv"):
            path.unlink()
        read("umoci", "init", "--layout", str(self.layout))
        read("umoci", "new", "--image", f"{self.layout}:latest")

    def start(self, suite: str = "") -> None:
        """Unpack the root file system, with a minimal Debian as the first layer or empty."""
        if suite:
            parts = self.folder / "parts"
            parts.mkdir(exist_ok=True)
            debootstrap(suite, parts / suite)
            archive = parts / f"{suite}.tar"
            if not archive.exists():
                pack(parts / suite, archive.with_suffix(".part")).rename(archive)
            read("umoci", "raw", "add-layer", "--image", f"{self.layout}:latest", str(archive))
        read("umoci", "unpack", "--image", f"{self.layout}:latest", str(self.bundle))

    def commit(self) -> None:
        """Add a layer with the changes since the last commit: new and changed files, and whiteouts of deleted ones."""
        read("umoci", "repack", "--refresh-bundle", "--image", f"{self.layout}:latest", str(self.bundle))

    def finish(self) -> None:
        """Add the last layer, remove the root file system and give the layout its name."""
        self.commit()
        read("umoci", "gc", "--layout", str(self.layout))
        shutil.rmtree(self.folder / self.name, ignore_errors=True)
        self.layout.rename(self.folder / self.name)
        self.discard()

    def discard(self) -> None:
        """Remove the unfinished image and its root file system."""
        shutil.rmtree(self.bundle, ignore_errors=True)
        shutil.rmtree(self.layout, ignore_errors=True)

    def run(self, *command: str, **environment: str) -> str:
        """Return the output of a program of the image."""
        variables = [f"{name}={value}" for name, value in (ENVIRONMENT | environment).items()]
        return read(
            "unshare", "--mount", "--pid", "--fork", f"--mount-proc={self.root / 'proc'}",
            "chroot", str(self.root), "/usr/bin/env", "-i", *variables, *command,
        )  # fmt: skip

    def copy(self, source: Path, target: str) -> Path:
        """Copy a file or a folder into the image."""
        path = self.root / target.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, path, symlinks=True, dirs_exist_ok=True)
        else:
            shutil.copy2(source, path)
        return path

    def write(self, path: str, text: str) -> Path:
        """Write a text file of the image."""
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)
        return target

    def record(self, kind: str, rows: Iterable[Row]) -> None:
        """Write the packages of a type, as listed by the package manager; kind: type of package URLs, as `pypi`."""
        lines = sorted({"\t".join(row) for row in rows})
        (self.truth / f"{self.name}.{kind}.tsv").write_text("".join(f"{line}\n" for line in lines))
