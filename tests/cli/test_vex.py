"""`kubekeep vex`: statements created, shown and converted."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from tests.command_line import run_command_line

DIGEST = f"sha256:{'a' * 64}"
IMAGE = f"registry.example/shop@{DIGEST}"
STATEMENT = (
    *("--product", IMAGE, "--component", "pkg:npm/lodash@4.17.20", "--vulnerability", "CVE-2021-23337"),
    *("--status", "not_affected", "--justification", "vulnerable_code_not_in_execute_path"),
)
AUTHOR = ("--author", "Shop team", "--time", "2026-01-01T00:00:00Z")


def kubekeep(*words: str | Path, folder: Path, code: int = 0, stdin: bytes = b"") -> subprocess.CompletedProcess[str]:
    result = run_command_line("vex", *words, folder=folder, stdin=stdin, variables={"COLUMNS": "160"})
    assert result.returncode == code, result.stderr
    return result


def test_create_add_and_show(tmp_path: Path) -> None:
    created = kubekeep("create", *STATEMENT, *AUTHOR, "-o", "shop.vex.json", folder=tmp_path)
    assert created.stderr == "openvex: shop.vex.json\n"
    first = json.loads((tmp_path / "shop.vex.json").read_bytes())
    assert first["statements"][0]["products"] == [
        {
            "@id": f"pkg:oci/shop@{DIGEST}?repository_url=registry.example/shop",
            "subcomponents": [{"@id": "pkg:npm/lodash@4.17.20"}],
        }
    ]
    words = ("--product", "registry.example/shop:1.2", "--vulnerability", "CVE-2024-1", "--status", "affected")
    added = kubekeep(
        *("create", *words, "--action", "Update to 1.3.", "--time", "2026-02-01T00:00:00Z"),
        *("--add-to", "shop.vex.json"),
        folder=tmp_path,
    )
    assert "warning: pkg:oci/shop?repository_url=registry.example/shop&tag=1.2 has no digest" in added.stderr
    second = json.loads((tmp_path / "shop.vex.json").read_bytes())
    assert (second["@id"], second["version"], second["author"]) == (first["@id"], 2, "Shop team")
    assert second["statements"][0]["timestamp"] == "2026-01-01T00:00:00Z"
    lines = kubekeep("show", "shop.vex.json", folder=tmp_path).stdout.splitlines()
    assert lines[:2] == ["shop.vex.json", "OpenVEX 0.2.0 · Shop team · 2026-02-01T00:00:00Z · 2 statements"]
    assert lines[3] == "CVE-2021-23337  not_affected  vulnerable_code_not_in_execute_path"
    assert lines[6:] == [
        "CVE-2024-1  affected",
        "  pkg:oci/shop?repository_url=registry.example/shop&tag=1.2",
        "  Update to 1.3.",
    ]


def test_same_statement_twice(tmp_path: Path) -> None:
    kubekeep("create", *STATEMENT, *AUTHOR, "-o", "shop.vex.json", folder=tmp_path)
    before = (tmp_path / "shop.vex.json").read_bytes()
    result = kubekeep("create", *STATEMENT, *AUTHOR[2:], "--add-to", "shop.vex.json", folder=tmp_path, code=2)
    assert "shop.vex.json: the document has this statement already" in result.stderr
    assert (tmp_path / "shop.vex.json").read_bytes() == before


def test_json(tmp_path: Path) -> None:
    content = kubekeep("create", *STATEMENT, *AUTHOR, "-f", "cyclonedx", folder=tmp_path).stdout
    shown = json.loads(kubekeep("show", "-", "-f", "json", folder=tmp_path, stdin=content.encode()).stdout)
    assert shown[0]["format"] == "CycloneDX 1.6"
    assert shown[0]["statements"][0]["products"][0]["component"] == "pkg:npm/lodash@4.17.20"


def test_convert(tmp_path: Path) -> None:
    kubekeep("create", *STATEMENT, *AUTHOR, "-o", "shop.vex.json", folder=tmp_path)
    refused = kubekeep("convert", "shop.vex.json", "-f", "csaf", folder=tmp_path, code=2)
    assert "CSAF needs name and namespace of the publisher" in refused.stderr
    url = ("--author-url", "https://shop.example")
    kubekeep("convert", "shop.vex.json", "-f", "csaf", *url, "-o", "shop.csaf.json", folder=tmp_path)
    back = kubekeep("convert", "shop.csaf.json", folder=tmp_path).stdout
    original = json.loads((tmp_path / "shop.vex.json").read_bytes())
    assert json.loads(back)["statements"] == original["statements"]


def test_errors(tmp_path: Path) -> None:
    flaw = kubekeep("create", *STATEMENT[:-2], "--author", "Shop", folder=tmp_path, code=2)
    assert "Error: not_affected needs a justification or an impact statement" in flaw.stderr
    assert "no product: name an image" in kubekeep("create", *STATEMENT[2:], *AUTHOR, folder=tmp_path, code=2).stderr
    assert "no author" in kubekeep("create", *STATEMENT, folder=tmp_path, code=2).stderr
    product = kubekeep("create", "--product", "A B", *STATEMENT[2:], *AUTHOR, folder=tmp_path, code=2)
    assert "'A B' is not an image name" in product.stderr
    (tmp_path / "bad.json").write_text('{"a": "\x1b"}')
    assert kubekeep("show", "bad.json", folder=tmp_path, code=3).stderr.startswith("Error: bad.json: not")
