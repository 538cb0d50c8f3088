"""Installations from source: the package contains the index of its library, with byte code of the rules."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.integrations.samples import PRIVILEGED, ROOT

pytestmark = pytest.mark.integration

TARGET = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep" / "cargo-target"
INDEX = "kubekeep/library/index.msgpack"
CHECK = """
from kubekeep.library import index, load
library = index.read_index(load.ROOT)
assert library.state == index.SEALED
assert library.programs
"""


def run(*command: object, **variables: str) -> str:
    """Run a command that compiles in the usual folder, and return its standard error."""
    process = subprocess.run(
        list(map(str, command)),
        env={"CARGO_TARGET_DIR": str(TARGET)} | os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=1_200,
    )
    assert not process.returncode, process.stderr
    return process.stderr


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the Python of an empty environment with the frontend of builds."""
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", folder)
    run(folder / "bin" / "python", "-m", "pip", "install", "--quiet", "build")
    return folder / "bin" / "python"


@pytest.fixture(scope="module")
def distribution(python: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the source distribution of this checkout."""
    folder = tmp_path_factory.mktemp("source")
    run(python, "-m", "build", "--sdist", "--outdir", folder, ROOT)
    return next(folder.glob("*.tar.gz"))


def test_source_distribution_has_no_index(distribution: Path) -> None:
    with tarfile.open(distribution) as archive:
        names = archive.getnames()
    assert any(name.endswith("build-backend/kubekeep_build.py") for name in names)
    assert not any(name.endswith(INDEX) for name in names)


def test_wheel_of_a_source_distribution_has_the_index(python: Path, distribution: Path, tmp_path: Path) -> None:
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, distribution)
    wheel = next(tmp_path.glob("*.whl"))
    assert INDEX in zipfile.ZipFile(wheel).namelist()
    run(python, "-m", "pip", "install", "--quiet", wheel)
    run(python, "-c", CHECK)
    (tmp_path / "pod.yaml").write_text(PRIVILEGED)
    assert "no index" not in run(python, "-m", "kubekeep", "scan", tmp_path / "pod.yaml", "--debug")
    run(python, "-m", "pip", "check")


def test_old_index_of_a_folder_is_not_used(python: Path, distribution: Path, tmp_path: Path) -> None:
    """A folder without Git, with an index of other files: the wheel gets its own."""
    with tarfile.open(distribution) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(tmp_path.glob("kubekeep-*"))
    (folder / "src" / INDEX).write_bytes(b"index of other files")
    run(python, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", tmp_path, folder)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        assert wheel.namelist().count(INDEX) == 1
        assert wheel.read(INDEX).startswith(b"\x96\xc4\x00")


def test_editable_installation(python: Path, distribution: Path, tmp_path: Path) -> None:
    with tarfile.open(distribution) as archive:
        archive.extractall(tmp_path, filter="data")
    folder = next(tmp_path.glob("kubekeep-*"))
    run(python, "-m", "pip", "install", "--quiet", "--editable", folder)
    output = subprocess.check_output([python, "-c", "import kubekeep._native as n; print(n.__file__)"], text=True)
    assert Path(output.strip()).is_relative_to(folder)
