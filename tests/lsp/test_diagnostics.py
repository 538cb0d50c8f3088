"""Diagnostics while typing: their places, severity and sources, and versions that newer ones replace."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from tests.lsp.client import PUSH, Editor
from tests.lsp.samples import BINDING, HARDENED, POD, ROLE, find_line, write_files

PRIVILEGED = "C-0057"


def find(diagnostics: list[dict[str, Any]], code: str) -> dict[str, Any]:
    return next(each for each in diagnostics if each.get("code") == code)


def test_diagnostics_follow_the_unsaved_text(tmp_path: Path) -> None:
    with Editor(write_files(tmp_path, {"pod.yaml": HARDENED})) as editor:
        path = editor.open("pod.yaml")
        assert PRIVILEGED not in editor.codes(path)
        editor.change(path, POD)
        finding = find(editor.diagnostics(path), PRIVILEGED)
        line = find_line(POD, "privileged")
        assert finding["range"] == {"start": {"line": line, "character": 8}, "end": {"line": line, "character": 24}}
        assert finding["severity"] == 1
        assert finding["data"]["priority"] == "critical"
        assert finding["source"] == "kubekeep"
        assert "privileged is true" in finding["message"]
        assert finding["codeDescription"]["href"].endswith("/controls/privileged-container/")
        editor.change(path, HARDENED)
        assert PRIVILEGED not in editor.codes(path)
        editor.close(path)
        editor.wait_for(lambda message: message["params"] == {"uri": path.as_uri(), "diagnostics": []})
        assert path.read_text() == HARDENED
        assert editor.end() == 0
        assert not editor.standard_error


@pytest.mark.parametrize(
    ("encodings", "codec", "unit"),
    [(None, "utf-16-le", 2), (["utf-16"], "utf-16-le", 2), (["utf-8"], "utf-8", 1), (["utf-32"], "utf-32-le", 4)],
)
def test_columns_count_the_units_of_the_client(
    tmp_path: Path, encodings: list[str] | None, codec: str, unit: int
) -> None:
    text = (
        POD.replace("securityContext:\n        privileged", 'securityContext: {"🚀ä🚀": 1, privileged').rstrip() + "}\n"
    )
    general = {} if encodings is None else {"general": {"positionEncodings": encodings}}
    with Editor(tmp_path, capabilities={**PUSH, **general}) as editor:
        assert editor.result["capabilities"]["positionEncoding"] == (encodings or ["utf-16"])[0]
        area = find(editor.diagnostics(editor.open("pod.yaml", text)), PRIVILEGED)["range"]
        line = text.splitlines()[area["start"]["line"]].encode(codec)
        start, end = (area[side]["character"] * unit for side in ("start", "end"))
        assert line[start:end].decode(codec) == "privileged: true"


def test_input_that_was_not_read_is_a_diagnostic(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD)
        assert PRIVILEGED in editor.codes(path)
        editor.change(path, f"{POD}---\nkind: [\n")
        error = editor.diagnostics(path)[0]
        assert error["severity"] == 1
        assert error["range"]["start"]["line"] >= POD.count("\n")
        assert PRIVILEGED in editor.codes(path)
        editor.change(path, POD.replace("kind: Pod", "kind: Podd"))
        assert "did you mean Pod" in editor.diagnostics(path)[0]["message"]
        editor.change(path, POD.replace("privileged:", "privileeged:"))
        unknown = editor.diagnostics(path)[0]
        assert "privileeged" in unknown["message"]
        assert unknown["severity"] == 2
        assert unknown["range"]["start"]["line"] == find_line(POD, "privileged")


def test_settings_of_the_client(tmp_path: Path) -> None:
    with Editor(tmp_path, options={"debounce": 0, "minimumSeverity": "high"}) as editor:
        path = editor.open("pod.yaml", POD)
        severe = editor.codes(path)
        assert PRIVILEGED in severe
        editor.notify("workspace/didChangeConfiguration", {"settings": {"kubekeep": {"debounce": 0}}})
        everything = editor.wait_for_codes(path, lambda codes: len(codes) > len(severe))
        assert severe < everything
        settings = {"debounce": 0, "controls": ["C-0057", "C-0016"]}
        editor.notify("workspace/didChangeConfiguration", {"settings": {"kubekeep": settings}})
        editor.wait_for_codes(path, lambda codes: codes == {"C-0057", "C-0016"})
        others: list[Any] = [None, {}, {"yaml": {"schemas": {}}}]
        for unrelated in others:
            editor.notify("workspace/didChangeConfiguration", {"settings": unrelated})
        editor.change(path, f"{POD}# end\n")
        assert editor.codes(path) == {"C-0057", "C-0016"}
        settings = {"debounce": 0, "controls": ["C-9999"]}
        editor.notify("workspace/didChangeConfiguration", {"settings": {"kubekeep": settings}})
        editor.wait_for_codes(path, lambda codes: not codes)
        assert "unknown control 'C-9999'" in editor.diagnostics(path)[0]["message"]
        editor.notify("workspace/didChangeConfiguration", {"settings": {"kubekeep": {"debounse": 0}}})
        message = editor.wait_for(lambda message: message["method"] == "window/showMessage")
        assert "debounse" in message["params"]["message"]


def test_configuration_file_and_exceptions_are_followed(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD)
        assert len(editor.codes(path)) > 5

        def save(name: str, text: str) -> None:
            (tmp_path / name).write_text(text, encoding="utf-8")
            change = {"uri": (tmp_path / name).as_uri(), "type": 1}
            editor.notify("workspace/didChangeWatchedFiles", {"changes": [change]})

        save("kubekeep.yaml", "framework: pss-baseline\n")
        editor.wait_for_codes(path, lambda codes: codes == {"pss-privileged"})
        exception = "- name: debug\n  posturePolicies: [{controlID: pss-privileged}]\n  resources: [{attributes: {kind: Pod}}]\n"
        (tmp_path / "exceptions.yaml").write_text(f"{exception}  reason: only while we debug\n")
        save("kubekeep.yaml", "framework: pss-baseline\nexceptions: exceptions.yaml\n")
        editor.wait_for_codes(path, lambda codes: not codes)
        save("exceptions.yaml", "[]\n")
        editor.wait_for_codes(path, lambda codes: codes == {"pss-privileged"})
        comment = "# kubekeep:ignore pss-privileged reason=tools"
        editor.change(path, POD.replace("privileged: true", f"privileged: true {comment}"))
        editor.wait_for_codes(path, lambda codes: not codes)
        save("kubekeep.yaml", "framwork: pss-baseline\n")
        editor.wait_for(lambda message: "framwork" in str(message.get("params")))
        (problem,) = editor.diagnostics(path)
        assert "the configuration is not valid" in problem["message"]
        assert problem["relatedInformation"][0]["location"]["uri"].endswith("/kubekeep.yaml")


def test_facts_of_other_files_are_related(tmp_path: Path) -> None:
    with Editor(write_files(tmp_path, {"role.yaml": ROLE})) as editor:
        path = editor.open("binding.yaml", BINDING)
        editor.diagnostics(path)
        role = editor.open("role.yaml")
        secrets = find(editor.diagnostics(role), "C-0015")
        places = {Path(place["location"]["uri"]).name for place in secrets["relatedInformation"]}
        assert "binding.yaml" in places
        editor.change(path, BINDING.replace("name: reader}", "name: other}"))
        # The role is evaluated as one without a binding.
        editor.wait_for_messages(role, lambda messages: any("if bound, the role allows" in text for text in messages))
        alone = find(editor.diagnostics(role), "C-0015")
        assert "relatedInformation" not in alone
        assert alone["severity"] > secrets["severity"]


def test_replaced_versions_are_not_evaluated(tmp_path: Path) -> None:
    with Editor(tmp_path, options={"debounce": 100}) as editor:
        path = editor.open("pod.yaml", POD)
        editor.diagnostics(path)
        before = len(editor.notifications)
        for number in range(200):
            editor.change(path, POD.replace("debug", f"debug-{number}"))
        editor.change(path, HARDENED)
        assert PRIVILEGED not in editor.codes(path)
        time.sleep(0.3)
        published = [message["params"]["version"] for message in editor.notifications[before:]]
        assert published == sorted(published)
        assert published[-1] == 202
        assert len(published) < 100


def test_file_outside_of_a_workspace_is_evaluated_alone(tmp_path: Path) -> None:
    with Editor(write_files(tmp_path, {"role.yaml": ROLE}), folders=()) as editor:
        assert PRIVILEGED in editor.codes(editor.open("pod.yaml", POD))
        assert "C-0015" not in editor.codes(editor.open("binding.yaml", BINDING))


def test_changed_exclusions_are_read_again(tmp_path: Path) -> None:
    with Editor(write_files(tmp_path, {"generated/pod.yaml": POD})) as editor:
        path = editor.open("generated/pod.yaml")
        assert PRIVILEGED in editor.codes(path)
        write_files(tmp_path, {".kubekeepignore": "generated/\n"})
        change = {"uri": (tmp_path / ".kubekeepignore").as_uri(), "type": 1}
        editor.notify("workspace/didChangeWatchedFiles", {"changes": [change]})
        editor.wait_for_codes(path, lambda codes: not codes)


def test_other_yaml_has_no_findings(tmp_path: Path) -> None:
    files = {".kubekeepignore": "generated/\n", "generated/pod.yaml": POD}
    with Editor(write_files(tmp_path, files)) as editor:
        assert editor.diagnostics(editor.open("compose.yaml", "services:\n  web: {image: nginx}\n")) == []
        assert editor.diagnostics(editor.open("generated/pod.yaml")) == []
        assert editor.diagnostics(editor.open("empty.yaml", "")) == []


def test_dockerfile(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("Dockerfile", "FROM alpine:3.22\nUSER root\n")
        finding = find(editor.diagnostics(path), "image-root-user")
        assert finding["range"] == {"start": {"line": 1, "character": 5}, "end": {"line": 1, "character": 9}}
        editor.change(path, "FROM alpine:3.22\n# kubekeep:ignore image-root-user reason=drops root itself\nUSER root\n")
        assert "image-root-user" not in editor.codes(path)
        editor.change(path, "FROM alpine:3.22\nUSR root\n")
        (error,) = editor.diagnostics(path)
        assert "unknown instruction USR" in error["message"]
        assert error["range"]["start"]["line"] == 1
        editor.change(path, "FROM alpine:3.22\nUSER 7\n")
        assert editor.diagnostics(path) == []
