"""A client of the language server over its standard input and output, as an editor is one. Messages are plain JSON.

Every message of the server is converted with the types of the protocol, so that an invalid one is an error.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Final, Self

from lsprotocol import converters, types

TIMEOUT: Final = 30.0
COMMAND: Final = (sys.executable, "-m", "kubekeep", "lsp", "--stdio")
WITHOUT_PACKAGES: Final = """
import sys
sys.modules.update(dict.fromkeys(sys.argv.pop(1).split(",")))
# Programs beside the interpreter belong to packages.
sys.prefix = sys.exec_prefix = "/nonexistent"
from kubekeep.cli.main import main
main(["lsp"])
"""
"""A program that starts the server as if some packages were not installed."""
PUSH: Final[dict[str, Any]] = {
    "workspace": {"workspaceEdit": {"documentChanges": True}},
    "textDocument": {
        "publishDiagnostics": {"relatedInformation": True, "versionSupport": True},
        "codeAction": {"disabledSupport": True},
    },
}
"""Capabilities of a client to which diagnostics are published."""
PULL: Final[dict[str, Any]] = {**PUSH, "textDocument": {"diagnostic": {}}}
"""Capabilities of a client that requests diagnostics."""
_converter: Final = converters.get_converter()


class EditorError(Exception):
    """The server answered a request with an error."""


class Editor:
    """An editor with one workspace folder; a context manager that ends the server."""

    def __init__(
        self,
        folder: Path,
        *,
        capabilities: dict[str, Any] | None = None,
        options: dict[str, Any] | None = None,
        environment: dict[str, str] | None = None,
        command: tuple[str, ...] = COMMAND,
        process_id: int | None = None,
        validates: bool = True,
        folders: tuple[Path, ...] | None = None,
    ) -> None:
        """validates: convert every message with the types of the protocol, which a measurement should not include. folders: of the workspace; None for `folder`."""
        self.folder = folder
        self.notifications: list[dict[str, Any]] = []
        self._capabilities = PUSH if capabilities is None else capabilities
        self._options = {"debounce": 50} if options is None else options
        self._process_id = os.getpid() if process_id is None else process_id
        self._environment = {**os.environ, **(environment or {})}
        self._command = command
        self._validates = validates
        self._folders = (folder,) if folders is None else folders
        self._answers: dict[Any, dict[str, Any]] = {}
        self._preceding: dict[Any, int] = {}
        """The number of notifications before each answer."""
        self._arrival = threading.Condition()
        self._number = 0
        self.versions: dict[Path, int] = {}
        self.texts: dict[Path, str] = {}
        self.result: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self.process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=self._environment,
            cwd=self.folder,
        )
        self._errors: queue.Queue[bytes] = queue.Queue()
        threading.Thread(target=self._read, args=(self.process.stdout,), daemon=True).start()
        threading.Thread(target=self._read_errors, daemon=True).start()
        self.result = self.request(
            "initialize",
            {
                "processId": self._process_id,
                "rootUri": self.folder.as_uri() if self._folders else None,
                "workspaceFolders": [{"uri": folder.as_uri(), "name": folder.name} for folder in self._folders] or None,
                "capabilities": self._capabilities,
                "initializationOptions": self._options,
            },
        )
        self.notify("initialized", {})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()

    @property
    def standard_error(self) -> str:
        """The standard error so far."""
        return b"".join(self._errors.queue).decode()

    def end(self) -> int:
        """Shut the server down and return its exit code."""
        self.request("shutdown", None)
        self.notify("exit", None)
        return self.process.wait(TIMEOUT)

    def request(self, method: str, params: Any) -> Any:
        """Send a request and return the result. Raises EditorError for an error."""
        return self.wait_for_answer(self.send_request(method, params))

    def send_request(self, method: str, params: Any) -> int:
        """Send a request and return its number."""
        self._number += 1
        self._send({"jsonrpc": "2.0", "id": self._number, "method": method, "params": params})
        return self._number

    def wait_for_answer(self, number: int) -> Any:
        """Return the result of a request. Raises EditorError for an error."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: number in self._answers, TIMEOUT), self.standard_error
            answer = self._answers.pop(number)
        if "error" in answer:
            raise EditorError(answer["error"])
        return answer["result"]

    def wait_for_error(self, number: Any) -> dict[str, Any]:
        """Return the error that answers a request."""
        with self._arrival:
            assert self._arrival.wait_for(lambda: number in self._answers, TIMEOUT), self.standard_error
            error: dict[str, Any] = self._answers.pop(number)["error"]
        return error

    def notify(self, method: str, params: Any) -> None:
        """Send a notification."""
        self._send({"jsonrpc": "2.0", "method": method, "params": params})

    def open(self, name: str, text: str | None = None, language: str = "yaml") -> Path:
        """Open a file of the folder, with its text unless another is passed."""
        path = self.folder / name
        self.texts[path] = path.read_text(encoding="utf-8") if text is None else text
        self.versions[path] = 1
        document = {"uri": path.as_uri(), "languageId": language, "version": 1, "text": self.texts[path]}
        self.notify("textDocument/didOpen", {"textDocument": document})
        return path

    def change(self, path: Path, text: str) -> int:
        """Replace the text of an open document and return its version."""
        self.versions[path] += 1
        self.texts[path] = text
        document = {"uri": path.as_uri(), "version": self.versions[path]}
        self.notify("textDocument/didChange", {"textDocument": document, "contentChanges": [{"text": text}]})
        return self.versions[path]

    def close(self, path: Path) -> None:
        """Close a document."""
        del self.versions[path]
        self.notify("textDocument/didClose", {"textDocument": {"uri": path.as_uri()}})

    def wait_for(self, accepts: Callable[[dict[str, Any]], bool], timeout: float = TIMEOUT) -> dict[str, Any]:
        """Return the newest notification that `accepts` accepts, as soon as there is one."""

        def find() -> dict[str, Any] | None:
            return next((message for message in reversed(self.notifications) if accepts(message)), None)

        with self._arrival:
            assert self._arrival.wait_for(find, timeout), (self.notifications[-3:], self.standard_error)
            return find() or {}

    def diagnostics(self, path: Path) -> list[dict[str, Any]]:
        """Return the published diagnostics of the present version of a document."""
        version, uri = self.versions[path], path.as_uri()
        message = self.wait_for(
            lambda message: (
                message["method"] == "textDocument/publishDiagnostics"
                and (message["params"]["uri"], message["params"].get("version")) == (uri, version)
            )
        )
        diagnostics: list[dict[str, Any]] = message["params"]["diagnostics"]
        return diagnostics

    def synchronise(self) -> int:
        """Wait until the server has handled all messages so far; return the number of notifications before that."""
        number = self.send_request("kubekeep/unknown", None)
        self.wait_for_error(number)
        return self._preceding[number]

    def codes(self, path: Path) -> set[str]:
        """Return the numbers of the controls with a published diagnostic."""
        return {each["code"] for each in self.diagnostics(path) if "code" in each}

    def wait_for_codes(self, path: Path, accepts: Callable[[set[str]], bool]) -> set[str]:
        """Return the numbers of the controls as soon as `accepts` accepts them."""
        deadline = time.monotonic() + TIMEOUT
        while not accepts(codes := self.codes(path)):
            assert time.monotonic() < deadline, codes
            time.sleep(0.02)
        return codes

    def wait_for_messages(self, path: Path, accepts: Callable[[list[str]], bool]) -> None:
        """Return as soon as `accepts` accepts the messages of the published diagnostics."""
        deadline = time.monotonic() + TIMEOUT
        while not accepts(messages := [each["message"] for each in self.diagnostics(path)]):
            assert time.monotonic() < deadline, messages
            time.sleep(0.02)

    def actions(self, path: Path, line: int, only: list[str] | None = None) -> list[dict[str, Any]]:
        """Return the code actions of a line (from 0)."""
        area = {"start": {"line": line, "character": 0}, "end": {"line": line, "character": 200}}
        context = {"diagnostics": [], **({"only": only} if only else {})}
        parameters = {"textDocument": {"uri": path.as_uri()}, "range": area, "context": context}
        actions: list[dict[str, Any]] = self.request("textDocument/codeAction", parameters)
        return actions

    def apply(self, action: dict[str, Any]) -> None:
        """Apply the edit of a code action to open documents, and to the files of others."""
        for change in action["edit"]["documentChanges"]:
            if "kind" in change:
                continue
            path = Path(change["textDocument"]["uri"].removeprefix("file://"))
            version = change["textDocument"]["version"]
            if path in self.versions:
                assert version == self.versions[path]
                self.change(path, apply_edits(self.texts[path], change["edits"]))
            else:
                assert version is None
                text = path.read_text(encoding="utf-8") if path.exists() else ""
                path.write_text(apply_edits(text, change["edits"]), encoding="utf-8")

    def hover(self, path: Path, line: int, character: int) -> str:
        """Return the text of a hover; empty if there is none."""
        position = {"line": line, "character": character}
        hover = self.request("textDocument/hover", {"textDocument": {"uri": path.as_uri()}, "position": position})
        return str(hover["contents"]["value"]) if hover else ""

    def lenses(self, path: Path) -> list[tuple[int, str]]:
        """Return line and title of the code lenses."""
        lenses = self.request("textDocument/codeLens", {"textDocument": {"uri": path.as_uri()}})
        assert all(lens["command"]["command"] == "" for lens in lenses)
        return [(lens["range"]["start"]["line"], lens["command"]["title"]) for lens in lenses]

    def send_raw(self, content: bytes) -> None:
        """Send one message with this content, which need not be valid."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%b" % (len(content), content))
        self.process.stdin.flush()

    def _send(self, message: dict[str, Any]) -> None:
        self.send_raw(json.dumps(message).encode())

    def _read(self, stream: IO[bytes]) -> None:
        while header := stream.readline():
            length = int(header.split(b":")[1]) if header.lower().startswith(b"content-length") else 0
            while header.strip():
                header = stream.readline()
                if header.lower().startswith(b"content-length"):
                    length = int(header.split(b":")[1])
            self._receive(json.loads(stream.read(length)))

    def _receive(self, message: dict[str, Any]) -> None:
        if "method" in message and self._validates:
            kind = types.METHOD_TO_TYPES[message["method"]][0]
            _converter.structure(message, kind)
        with self._arrival:
            if "method" not in message:
                self._answers[message["id"]] = message
                self._preceding[message["id"]] = len(self.notifications)
            else:
                self.notifications.append(message)
            self._arrival.notify_all()
        if "method" in message and "id" in message:
            self._send({"jsonrpc": "2.0", "id": message["id"], "result": None})

    def _read_errors(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self._errors.put(line)


def apply_edits(text: str, edits: list[dict[str, Any]]) -> str:
    """Return a text with edits in UTF-16 positions applied."""
    units = text.encode("utf-16-le")
    for edit in sorted(edits, key=lambda edit: _index(text, edit["range"]["start"]), reverse=True):
        start, end = (_index(text, edit["range"][side]) for side in ("start", "end"))
        units = units[:start] + edit["newText"].encode("utf-16-le") + units[end:]
    return units.decode("utf-16-le")


def _index(text: str, position: dict[str, int]) -> int:
    """Return the index of a position in the bytes of UTF-16."""
    lines = text.split("\n")
    before = "".join(f"{line}\n" for line in lines[: position["line"]])
    line = lines[position["line"]] if position["line"] < len(lines) else ""
    return len(before.encode("utf-16-le")) + min(2 * position["character"], len(line.encode("utf-16-le")))
