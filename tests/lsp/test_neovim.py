"""Neovim itself uses the server: diagnostics of a manifest, and a code action applied to the buffer."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.lsp.client import COMMAND
from tests.lsp.samples import POD, find_line, write_files

SCRIPT = Path(__file__).with_name("neovim.lua")


@pytest.mark.skipif(shutil.which("nvim") is None, reason="Neovim is not installed")
def test_neovim_shows_and_fixes_a_finding(tmp_path: Path) -> None:
    text = POD.replace("name: shell", "name: shell # 🚀")
    folder = write_files(tmp_path / "work", {"pod.yaml": text})
    environment = {
        "KUBEKEEP_COMMAND": json.dumps(COMMAND),
        "KUBEKEEP_FILE": str(folder / "pod.yaml"),
        "KUBEKEEP_FOLDER": str(folder),
        "HOME": str(tmp_path),
        "XDG_STATE_HOME": str(tmp_path / "state"),
    }
    result = subprocess.run(
        ["nvim", "--headless", "-u", "NONE", "-i", "NONE", "-c", f"luafile {SCRIPT}"],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert result.returncode == 0, result.stderr
    # Headless Neovim prints to standard error.
    report = json.loads(next(line for line in result.stderr.splitlines() if line.startswith("{")))
    assert (report["line"], report["column"]) == (find_line(text, "privileged"), 8)
    assert report["severity"] == 1
    assert "privileged is true" in report["message"]
    assert any(title.startswith("Suppress C-0057") for title in report["titles"])
    assert (folder / "pod.yaml").read_text(encoding="utf-8") == text.replace("true", "false")
