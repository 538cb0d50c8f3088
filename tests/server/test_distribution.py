"""The distribution of the server: its wheel is complete, and an installation that scans has none of its libraries."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SERVER: Final = ROOT / "server"
LOCKS: Final = (
    "requirements-run.lock",
    "integrations/github/requirements.lock",
    "integrations/packages/binary/requirements.lock",
)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Return the names of the files in the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    command: list[str | Path] = [sys.executable, "-m", "flit_core.wheel", SERVER, "--outdir", folder]
    subprocess.run(command, check=True, capture_output=True)
    (path,) = folder.glob("kubekeep_server-*.whl")
    with zipfile.ZipFile(path) as archive:
        return archive.namelist()


def test_wheel_has_all_modules_and_migrations(wheel: list[str]) -> None:
    source = SERVER / "src"
    files = (path for path in source.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert {str(path.relative_to(source)) for path in files} <= set(wheel)


def test_versions_are_equal() -> None:
    server = tomllib.loads((SERVER / "pyproject.toml").read_text())["project"]["version"]
    kubekeep = tomllib.loads((ROOT / "rust" / "Cargo.toml").read_text())["workspace"]["package"]["version"]
    assert server == kubekeep


@pytest.mark.parametrize("lock", LOCKS)
def test_installation_that_scans_has_no_library_of_the_server(lock: str) -> None:
    names = set(re.findall(r"^([a-z0-9._-]+)==", (ROOT / lock).read_text(), re.MULTILINE))
    assert names
    assert names.isdisjoint(
        {
            "aiosqlite",
            "alembic",
            "asyncpg",
            "greenlet",
            "mako",
            "sqlalchemy",
            "fastapi",
            "pydantic",
            "uvicorn",
            "argon2-cffi",
            "structlog",
        }
    )
