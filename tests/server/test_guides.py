"""The guides of the server: the table has all settings, and the commands of the first hour give the described results."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import msgspec
import pytest

from kubekeep_server.process.command import command
from kubekeep_server.settings import PREFIX, Settings
from tests.server.live import COMMAND, ROOT, environment, run_server

GUIDES: Final = ROOT / "docs" / "guides"
FIRST_HOUR: Final = (GUIDES / "server-first-hour.md").read_text()
UNIT: Final = ROOT / "deploy" / "systemd" / "kubekeep-server.service"
KUBEKEEP: Final = (sys.executable, "-m", "kubekeep")
IN_WORDS: Final = ("advisories_folder", "database", "public_url")
"""Settings whose empty default has a meaning."""


def read_table() -> dict[str, list[str]]:
    """Return the other cells of the table of settings by name."""
    lines = re.findall(r"^\| `(\w+)` \|(.*)\|$", (GUIDES / "server.md").read_text(), re.MULTILINE)
    return {name: [cell.strip().strip("`") for cell in cells.split("|")] for name, cells in lines}


def test_table_has_all_settings() -> None:
    table = read_table()
    assert table.keys() == set(Settings.__struct_fields__)
    options = {option for parameter in command.params for option in parameter.opts}
    for field in msgspec.structs.fields(Settings):
        variable, option, default, meaning = table[field.name]
        assert variable == ("" if field.name == "oidc" else f"{PREFIX}{field.name.upper()}")
        expected = f"--{field.name.replace('_', '-')}"
        assert option == (expected if expected in options else "")
        if field.name not in IN_WORDS:
            assert default == (str(field.default) if field.default else "none"), field.name
        assert meaning


def list_commands() -> list[list[str]]:
    """Return the commands of the guide."""
    blocks = re.findall(r"^```text\n(.*?)^```", FIRST_HOUR, re.MULTILINE | re.DOTALL)
    lines = (line for block in blocks for line in block.splitlines())
    return [shlex.split(line) for line in lines if line.startswith(("kubekeep ", "pip "))]


def test_commands_of_the_first_hour(tmp_path: Path) -> None:
    """Run the commands with the address of a server of this test; logging in by a browser is left out."""
    commands = list_commands()
    assert commands[:3] == [
        ["pip", "install", "kubekeep[server]"],
        ["kubekeep", "server", "--demo"],
        ["kubekeep", "server"],
    ]
    scan, *_examples, create, scan_of_pipeline = commands[4:]
    assert commands[3] == ["kubekeep", "login", *scan_of_pipeline[4:6]]
    login = [*commands[3], *scan_of_pipeline[6:]]
    shutil.copytree(ROOT / "examples" / "online-shop", tmp_path / "shop")
    for words in (("init", "-q"), ("remote", "add", "origin", "https://github.com/example/shop")):
        subprocess.run(["git", *words], cwd=tmp_path / "shop", check=True)
    variables = {**environment(), "HOME": str(tmp_path), "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": ""}
    with run_server(tmp_path) as server:
        assert re.search(r"Sign in as administrator within 15 minutes: \S+/sign-in#kkl_\S+", server.log)
        assert (tmp_path / "kubekeep-data" / "kubekeep.sqlite").is_file()

        def run(words: list[str]) -> str:
            program = [*COMMAND, *words[2:]] if words[1] == "server" else [*KUBEKEEP, *words[1:]]
            arguments = [word.replace("http://127.0.0.1:8080", server.url) for word in program]
            folder = tmp_path / "shop" if words[1] == "scan" else tmp_path
            ended = subprocess.run(arguments, cwd=folder, env=variables, capture_output=True, text=True, check=False)
            assert ended.returncode in (0, 1), ended.stderr
            return f"{ended.stdout}{ended.stderr}"

        for folder in (tmp_path, tmp_path / "shop"):
            (folder / "token").write_text(run(create[: create.index(">")]))
        run(login)
        assert re.search(rf"Submitted to {server.url}: [1-9]\d* opened, 0 closed", run(scan))
        assert f"Submitted to {server.url}: 0 opened, 0 closed" in run(scan_of_pipeline)
        reader = server.client(server.create_token("viewer"))
        (row,) = reader.get("/api/v1/sources").json()["rows"]
        assert row["key"] == "repository/github.com/example/shop//"
        assert sum(row["findings"].values()) > 0


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="requires systemd-analyze")
def test_unit_is_valid(tmp_path: Path) -> None:
    text = UNIT.read_text().replace("/opt/kubekeep/bin/kubekeep", sys.executable)
    (tmp_path / UNIT.name).write_text(text)
    ended = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / UNIT.name], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_unit_starts_the_server_of_the_guide() -> None:
    text = UNIT.read_text()
    assert "DynamicUser=yes" in text
    assert "ProtectSystem=strict" in text
    (start,) = re.findall(r"^ExecStart=/opt/kubekeep/bin/kubekeep server (.*)$", text, re.MULTILINE)
    assert {"--config", "--data"} <= set(start.split())
    stop = int(re.findall(r"^TimeoutStopSec=(\d+)$", text, re.MULTILINE)[0])
    assert stop > Settings().stop_seconds
