"""Checks, completion and hovers of an open `kubekeep.yaml`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.lsp.client import Editor
from tests.lsp.samples import write_files


def complete(editor: Editor, path: Path, line: int, character: int) -> set[str]:
    position = {"line": line, "character": character}
    entries: list[dict[str, Any]] = editor.request(
        "textDocument/completion", {"textDocument": {"uri": path.as_uri()}, "position": position}
    )
    return {entry["label"] for entry in entries}


def test_completion(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("kubekeep.yaml", "fr\nframework: \n  - \nexclude-controls: [\nformat: \nsnapshot: \n")
        assert {"framework", "exceptions", "severity-threshold", "charts"} <= complete(editor, path, 0, 2)
        assert {"nsa", "pss-restricted"} <= complete(editor, path, 1, 11)
        assert {"nsa", "pss-restricted"} <= complete(editor, path, 2, 4)
        assert "C-0057" in complete(editor, path, 3, 19)
        assert {"sarif", "json"} <= complete(editor, path, 4, 8)
        assert complete(editor, path, 5, 10) == {"true", "false"}
        manifest = editor.open("pod.yaml", "kind: \n")
        assert complete(editor, manifest, 0, 6) == set()


def test_hover(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("kubekeep.yaml", "cloud-provider: eks\n")
        assert "`eks`, `aks`, `gke`" in editor.hover(path, 0, 3)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("framwork: nsa\n", "did you mean framework?"),
        ("framework: [nsa, nsaa]\n", "did you mean nsa?"),
        ("exclude-controls: [C-9999]\n", "unknown control 'C-9999'"),
        ("format: sariff\n", "unknown format 'sariff'"),
        ("snapshot: 3\n", "true or false expected, found a number"),
        ("kubernetes-version: 1.30\n", "text expected, found a number"),
        ("cloud-provider: other\n", "none of eks, aks, gke"),
        ("framework: nsa\nframework: mitre\n", "duplicate key"),
        ("framework: [\n", "did not find"),
        ("- framework\n", "keys and values expected"),
    ],
)
def test_problems_have_their_place(tmp_path: Path, checked: Editor, text: str, message: str) -> None:
    del tmp_path
    path = checked.folder / "kubekeep.yaml"
    if path not in checked.versions:
        checked.open("kubekeep.yaml", "framework: nsa\n")
        assert checked.diagnostics(path) == []
    checked.change(path, text)
    (problem,) = checked.diagnostics(path)
    assert message in problem["message"]
    assert problem["severity"] == 1


@pytest.fixture(scope="module")
def checked(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Yield an editor for many texts."""
    folder = write_files(tmp_path_factory.mktemp("checked"), {"kubekeep.yaml": "framework: nsa\n"})
    with Editor(folder, options={"debounce": 0}) as editor:
        yield editor


def test_error_of_the_saved_file_has_its_place(tmp_path: Path) -> None:
    files = {"kubekeep.yaml": "framework: nsa\noutput: report.json\n"}
    with Editor(write_files(tmp_path, files)) as editor:
        path = editor.open("kubekeep.yaml")
        (problem,) = editor.diagnostics(path)
        assert "allowed only in a file named with --config" in problem["message"]
        assert problem["range"]["start"]["line"] == 1
