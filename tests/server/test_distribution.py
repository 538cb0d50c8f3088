"""The distribution of the server: its wheel is complete, and an installation that scans has none of its libraries."""

from __future__ import annotations

import json
import os
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


IMPORT_ALL: Final = """
import importlib, json, pkgutil, re, sys
from importlib.metadata import distribution, packages_distributions
from importlib.abc import MetaPathFinder
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

def close(requirements):
    names, waiting = set(), [Requirement(text) for text in requirements]
    while waiting:
        requirement = waiting.pop()
        key = (canonicalize_name(requirement.name), frozenset(requirement.extras))
        if key in names:
            continue
        names.add(key)
        for text in distribution(requirement.name).requires or ():
            other = Requirement(text)
            extras = requirement.extras or {""}
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in extras):
                waiting.append(other)
    return {name for name, _ in names}

allowed = close(json.loads(sys.argv[1]))
owners = packages_distributions()

class Undeclared(MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        distributions = {canonicalize_name(owner) for owner in owners.get(name, ())}
        if path is None and distributions and not distributions & allowed:
            raise ModuleNotFoundError(f"{name} is not declared", name=name)

for name in [name for name in sys.modules if owners.get(name.partition(".")[0]) and not name.startswith("packaging")]:
    del sys.modules[name]
sys.meta_path.insert(0, Undeclared())
import kubekeep_server
for module in pkgutil.walk_packages(kubekeep_server.__path__, "kubekeep_server."):
    if ".migrations" not in module.name:
        importlib.import_module(module.name)
print("complete")
"""


def test_declared_libraries_are_enough() -> None:
    """Import all modules where no other library can be imported, as in an installation by pip."""
    declared = tomllib.loads((SERVER / "pyproject.toml").read_text())["project"]["dependencies"]
    path = f"{SERVER / 'src'}{os.pathsep}{ROOT / 'src'}"
    command = [sys.executable, "-c", IMPORT_ALL]
    environment = {**os.environ, "PYTHONPATH": path}
    complete = subprocess.run(
        [*command, json.dumps(declared)], capture_output=True, text=True, env=environment, check=False
    )
    assert complete.stdout == "complete\n", complete.stderr
    incomplete = json.dumps([name for name in declared if not name.startswith("python-multipart")])
    refused = subprocess.run([*command, incomplete], capture_output=True, text=True, env=environment, check=False)
    assert refused.returncode != 0
    assert "python-multipart" in refused.stderr
