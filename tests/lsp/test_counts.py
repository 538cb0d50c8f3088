"""One count of findings: the lens, the data of the diagnostics (which the VS Code view counts), and reports agree."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest

from kubekeep import scan
from tests.lsp.client import Editor

SHOP: Final = Path(__file__).parents[2] / "examples" / "online-shop"
ONE: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: debug, namespace: shop}
spec:
  containers:
    - {name: one, image: "registry.example.com/one:1.0", securityContext: {privileged: true}}
    - {name: two, image: "registry.example.com/two:1.0", securityContext: {privileged: true}}
"""


def count_in_lens(editor: Editor, path: Path) -> int:
    return sum(map(int, re.findall(r"(\d+) (?:critical|high|medium|low)", editor.lenses(path)[0][1])))


def list_ids(diagnostics: list[dict[str, Any]]) -> set[str]:
    return {finding["id"] for each in diagnostics if "code" in each for finding in each["data"]["findings"]}


@pytest.mark.parametrize(
    "name", ["catalog/catalog.yaml", "checkout/cart.yaml", "operations/debug-pod.yaml", "operations/rbac.yaml"]
)
def test_counts_of_a_file_agree(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "shop"
    shutil.copytree(SHOP, folder)
    report = scan(folder)
    in_report = [each for each in report.findings if each.location is not None and each.location.file.endswith(name)]
    with Editor(folder) as editor:
        path = editor.open(name)
        ids, in_lens = list_ids(editor.diagnostics(path)), count_in_lens(editor, path)
    assert len(ids) == in_lens == len(in_report) > 0


def test_counts_of_a_file_alone_agree_with_its_scan(tmp_path: Path) -> None:
    (tmp_path / "pod.yaml").write_text(ONE, encoding="utf-8")
    report = scan(tmp_path / "pod.yaml")
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml")
        diagnostics = editor.diagnostics(path)
        assert len(list_ids(diagnostics)) == count_in_lens(editor, path) == len(report.findings)
        # Two containers, and controls that overlap: neither is one diagnostic for each finding.
        assert len(diagnostics) != len(report.findings)
        levels = re.findall(r"(\d+) (\w+)", editor.lenses(path)[0][1].split(" · ")[0])
        by_id = {each["id"]: each["priority"] for entry in diagnostics for each in entry["data"]["findings"]}
        assert {level: int(number) for number, level in levels} == {
            level: list(by_id.values()).count(level) for level in set(by_id.values())
        }
