"""`.helmignore` rules leave out exactly the files that Helm leaves out."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from kubekeep.sources.helm.files import HelmIgnore
from tests.sources.helm.reading import as_json, read_chart, render_plain, write_chart

FILES = ("a.txt", "b.txt", "x/a.txt", "x/y/a.txt", "x/y/b.md", "build/o", "x/build/o", "[a].txt", "a^b", "!n", "é.txt")
RULES = (
    "*.txt",
    "x",
    "x/",
    "/a.txt",
    "x/a.txt",
    "x/*",
    "x/*/a.txt",
    "build/",
    "/build/",
    "?.txt",
    "[ab].txt",
    "[^a].txt",
    r"\[a\].txt",
    "[b-a]*",
    "[^b-a]*",
    "[a-c]*",
    "a[*^]b",
    "!*.txt",
    "!templates/",
    "# a.txt",
    "  a.txt  ",
    "\\!n",
    "*",
)
TEMPLATE = """apiVersion: v1
kind: ConfigMap
metadata: {name: names}
data:
  names: {{ $n := list }}{{ range $k, $_ := .Files.Glob "**" }}{{ $n = append $n $k }}{{ end }}{{ $n | sortAlpha | toJson | quote }}
"""


@pytest.mark.parametrize("rule", RULES)
def test_ignored_files_equal_helm(rule: str, helm: str, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {name: name for name in FILES}
    folder = write_chart(tmp_path / "c", {**files, "templates/t.yaml": TEMPLATE, ".helmignore": f"{rule}\n"})
    printed = subprocess.run([helm, "template", folder], capture_output=True, check=False)

    resources, unread = read_chart(folder, helm)

    if printed.returncode == 0:
        assert unread == []
        assert as_json(resources) == render_plain(folder, helm)
    else:
        assert resources == []
        assert len(unread) == 1


@pytest.mark.parametrize("rule", ["a/**", "[a", "[]", "[^]", "[a-]*", "[-a]", "a\\"])
def test_invalid_patterns_are_rejected(rule: str, helm: str, tmp_path: Path) -> None:
    folder = write_chart(tmp_path / "c", {"templates/t.yaml": TEMPLATE, ".helmignore": f"{rule}\n"})
    assert subprocess.run([helm, "template", folder], capture_output=True, check=False).returncode == 1

    with pytest.raises(ValueError):
        HelmIgnore(rule)

    assert read_chart(folder, helm)[1][0].location.file == "c/.helmignore"
