"""`kubekeep sbom`: documents in, one screen, tables and documents out."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from tests.command_line import run_command_line

PEERS = Path(__file__).parents[1] / "images" / "sbom" / "peers"


def kubekeep(
    *words: str | Path, code: int = 0, stdin: bytes = b"", columns: int = 100
) -> subprocess.CompletedProcess[str]:
    result = run_command_line("sbom", *words, stdin=stdin, variables={"COLUMNS": str(columns)})
    assert result.returncode == code, result.stderr
    return result


def test_summary() -> None:
    lines = kubekeep("show", PEERS / "syft.cdx.json").stdout.splitlines()
    assert lines[0] == "shop.tar"
    assert lines[1].startswith("image · sha256:")
    assert lines[2:4] == ["Debian GNU/Linux 13 (trixie)", "CycloneDX 1.6 by syft 1.18.1 · 2026-11-28T22:39:43Z"]
    assert lines[5:9] == ["7 packages", "  deb   3", "  npm   2", "  pypi  2"]
    assert "  GPL-2.0-or-later  3" in lines
    assert len(lines) < 24


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_table_fits_the_terminal(columns: int) -> None:
    lines = kubekeep("show", PEERS / "syft.cdx.json", "--packages", columns=columns).stdout.splitlines()
    assert len(lines) == 8
    assert max(map(len, lines)) <= columns
    assert lines[1].split()[:2] == ["bsdutils", "1:2.41.5-0+deb13u1"]
    assert ("LOCATION" in lines[0]) == (columns > 80)


def test_filters() -> None:
    result = kubekeep("show", PEERS / "trivy.spdx", "--type", "deb,npm", "--name", "LIB*", "--name", "@babel/*")
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["NAME", "libacl1", "@babel/core"]
    empty = kubekeep("show", PEERS / "trivy.spdx", "--type", "gem")
    assert (empty.stdout, empty.stderr) == ("", "no package meets all of these conditions\n")


def test_json() -> None:
    content = (PEERS / "syft.json").read_bytes()
    document = json.loads(kubekeep("show", "-", "--type", "npm", "-f", "json", stdin=content).stdout)
    assert document["types"] == {"deb": 3, "npm": 2, "pypi": 2}
    assert document["subject"]["kind"] == "image"
    assert [package["purl"] for package in document["packages"]] == [
        "pkg:npm/%40babel/core@7.23.0",
        "pkg:npm/semver@6.3.1",
    ]
    assert document["packages"][1]["licences"] == ["ISC OR MIT"]
    assert document["complete"] is None


def change(tmp_path: Path) -> Path:
    """Return a file with one package added, one removed, one upgraded and one with another licence."""
    document = json.loads((PEERS / "trivy.cdx.json").read_text())
    components = {component["name"]: component for component in document["components"]}
    document["components"].remove(components["click"])
    document["components"].append({"type": "library", "name": "rack", "version": "3", "purl": "pkg:gem/rack@3"})
    components["tar"]["purl"] = components["tar"]["purl"].replace("tar@1.35", "tar@1.36")
    components["PyYAML"]["licenses"] = [{"license": {"id": "GPL-3.0-only"}}]
    path = tmp_path / "new.cdx.json"
    path.write_text(json.dumps(document))
    return path


def test_diff(tmp_path: Path) -> None:
    old, new = PEERS / "trivy.cdx.json", change(tmp_path)
    result = kubekeep("diff", old, new)
    lines = result.stdout.splitlines()
    assert "  gem       rack  3" in lines
    assert "  pypi      click  8.1.7  BSD-3-Clause" in lines
    assert "  deb       tar  1.35+dfsg-3.1 → 1.36+dfsg-3.1" in lines
    assert "  pypi      pyyaml  6.0.2  + GPL-3.0-only  - MIT" in lines
    assert "1 added, 1 removed, 1 upgraded, 1 with other licences, 4 unchanged" in result.stdout
    document = json.loads(kubekeep("diff", old, new, "-f", "json").stdout)
    assert [(entry["change"], entry["name"]) for entry in document["changes"]] == [
        ("upgraded", "tar"),
        ("added", "rack"),
        ("removed", "click"),
        ("licence", "pyyaml"),
    ]
    output = tmp_path / "comment.md"
    kubekeep("diff", old, new, "-f", "markdown", "-o", output)
    assert "### Upgraded\n" in output.read_text()


def test_gate(tmp_path: Path) -> None:
    old = PEERS / "trivy.cdx.json"
    assert "gate FAILED: 4 differences" in kubekeep("diff", old, change(tmp_path), "--fail-on-change", code=1).stderr
    kubekeep("diff", old, PEERS / "trivy.spdx", "--fail-on-change")


def test_markdown_cannot_link(tmp_path: Path) -> None:
    document = {"bomFormat": "CycloneDX", "components": [{"name": "[x](http://y) @all | `a`", "version": "<b>\n# 1"}]}
    path = tmp_path / "x.json"
    path.write_text(json.dumps(document))
    output = kubekeep("diff", PEERS / "trivy.cdx.json", path, "-f", "markdown").stdout
    (row,) = (line for line in output.splitlines() if line.startswith("| other"))
    assert not set("[]()<>@`#") & set(row.replace("&#", "")) - {"#"}
    assert row.count("|") == 5


def test_merge_and_conversion(tmp_path: Path) -> None:
    merged, converted = tmp_path / "merged.cdx.json", tmp_path / "merged.spdx"
    result = kubekeep("merge", PEERS / "syft.cdx.json", PEERS / "cdxgen.cdx.json", "--name", "shop", "-o", merged)
    assert result.stderr.splitlines()[0].endswith("cdxgen.cdx.json: not copied: annotations")
    first = merged.read_bytes()
    kubekeep("merge", PEERS / "syft.cdx.json", PEERS / "cdxgen.cdx.json", "--name", "shop", "-o", merged)
    assert merged.read_bytes() == first
    kubekeep("merge", merged, "-f", "spdx-tag-value", "-o", converted)
    summary = kubekeep("show", converted).stdout
    assert "2 subjects\n  shop.tar  Debian GNU/Linux 13 (trixie), 7 packages\n  shop  3 packages\n" in summary
    kubekeep("diff", merged, converted, "--fail-on-change")
    piped = kubekeep("merge", "-", stdin=converted.read_bytes()).stdout
    assert json.loads(piped)["metadata"]["component"]["name"] == "shop"


def test_unreadable_files(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("{}")
    assert "x.json: not an SBOM: supported formats are CycloneDX JSON" in kubekeep("show", path, code=3).stderr
    kubekeep("show", tmp_path / "missing", code=2)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    assert "not a regular file" in kubekeep("show", fifo, code=3).stderr
    kubekeep("merge", PEERS / "trivy.spdx", "-o", tmp_path / "missing" / "x", code=3)
