"""Every command of the documentation runs: of the README in a clone as it is, of the guides beside a user's files."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from tests.cluster.access import User, write_kubeconfig
from tests.cluster.fixtures import run_cluster
from tests.cluster.samples import samples
from tests.command_line import run_command_line

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "guides").glob("*.md"))]
GATES = (
    "--fail-on",
    "--severity-threshold",
    "--compliance-threshold",
    "--fail-coverage-below",
    "--fail-on-path",
    "--max-failures",
)
_SHELL_SYNTAX = frozenset("|&;<>$`*?[]{}()~#!\\")


def commands() -> dict[str, list[str]]:
    """Return the commands of each page in their order: the lines after a dollar sign in console blocks."""
    by_page = {
        page.name: [
            line[2:]
            for block in re.findall(
                r"^```console\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
            )
            for line in block.splitlines()
            if line.startswith("$ ")
        ]
        for page in PAGES
    }
    return {page: lines for page, lines in by_page.items() if lines}


def prepare_folder(folder: Path, page: str) -> None:
    """Copy the examples and link the environment; for guides, add manifests of a user in deploy/ in a repository."""
    shutil.copytree(ROOT / "examples", folder / "examples")
    (folder / ".venv").symlink_to(ROOT / ".venv")
    if page != "README.md":
        shop = ROOT / "examples" / "online-shop"
        shutil.copytree(shop, folder / "deploy")
        shutil.copy(shop / "operations" / "debug-pod.yaml", folder / "deploy" / "pod.yaml")
        for words in (("init", "-q"), ("remote", "add", "origin", "https://github.com/example/shop")):
            subprocess.run(["git", *words], cwd=folder, check=True)


def run_documented(command: str, folder: Path, variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a command of a page in the folder: `kubekeep` without syntax of the shell in this process, others in bash."""
    if command.startswith("kubekeep ") and _SHELL_SYNTAX.isdisjoint(command):
        return run_command_line(*shlex.split(command)[1:], folder=folder, variables=variables)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, **variables, "PATH": path},
        encoding="utf-8",
    )


@pytest.fixture(scope="module")
def production(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Yield the kubeconfig of a cluster with the example; its only context is `production`."""
    for cluster in run_cluster(tmp_path_factory.mktemp("production") / "cluster"):
        cluster.apply(samples())
        path = cluster.layout.kubeconfigs / "production"
        users = [User("production", cluster.layout.pair("admin"))]
        write_kubeconfig(path, cluster.address, cluster.authority, users)
        yield path


@pytest.mark.parametrize("page", commands())
def test_documented_commands_run_in_order(page: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Run the commands of a page one after the other in one folder, as a reader does."""
    prepare_folder(tmp_path, page)
    variables = {"KUBECONFIG": str(request.getfixturevalue("production"))} if page == "cluster.md" else {}
    for command in commands()[page]:
        if command.startswith("scripts/test"):
            # The command runs this test, so the test only checks that CI runs the same command.
            assert "scripts/test" in (ROOT / ".ci" / "run").read_text().splitlines()
            continue
        result = run_documented(command, ROOT if command.startswith("scripts/") else tmp_path, variables)
        # A configuration that an earlier command wrote may have a gate.
        has_gate = any(gate in command for gate in GATES) or "gate FAILED" in result.stderr
        allowed = {0, 1} if has_gate else {0}
        assert result.returncode in allowed, f"{page}: {command}\n{result.stderr}"
        assert "Traceback" not in result.stderr


def outputs() -> list[tuple[str, str, str]]:
    """Return (page, command, output) of each console block with one command that an output follows."""
    return [
        (page.name, command, output)
        for page in PAGES
        for command, output in re.findall(
            r"^```console\n\$ (kubekeep [^\n]*)\n```\n(?:\n[^`#]+)?\n```(?:text|diff)\n(.*?)^```",
            page.read_text(encoding="utf-8"),
            re.MULTILINE | re.DOTALL,
        )
    ]


@pytest.mark.parametrize(("page", "command", "output"), outputs())
def test_documented_output_is_real(page: str, command: str, output: str, tmp_path: Path) -> None:
    prepare_folder(tmp_path, page)
    result = run_documented(command, tmp_path, {"COLUMNS": "100"})
    assert output in result.stdout + result.stderr


def test_pages_show_commands() -> None:
    assert {"README.md", "ci.md", "add-a-control.md"} <= commands().keys()


def snippets() -> list[str]:
    """Return the Python code of the guide on the Python API, but for the code that `tests/server/test_client.py` runs with a server."""
    guide = ROOT / "docs" / "guides" / "python.md"
    blocks = re.findall(r"^```python\n(.*?)^```", guide.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return [block for block in blocks if "Server(" not in block]


@pytest.mark.parametrize("code", snippets())
def test_python_code_of_the_guide_runs(code: str, tmp_path: Path) -> None:
    prepare_folder(tmp_path, "python.md")
    result = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert result.stdout or "write_text" in code
