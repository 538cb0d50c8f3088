"""Diagnostics that the client requests, of documents and of the workspace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.lsp.client import PULL, Editor
from tests.lsp.samples import HARDENED, POD, write_chart, write_files


def pull(editor: Editor, path: Path, previous: str = "") -> dict[str, Any]:
    parameters = {"textDocument": {"uri": path.as_uri()}, **({"previousResultId": previous} if previous else {})}
    report: dict[str, Any] = editor.request("textDocument/diagnostic", parameters)
    return report


def pull_workspace(editor: Editor, previous: dict[str, str]) -> dict[str, dict[str, Any]]:
    ids = [{"uri": uri, "value": value} for uri, value in previous.items()]
    report = editor.request("workspace/diagnostic", {"previousResultIds": ids})
    return {entry["uri"]: entry for entry in report["items"]}


def list_codes(report: dict[str, Any]) -> set[str]:
    return {each.get("code", "") for each in report["items"]}


def test_document(tmp_path: Path) -> None:
    with Editor(tmp_path, capabilities=PULL) as editor:
        path = editor.open("pod.yaml", POD)
        report = pull(editor, path)
        assert report["kind"] == "full"
        assert "C-0057" in list_codes(report)
        assert pull(editor, path, report["resultId"]) == {"kind": "unchanged", "resultId": report["resultId"]}
        editor.change(path, HARDENED)
        changed = pull(editor, path, report["resultId"])
        assert "C-0057" not in list_codes(changed)
        # Diagnostics must not arrive twice.
        methods = {message["method"] for message in editor.notifications}
        assert "textDocument/publishDiagnostics" not in methods
        assert editor.end() == 0


def test_workspace(tmp_path: Path) -> None:
    write_chart(write_files(tmp_path, {"deploy/pod.yaml": POD, "deploy/broken.yaml": "kind: [\n"}))
    with Editor(tmp_path, capabilities=PULL) as editor:
        reports = pull_workspace(editor, {})
        pod, broken, values = (
            (tmp_path / name).as_uri() for name in ("deploy/pod.yaml", "deploy/broken.yaml", "web/values.yaml")
        )
        assert "C-0057" in list_codes(reports[pod])
        assert reports[broken]["items"][0]["severity"] == 1
        assert "C-0041" in list_codes(reports[values])
        previous = {uri: report["resultId"] for uri, report in reports.items()}
        waiting = editor.send_request(
            "workspace/diagnostic", {"previousResultIds": [{"uri": k, "value": v} for k, v in previous.items()]}
        )
        path = editor.open("deploy/pod.yaml", HARDENED)
        changed = {entry["uri"]: entry for entry in editor.wait_for_answer(waiting)["items"]}
        assert "C-0057" not in list_codes(changed[pod])
        assert changed[pod]["version"] == 1
        assert changed[broken]["kind"] == "unchanged"
        path.unlink()
        (tmp_path / "deploy/broken.yaml").unlink()
        editor.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": broken, "type": 3}]})
        after = pull_workspace(editor, {**previous, pod: changed[pod]["resultId"]})
        assert after[broken]["items"] == []


def test_change_in_one_of_several_folders_keeps_the_diagnostics_of_the_others(tmp_path: Path) -> None:
    folders = [write_files(tmp_path / name, {"pod.yaml": POD}) for name in ("first", "second", "third")]
    uris = [(folder / "pod.yaml").as_uri() for folder in folders]
    with Editor(folders[0], capabilities=PULL, folders=tuple(folders)) as editor:
        reports = pull_workspace(editor, {})
        assert all("C-0057" in list_codes(reports[uri]) for uri in uris)
        previous = {uri: report["resultId"] for uri, report in reports.items()}
        editor.open("pod.yaml", HARDENED)
        changed = pull_workspace(editor, previous)
        assert "C-0057" not in list_codes(changed[uris[0]])
        for uri in uris[1:]:
            assert changed[uri].get("items", reports[uri]["items"]) == reports[uri]["items"]
        assert [changed[uri]["kind"] for uri in uris[1:]] == ["unchanged", "unchanged"]
        # A folder that cannot be evaluated keeps its diagnostics.
        (folders[1] / ".kubekeep.yaml").write_text("unknown: 1\n")
        editor.notify("workspace/didChangeWatchedFiles", {"changes": [{"uri": uris[1], "type": 2}]})
        after = pull_workspace(editor, {**previous, uris[0]: changed[uris[0]]["resultId"]})
        assert after.get(uris[1], {"kind": "unchanged"})["kind"] == "unchanged"
        assert after[uris[2]]["kind"] == "unchanged"
        assert editor.end() == 0
