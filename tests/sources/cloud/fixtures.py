"""Fixture of the local server that emulates Azure and Google."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.sources.cloud.service import Cloud, run_cloud


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    folder = tmp_path / "clouds"
    folder.mkdir()
    with run_cloud(folder) as server:
        yield server
