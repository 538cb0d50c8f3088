"""Keys, trusted roots and statements: no command reads such a file without a limit."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from kubekeep.cli.main import kubekeep

_IMAGE = "127.0.0.1:9/x:1"
_COMMANDS = {
    "verify --key": ("image", "verify", _IMAGE, "--key", "FILE"),
    "verify --trusted-root": ("image", "verify", _IMAGE, "--trusted-root", "FILE", "--identity", "a", "--issuer", "b"),
    "sign --key": ("image", "sign", _IMAGE, "--key", "FILE"),
    "sign --keyless": ("image", "sign", _IMAGE, "--keyless", "--signing-config", "FILE", "--trusted-root", "FILE"),
    "attest --predicate": ("image", "attest", _IMAGE, "--key", "FILE", "--type", "vuln", "--predicate", "FILE"),
    "trust update --root": ("image", "trust", "update", "--url", "http://127.0.0.1:9/", "--root", "FILE"),
    "library push --key": ("library", "push", ".", "oci://127.0.0.1:9/a:1", "--key", "FILE"),
    "library pull --key": ("library", "pull", "oci://127.0.0.1:9/a:1", "new", "--key", "FILE"),
    "db push --key": ("db", "push", "oci://127.0.0.1:9/a:1", "--key", "FILE"),
    "db import --key": ("db", "import", "oci://127.0.0.1:9/a:1", "--key", "FILE"),
}


@pytest.mark.parametrize("name", _COMMANDS)
def test_large_file_is_refused(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("file").touch()
    # A file without data: the size alone is the cause.
    os.truncate("file", 65 << 20)
    arguments = ["file" if word == "FILE" else word for word in _COMMANDS[name]]
    result = CliRunner().invoke(kubekeep, arguments, env={"HOME": str(tmp_path), "KUBEKEEP_DATABASE": str(tmp_path)})
    assert result.exit_code in {2, 3}
    assert "file: larger than" in result.output
    assert "MiB" in result.output
