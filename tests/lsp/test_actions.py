"""Code actions, applied as an editor does and evaluated again."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Final

import pytest

from kubekeep.lsp.actions import _create_title, _list_numbers
from tests.lsp.client import PUSH, Editor
from tests.lsp.samples import POD, find_line, write_chart, write_files

LINE = find_line(POD, "privileged")


def choose(actions: list[dict[str, Any]], title: str) -> dict[str, Any]:
    return next(action for action in actions if action["title"].startswith(title))


def test_fix_of_one_finding(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD)
        assert "C-0057" in editor.codes(path)
        action = choose(editor.actions(path, LINE), "Fix C-0057")
        assert action["kind"] == "quickfix"
        assert {each["code"] for each in action["diagnostics"]} >= {"C-0057"}
        editor.apply(action)
        assert editor.texts[path] == POD.replace("privileged: true", "privileged: false")
        assert "C-0057" not in editor.codes(path)


def test_fix_of_a_missing_field_after_wide_characters(tmp_path: Path) -> None:
    text = POD.replace("name: shell", 'name: shell # 🚀 "tools"').replace("privileged: true", "runAsUser: 1 # 🚀🚀")
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", text)
        assert "C-0016" in editor.codes(path)
        line = find_line(text, "securityContext")
        editor.apply(choose(editor.actions(path, line), "Fix C-0016"))
        assert "C-0016" not in editor.codes(path)
        assert editor.texts[path].count("🚀") == 3


def test_fix_all_makes_only_changes_without_risks(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD.replace("privileged: true", "runAsUser: 5"))
        before = editor.codes(path)
        (action,) = editor.actions(path, 0, ["source.fixAll"])
        assert action["kind"] == "source.fixAll.kubekeep"
        editor.apply(action)
        after = editor.codes(path)
        assert after < before
        assert "allowPrivilegeEscalation: false" in editor.texts[path]
        assert "readOnlyRootFilesystem" not in editor.texts[path]
        assert editor.actions(path, 0, ["source.fixAll.kubekeep"]) == []


def test_suppression_comment(tmp_path: Path) -> None:
    options = {"debounce": 0, "suppression": {"reason": "debug tools", "days": 30}}
    with Editor(tmp_path, options=options) as editor:
        path = editor.open("pod.yaml", POD)
        editor.apply(choose(editor.actions(path, LINE), "Suppress C-0057"))
        comment = r"privileged: true # kubekeep:ignore C-0057 until=\d{4}-\d\d-\d\d reason=debug tools$"
        assert re.search(comment, editor.texts[path], re.MULTILINE)
        codes = editor.codes(path)
        assert "C-0057" not in codes
        assert "C-0016" in codes
        editor.apply(choose(editor.actions(path, LINE), "Suppress C-0016"))
        assert "C-0016" not in {
            each["code"] for each in editor.diagnostics(path) if "privileged is true" in each["message"]
        }
        assert not [each for each in editor.diagnostics(path) if "code" not in each]


@pytest.mark.parametrize("name", ["exceptions.yaml", "exceptions.json"])
def test_exception(tmp_path: Path, name: str) -> None:
    files = {"kubekeep.yaml": f"framework: nsa\nexceptions: {name}\n", name: "[]\n"}
    with Editor(write_files(tmp_path, files)) as editor:
        path = editor.open("pod.yaml", POD)
        assert "C-0057" in editor.codes(path)
        editor.apply(choose(editor.actions(path, LINE), "Add an exception for C-0057"))
        assert "C-0057" in (tmp_path / name).read_text()
        editor.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})
        editor.wait_for_codes(path, lambda codes: "C-0057" not in codes)


def test_exception_without_a_file_is_disabled(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD)
        action = choose(editor.actions(path, LINE), "Add an exception")
        assert "exceptions" in action["disabled"]["reason"]
        assert "edit" not in action


CREATE: Final = {**PUSH, "workspace": {"workspaceEdit": {"documentChanges": True, "resourceOperations": ["create"]}}}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("kubekeep.yaml", None),
        ("kubekeep.yaml", ""),
        ("kubekeep.yaml", "# settings"),
        ("kubekeep.yaml", "framework: nsa # as agreed\n"),
        ("kubekeep.yaml", "exceptions: []\n"),
        (".kubekeep.yaml", "framework: nsa"),
        ("kubekeep.yml", "{framework: nsa}\n"),
    ],
)
def test_exception_creates_its_file(tmp_path: Path, name: str, text: str | None) -> None:
    write_files(tmp_path, {"shop/other.yaml": "a: 1\n"} if text is None else {name: text})
    with Editor(tmp_path, capabilities=CREATE) as editor:
        path = editor.open("shop/pod.yaml", POD)
        assert "C-0057" in editor.codes(path)
        action = choose(editor.actions(path, LINE), "Add an exception for C-0057")
        created = [change["uri"] for change in action["edit"]["documentChanges"] if change.get("kind") == "create"]
        missing = ["kubekeep-exceptions.yaml", *([name] if text is None else [])]
        assert created == [(tmp_path / each).as_uri() for each in missing]
        editor.apply(action)
        configuration = (tmp_path / name).read_text()
        assert (text or "").split("\n")[0].strip("{}").removeprefix("exceptions:").removesuffix(" []") in configuration
        assert "exceptions: kubekeep-exceptions.yaml" in configuration
        assert "C-0057" in (tmp_path / "kubekeep-exceptions.yaml").read_text()
        editor.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})
        editor.wait_for_codes(path, lambda codes: "C-0057" not in codes)
        # The next exception goes into the same file.
        editor.apply(choose(editor.actions(path, LINE), "Add an exception for C-0016"))
        assert (tmp_path / name).read_text() == configuration
    assert "C-0016" in (tmp_path / "kubekeep-exceptions.yaml").read_text()


def test_exception_in_a_repository_below_the_workspace(tmp_path: Path) -> None:
    (tmp_path / "shop" / ".git").mkdir(parents=True)
    (tmp_path / "shop" / "web").mkdir()
    with Editor(tmp_path, capabilities=CREATE) as editor:
        path = editor.open("shop/web/pod.yaml", POD)
        assert "C-0057" in editor.codes(path)
        editor.apply(choose(editor.actions(path, LINE), "Add an exception for C-0057"))
        assert (tmp_path / "shop" / "kubekeep.yaml").exists()
        editor.notify("textDocument/didSave", {"textDocument": {"uri": path.as_uri()}})
        editor.wait_for_codes(path, lambda codes: "C-0057" not in codes)


def test_exception_outside_of_a_workspace_creates_no_file(tmp_path: Path) -> None:
    with Editor(tmp_path, capabilities=CREATE, folders=()) as editor:
        path = editor.open("pod.yaml", POD)
        assert "disabled" in choose(editor.actions(path, LINE), "Add an exception")


def test_actions_belong_to_the_newest_text(tmp_path: Path) -> None:
    with Editor(tmp_path, options={"debounce": 500}) as editor:
        path = editor.open("pod.yaml", POD)
        editor.change(path, f"# a new line\n{POD}")
        action = choose(editor.actions(path, LINE + 1), "Fix C-0057")
        change = action["edit"]["documentChanges"][0]
        assert change["textDocument"]["version"] == 2
        assert change["edits"][0]["range"]["start"]["line"] == LINE + 1
        number = editor.send_request(
            "textDocument/codeAction",
            {
                "textDocument": {"uri": path.as_uri()},
                "range": {"start": {"line": 0, "character": 0}, "end": {"line": 99, "character": 0}},
                "context": {"diagnostics": []},
            },
        )
        editor.change(path, POD)
        versions = {
            change["textDocument"]["version"]
            for action in editor.wait_for_answer(number)
            for change in action.get("edit", {}).get("documentChanges", ())
        }
        # Either none, or edits that the editor rejects by their version.
        assert versions <= {2, 3}


def test_fix_of_a_template_changes_the_values_file(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path)) as editor:
        values, template = editor.open("web/values.yaml"), editor.open("web/templates/pod.yaml", language="helm")
        line = find_line(editor.texts[template], "hostNetwork")
        assert "C-0041" in editor.codes(template)
        assert "C-0041" in editor.codes(values)
        editor.apply(choose(editor.actions(template, line), "Fix C-0041"))
        assert "hostNetwork: true" not in editor.texts[values]
        editor.wait_for_codes(template, lambda codes: "C-0041" not in codes)
        editor.wait_for_codes(values, lambda codes: "C-0041" not in codes)


def test_comment_in_a_template(tmp_path: Path) -> None:
    with Editor(write_chart(tmp_path)) as editor:
        template = editor.open("web/templates/pod.yaml", language="helm")
        line = find_line(editor.texts[template], "hostNetwork")
        editor.apply(choose(editor.actions(template, line), "Suppress C-0041"))
        assert "}} # kubekeep:ignore C-0041" in editor.texts[template]
        assert "C-0041" not in editor.codes(template)


RISKY: Final = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: a-deployment-with-a-name-that-is-long, namespace: a-namespace-with-a-name-that-is-long}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      hostNetwork: true
      containers:
        - name: web
          image: registry.example.com/web:1.0
          ports: [{containerPort: 80, hostPort: 80}]
          securityContext:
            capabilities: {add: [NET_ADMIN, SYS_ADMIN]}
            runAsUser: 0
"""
RISK: Final = "the program fails if it writes to its root file system"


