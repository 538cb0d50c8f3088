"""Answers to invalid messages, sent to the process as raw frames of JSON-RPC. The server goes on after each."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.lsp.client import Editor
from tests.lsp.samples import POD

DOCUMENT: Final = {"uri": "file:///nowhere/pod.yaml"}
POSITION: Final = {"line": 0, "character": 0}
RANGE: Final = {"start": POSITION, "end": POSITION}
PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
UNKNOWN_METHOD: Final = -32601
INVALID_PARAMETERS: Final = -32602


@pytest.fixture(scope="module")
def editor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    with Editor(tmp_path_factory.mktemp("editor")) as editor:
        yield editor


def frame(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


def check_that_it_goes_on(editor: Editor) -> None:
    path = editor.folder / "pod.yaml"
    if path not in editor.versions:
        editor.open("pod.yaml", POD)
    assert "C-0057" in editor.codes(path)
    assert "C-0057" in editor.hover(path, 10, 12)


@pytest.mark.parametrize(
    ("method", "parameters", "field"),
    [
        ("textDocument/hover", {"textDocument": DOCUMENT}, "$.params.position"),
        ("textDocument/hover", {"position": POSITION}, "$.params.textDocument"),
        ("textDocument/hover", {"textDocument": "pod.yaml", "position": POSITION}, "$.params.textDocument"),
        ("textDocument/hover", {"textDocument": {"uri": 5}, "position": POSITION}, "$.params.textDocument.uri"),
        ("textDocument/hover", {"textDocument": {"uri": None}, "position": POSITION}, "$.params.textDocument.uri"),
        ("textDocument/hover", {"textDocument": DOCUMENT, "position": {"line": "0", "character": 0}}, "position.line"),
        ("textDocument/hover", {"textDocument": DOCUMENT, "position": {"line": 0.5, "character": 0}}, "position.line"),
        ("textDocument/hover", {"textDocument": DOCUMENT, "position": {"line": -1, "character": 0}}, "position"),
        ("textDocument/hover", [], "$.params"),
        ("textDocument/hover", None, "$.params"),
        ("textDocument/hover", 7, "$.params"),
        ("textDocument/codeAction", {"textDocument": DOCUMENT, "range": RANGE}, "$.params.context"),
        ("textDocument/codeAction", {"textDocument": DOCUMENT, "range": [], "context": {}}, "$.params.range"),
        ("textDocument/codeLens", {}, "$.params.textDocument"),
        ("textDocument/completion", {"textDocument": DOCUMENT}, "$.params.position"),
        ("textDocument/diagnostic", {"textDocument": {}}, "$.params.textDocument.uri"),
        ("workspace/diagnostic", {"previousResultIds": ["x"]}, "$.params.previousResultIds[0]"),
        ("workspace/executeCommand", {"arguments": []}, "$.params.command"),
    ],
)
def test_wrong_parameters_get_an_error(editor: Editor, method: str, parameters: Any, field: str) -> None:
    editor.send_raw(frame(id="wrong", method=method, params=parameters))
    error = editor.wait_for_error("wrong")
    assert error["code"] == INVALID_PARAMETERS
    assert error["message"].startswith(f"invalid parameters of {method}: ")
    assert field in error["message"]
    check_that_it_goes_on(editor)


def test_missing_parameters_get_an_error(editor: Editor) -> None:
    editor.send_raw(frame(id=7, method="textDocument/hover"))
    editor.send_raw(frame(id="7", method="textDocument/codeLens"))
    assert editor.wait_for_error(7)["code"] == INVALID_PARAMETERS
    assert editor.wait_for_error("7")["code"] == INVALID_PARAMETERS
    check_that_it_goes_on(editor)


@pytest.mark.parametrize("parameters", [{}, {"params": None}, {"params": {"a": 1}}, {"params": [1]}])
def test_unknown_methods_get_an_error(editor: Editor, parameters: dict[str, Any]) -> None:
    for method in ("kubekeep/nothing", "textDocument/rename", "$/nothing", ""):
        editor.send_raw(frame(id=method, method=method, **parameters))
        error = editor.wait_for_error(method)
        assert error == {"code": UNKNOWN_METHOD, "message": f"unknown method {method}"}
    check_that_it_goes_on(editor)


@pytest.mark.parametrize(
    "content",
    [
        b'{"jsonrpc": "1.0", "id": 7, "method": "textDocument/hover", "params": {}}',
        b'{"id": 7, "method": "textDocument/hover", "params": {}}',
        b'{"jsonrpc": "2.0", "id": 7}',
        b'{"jsonrpc": "2.0", "id": 7, "method": 5, "params": {}}',
        b'{"jsonrpc": "2.0", "id": 7, "method": null}',
    ],
)
def test_invalid_requests_get_an_error_with_their_number(editor: Editor, content: bytes) -> None:
    editor.send_raw(content)
    assert editor.wait_for_error(7)["code"] == INVALID_REQUEST
    check_that_it_goes_on(editor)


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b'{"jsonrpc": "2.0", "id": [7], "method": "textDocument/hover"}', INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": {"jsonrpc": "2.0"}, "method": "textDocument/hover"}', INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 7.5, "method": "textDocument/hover"}', INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": true, "method": "textDocument/hover"}', INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": null, "method": "textDocument/hover"}', INVALID_REQUEST),
        (b'[{"jsonrpc": "2.0", "id": 7, "method": "textDocument/hover"}]', INVALID_REQUEST),
        (b"null", INVALID_REQUEST),
        (b"7", INVALID_REQUEST),
        (b'{"jsonrpc": "2.0", "id": 7,', PARSE_ERROR),
        (b"\xff\xfe", PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
    ],
)
def test_messages_without_a_readable_number_get_an_error_without_one(editor: Editor, content: bytes, code: int) -> None:
    editor.send_raw(content)
    assert editor.wait_for_error(None)["code"] == code
    check_that_it_goes_on(editor)


def test_values_are_not_quoted(editor: Editor) -> None:
    parameters = {"textDocument": {"uri": DOCUMENT["uri"]}, "position": "password: hunter2"}
    editor.send_raw(frame(id=7, method="textDocument/hover", params=parameters))
    assert "hunter2" not in json.dumps(editor.wait_for_error(7))
    check_that_it_goes_on(editor)
    assert "hunter2" not in json.dumps(editor.notifications)


@pytest.mark.parametrize(
    ("method", "parameters"),
    [
        ("textDocument/didOpen", {"textDocument": DOCUMENT}),
        ("textDocument/didChange", {"textDocument": DOCUMENT, "contentChanges": 5}),
        ("textDocument/didClose", None),
        ("workspace/didChangeWatchedFiles", {"changes": [{"uri": 5, "type": 1}]}),
    ],
)
def test_wrong_notifications_are_logged(editor: Editor, method: str, parameters: Any) -> None:
    editor.send_raw(frame(method=method, params=parameters))
    text = f"a message was ignored: invalid parameters of {method}"
    editor.wait_for(
        lambda message: message["method"] == "window/logMessage" and message["params"]["message"].startswith(text)
    )
    check_that_it_goes_on(editor)


def test_unknown_notifications_and_answers_are_ignored(editor: Editor) -> None:
    editor.send_raw(frame(method="$/nothing", params={}))
    editor.send_raw(frame(method="$/cancelRequest", params={"id": 99}))
    editor.send_raw(frame(id=99, result=None))
    editor.send_raw(frame(id=[99], result=None))
    editor.send_raw(frame(id=99, error="no object"))
    check_that_it_goes_on(editor)


def test_objects_named_like_messages_are_values(editor: Editor) -> None:
    editor.notify("workspace/didChangeConfiguration", {"settings": {"jsonrpc": "2.0", "id": 1, "method": "exit"}})
    check_that_it_goes_on(editor)


def test_requests_after_shutdown_get_an_error(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.request("shutdown", None)
        editor.send_raw(frame(id="late", method="textDocument/codeLens", params={"textDocument": DOCUMENT}))
        assert editor.wait_for_error("late")["code"] == INVALID_REQUEST
        editor.notify("exit", None)
        assert editor.process.wait(120) == 0
