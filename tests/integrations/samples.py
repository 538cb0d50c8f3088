"""Manifests and checks that the tests of all CI systems share."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import jsonschema
import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = ROOT / "integrations"
SCRIPTS: Final = Path(sys.executable).parent
CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubekeep" / "integrations"
SARIF_SCHEMA: Final = json.loads((ROOT / "tests" / "reports" / "assets" / "sarif-2.1.0.json").read_text())

PRIVILEGED: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: debug, namespace: shop}
spec:
  containers:
    - name: shell
      image: debian
      securityContext: {privileged: true}
"""
HARMLESS: Final = """\
apiVersion: v1
kind: ConfigMap
metadata: {name: settings, namespace: shop}
data: {colour: blue}
"""
BROKEN: Final = "apiVersion: v1\nkind: [\n"
NO_KUBERNETES: Final = "services: {web: {image: nginx}}\n"


def write_files(folder: Path, files: dict[str, str]) -> Path:
    """Write the files below the folder and return it."""
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def base_environment(folder: Path) -> dict[str, str]:
    """Return the environment of a job: this kubekeep on the PATH, the home and temporary folders below `folder`."""
    home, temporary = folder / "home", folder / "temporary"
    home.mkdir(exist_ok=True)
    temporary.mkdir(exist_ok=True)
    identity = {f"GIT_{role}_{key}": "ci" for role in ("AUTHOR", "COMMITTER") for key in ("NAME", "EMAIL")}
    return {
        "PATH": f"{SCRIPTS}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(home),
        "TMPDIR": str(temporary),
        "LANG": "C.UTF-8",
        "GIT_CONFIG_NOSYSTEM": "1",
        **identity,
    }


def read_sarif(path: Path) -> list[dict[str, Any]]:
    """Return the results of a SARIF file after a check of its schema."""
    log = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.Draft7Validator(SARIF_SCHEMA).validate(log)
    results: list[dict[str, Any]] = log["runs"][0]["results"]
    return results


def is_successful(path: Path) -> bool:
    """Return True if the SARIF file says that the scan was complete."""
    invocation = json.loads(path.read_text(encoding="utf-8"))["runs"][0]["invocations"][0]
    return bool(invocation["executionSuccessful"])


def find_program(name: str) -> Path:
    """Return a program that scripts/test-integrations installed, or skip the test."""
    for path in (CACHE / "bin" / name, CACHE / name / "node_modules" / ".bin" / name):
        if path.exists():
            return path
    if on_path := shutil.which(name):
        return Path(on_path)
    pytest.skip(f"{name} is not installed: run scripts/test-integrations")


def commit_all(folder: Path, environment: dict[str, str]) -> str:
    """Commit all files of the folder, in a new repository if there is none, and return the hash."""
    for command in (["init", "-q", "-b", "main"], ["add", "-A"], ["commit", "-q", "-m", "files"]):
        subprocess.run(["git", *command], cwd=folder, env=environment, check=True, timeout=60)
    result = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=folder, env=environment, check=True, capture_output=True, text=True
    )
    return result.stdout.strip()


def can_cut_network() -> bool:
    """Return True if this user may run a program in a new network namespace."""
    unshare = shutil.which("unshare")
    return unshare is not None and subprocess.run([unshare, "-n", "true"], check=False).returncode == 0


needs_namespaces = pytest.mark.skipif(not can_cut_network(), reason="a new network namespace requires root")