def list_actions(editor: Editor, path: Path) -> list[dict[str, Any]]:
    return [action for line in range(len(editor.texts[path].splitlines())) for action in editor.actions(path, line)]


def test_titles_are_short_and_keep_the_mark_of_a_risk(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("web.yaml", RISKY)
        editor.codes(path)
        titles = {action["title"] for action in list_actions(editor, path)}
    assert max(map(len, titles)) <= 80
    assert "Fix C-0017: add securityContext.readOnlyRootFilesystem: true (check first)" in titles
    fixes = {title for title in titles if title.startswith("Fix ")}
    assert {title for title in fixes if "check first" in title} == {
        title for title in fixes if title.endswith(" (check first)")
    }
    assert all(re.search(r", until \d{4}-\d\d-\d\d$", title) for title in titles - fixes)


def test_titles_of_many_controls_with_long_numbers() -> None:
    assert _list_numbers([f"C-{number:04}" for number in range(9)]) == "C-0000, C-0001, C-0002 and 6 more"
    assert _list_numbers(["C-0001", "C-0002"]) == "C-0001, C-0002"
    assert len(_list_numbers(["x" * 90])) == 40
    title = _create_title("Fix C-0001: ", f"set {'x' * 90} to true", " (check first)", "x" * 90)
    assert len(title) == 80
    assert title.endswith("... (check first)")


def test_risk_is_in_the_hover_and_needs_confirmation(tmp_path: Path) -> None:
    support = {"documentChanges": True, "changeAnnotationSupport": {"groupsOnLabel": True}}
    capabilities = {**PUSH, "workspace": {"workspaceEdit": support}}
    with Editor(tmp_path, capabilities=capabilities) as editor:
        path = editor.open("web.yaml", RISKY)
        editor.codes(path)
        action = next(each for each in list_actions(editor, path) if each["title"].startswith("Fix C-0017"))
        line = action["diagnostics"][0]["range"]["start"]
        assert RISK in editor.hover(path, line["line"], line["character"])
        (annotation,) = action["edit"]["changeAnnotations"].items()
        assert annotation[1]["needsConfirmation"]
        assert RISK in annotation[1]["description"]
        edits = [edit for change in action["edit"]["documentChanges"] for edit in change["edits"]]
        assert {edit["annotationId"] for edit in edits} == {annotation[0]}
        harmless = next(each for each in list_actions(editor, path) if each["title"].startswith("Fix C-0016"))
        assert "changeAnnotations" not in harmless["edit"]
        editor.apply(action)
        assert "C-0017" not in editor.codes(path)


def test_client_without_annotations_gets_plain_edits(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("web.yaml", RISKY)
        editor.codes(path)
        action = next(each for each in list_actions(editor, path) if each["title"].startswith("Fix C-0017"))
        assert "changeAnnotations" not in action["edit"]
        assert all("annotationId" not in edit for each in action["edit"]["documentChanges"] for edit in each["edits"])
