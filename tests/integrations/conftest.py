"""The binary of this checkout, built once for all tests that need it."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from kubekeep_index import add_index

from tests.integrations.samples import FOLDER
from tests.integrations.wheel import build_wheel

DATE = {"SOURCE_DATE_EPOCH": "1700000000"}
"""Date of all files. Without it the date is that of the last commit."""
BUILD = FOLDER / "packages" / "binary" / "build"


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a wheel of this checkout, with the index that the release workflow adds."""
    wheel = build_wheel(tmp_path_factory.mktemp("wheel"))
    add_index(wheel, wheel)
    return wheel


@pytest.fixture(scope="session")
def archive(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the archive of the binary; the one for krew is beside it."""
    folder = tmp_path_factory.mktemp("binary")
    subprocess.run([BUILD, wheel, folder], env=os.environ | DATE, check=True, timeout=900)
    return next(folder.glob("*.tar.xz"))


@pytest.fixture(scope="session")
def binary(archive: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the unpacked program."""
    folder = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as content:
        content.extractall(folder, filter="tar")
    return next(folder.glob("*/kubekeep"))
