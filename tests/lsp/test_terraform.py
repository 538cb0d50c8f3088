"""Diagnostics of Terraform modules: their exact lines, unsaved texts, child modules, and the missing package."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.lsp.client import PULL, WITHOUT_PACKAGES, Editor
from tests.lsp.samples import find_line, write_files

POD: Final = """\
resource "kubernetes_pod" "debug" {
  metadata {
    name      = "debug"
    namespace = "shop"
  }
  spec {
    container {
      name  = "shell"
      image = "registry.example.com/shell:1.0"
      security_context {
        privileged = true
      }
    }
  }
}
"""
HARDENED: Final = POD.replace("privileged = true", "privileged = false")
CHILD: Final = """\
variable "privileged" {
  type = bool
}
""" + POD.replace("privileged = true", "privileged = var.privileged")
CALL: Final = """\
module "debug" {
  source     = "./modules/debug"
  privileged = true
}
"""
OBJECT: Final = {
    "resource": {
        "kubernetes_pod": {
            "debug": {
                "metadata": {"name": "debug", "namespace": "shop"},
                "spec": {
                    "container": {
                        "name": "shell",
                        "image": "registry.example.com/shell:1.0",
                        "security_context": {"privileged": True},
                    }
                },
            }
        }
    }
}
PRIVILEGED: Final = "C-0057"


def list_lines(diagnostics: list[dict[str, Any]]) -> list[int]:
    return [each["range"]["start"]["line"] for each in diagnostics if each.get("code") == PRIVILEGED]


@pytest.mark.parametrize(
    ("name", "language"), [("main.tf", "terraform"), ("main.tofu", "opentofu"), ("infra/pods.tf", "plaintext")]
)
def test_diagnostics_follow_the_unsaved_text(tmp_path: Path, name: str, language: str) -> None:
    with Editor(write_files(tmp_path, {name: HARDENED})) as editor:
        path = editor.open(name, language=language)
        assert PRIVILEGED not in editor.codes(path)
        assert "C-0017" in editor.codes(path)
        editor.change(path, f"# a new line\n{POD}")
        assert list_lines(editor.diagnostics(path)) == [find_line(POD, "privileged") + 1]
        editor.change(path, HARDENED)
        assert list_lines(editor.diagnostics(path)) == []
        assert path.read_text() == HARDENED


def test_json_syntax(tmp_path: Path) -> None:
    text = json.dumps(OBJECT, indent=2)
    with Editor(write_files(tmp_path, {"main.tf.json": text.replace("true", "false")})) as editor:
        path = editor.open("main.tf.json", language="json")
        assert PRIVILEGED not in editor.codes(path)
        editor.change(path, text)
        assert list_lines(editor.diagnostics(path)) == [find_line(text, "privileged")]


def test_file_that_is_not_saved_yet(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("new.tf", POD, language="terraform")
        assert list_lines(editor.diagnostics(path)) == [find_line(POD, "privileged")]


def test_file_outside_of_the_workspace(tmp_path: Path) -> None:
    with Editor(tmp_path, folders=()) as editor:
        path = editor.open("main.tf", POD, language="terraform")
        assert list_lines(editor.diagnostics(path)) == [find_line(POD, "privileged")]


def test_file_of_a_second_folder(tmp_path: Path) -> None:
    write_files(tmp_path, {"one/pod.yaml": "a: 1\n", "second/infra/main.tf": POD})
    with Editor(tmp_path, folders=(tmp_path / "one", tmp_path / "second")) as editor:
        path = editor.open("second/infra/main.tf", language="terraform")
        assert list_lines(editor.diagnostics(path)) == [find_line(POD, "privileged")]


def test_child_module_has_the_values_of_its_callers(tmp_path: Path) -> None:
    files = {"main.tf": CALL, "modules/debug/main.tf": CHILD, "other/main.tf": HARDENED}
    with Editor(write_files(tmp_path, files)) as editor:
        call, child = editor.open("main.tf", language="terraform"), editor.open("modules/debug/main.tf")
        located = {path: list_lines(editor.diagnostics(path)) for path in (call, child)}
        assert any(located.values())
        editor.change(call, CALL.replace("true", "false"))
        start = editor.synchronise()
        for path in (call, child):
            editor.wait_for_codes(path, lambda codes: PRIVILEGED not in codes)
        assert not any(list_published_lines(editor, path, start) for path in (call, child))
        editor.close(call)
        # The saved text is evaluated again.
        editor.wait_for_codes(child, lambda codes: (PRIVILEGED in codes) == bool(located[child]))


def list_published_lines(editor: Editor, path: Path, start: int) -> list[int]:
    """Return the lines of the control in all diagnostics of a file after `start` notifications."""
    return [
        line
        for message in editor.notifications[start:]
        if message["method"] == "textDocument/publishDiagnostics" and message["params"]["uri"] == path.as_uri()
        for line in list_lines(message["params"]["diagnostics"])
    ]


def test_no_result_of_an_earlier_caller_is_published(tmp_path: Path) -> None:
    """Change the caller while its module is evaluated, whose own version stays the same.

    Once the server has a change, it publishes nothing that rests on the text before it.
    """
    files = {"main.tf": CALL, "modules/debug/main.tf": CHILD}
    with Editor(write_files(tmp_path, files), options={"debounce": 0}) as editor:
        call, child = editor.open("main.tf", language="terraform"), editor.open("modules/debug/main.tf")
        editor.diagnostics(child)
        for _ in range(10):
            editor.change(call, CALL)
            editor.synchronise()
            editor.change(call, CALL.replace("true", "false"))
            start = editor.synchronise()
            for path in (call, child):
                editor.wait_for_codes(path, lambda codes: PRIVILEGED not in codes)
            assert not any(list_published_lines(editor, path, start) for path in (call, child))


def test_values_file(tmp_path: Path) -> None:
    values = "privileged = true\n"
    with Editor(write_files(tmp_path, {"main.tf": CHILD, "terraform.tfvars": values})) as editor:
        main, path = editor.open("main.tf"), editor.open("terraform.tfvars", language="terraform-vars")
        assert PRIVILEGED in editor.codes(main) | editor.codes(path)
        editor.change(path, values.replace("true", "false"))
        editor.wait_for_codes(main, lambda codes: PRIVILEGED not in codes)
        editor.wait_for_codes(path, lambda codes: PRIVILEGED not in codes)


def test_suppression_comment(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("main.tf", POD, language="terraform")
        line = find_line(POD, "privileged")
        assert PRIVILEGED in editor.codes(path)
        editor.apply(
            next(each for each in editor.actions(path, line) if each["title"].startswith(f"Suppress {PRIVILEGED}"))
        )
        assert f"# kubekeep:ignore {PRIVILEGED}" in editor.texts[path]
        assert PRIVILEGED not in editor.codes(path)


def test_syntax_error_is_at_its_line(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("main.tf", 'resource "kubernetes_pod" "debug" {\n  metadata {\n    name = \n  }\n}\n')
        (problem,) = editor.diagnostics(path)
        assert problem["range"]["start"]["line"] in (2, 3)
        assert problem["severity"] == 1


def test_value_that_only_terraform_knows_is_no_error(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("main.tf", CHILD)
        problems = [each for each in editor.diagnostics(path) if "code" not in each]
        assert [each["severity"] for each in problems] == [3]
        assert "not known before apply" in problems[0]["message"]


def test_workspace_diagnostics(tmp_path: Path) -> None:
    with Editor(write_files(tmp_path, {"main.tf": POD}), capabilities=PULL) as editor:
        (report,) = editor.request("workspace/diagnostic", {"previousResultIds": []})["items"]
        assert report["uri"] == (tmp_path / "main.tf").as_uri()
        assert list_lines(report["items"]) == [find_line(POD, "privileged")]


def test_missing_package_is_one_problem(tmp_path: Path) -> None:
    command = (sys.executable, "-c", WITHOUT_PACKAGES, "hcl2,hcl2.parser")
    with Editor(write_files(tmp_path, {"main.tf": POD, "variables.tf": CHILD}), command=command) as editor:
        for path in (editor.open("main.tf"), editor.open("variables.tf")):
            (problem,) = editor.diagnostics(path)
            assert "pip install 'kubekeep[terraform]'" in problem["message"]
            assert problem["severity"] == 3
