"""Start and end of the server: exit codes, the process of the client, missing packages, no network, errors."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from kubekeep.lsp.launch import FileSettings, Launch
from kubekeep.lsp.session import Session
from tests.lsp.client import PUSH, TIMEOUT, WITHOUT_PACKAGES, Editor
from tests.lsp.samples import POD, write_chart

NO_NETWORK = """
import sys
def refuse(event, arguments):
    if event in ("socket.getaddrinfo", "socket.gethostbyname") or (
        event == "socket.connect" and isinstance(arguments[1], tuple)
    ):
        print("network used", event, file=sys.stderr)
        raise PermissionError(event)
sys.addaudithook(refuse)
from kubekeep.cli.main import main
main(["lsp"])
"""


def test_exit_after_shutdown(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        assert editor.end() == 0


def test_exit_without_shutdown(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        editor.notify("exit", None)
        assert editor.process.wait(TIMEOUT) == 1


def test_end_of_input_without_shutdown(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        assert editor.process.stdin is not None
        editor.process.stdin.close()
        assert editor.process.wait(TIMEOUT) == 1


def test_exit_with_the_process_of_the_client(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    with (
        subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as client,
        Editor(tmp_path, process_id=client.pid, environment={"TMPDIR": str(copies)}) as editor,
    ):
        assert editor.process.poll() is None
        assert list(copies.iterdir())
        client.communicate(b"\n")
        assert editor.process.wait(TIMEOUT) == 1
    assert not list(copies.iterdir())


def test_shutdown_during_an_evaluation(tmp_path: Path) -> None:
    copies = tmp_path / "copies"
    copies.mkdir()
    environment = {"TMPDIR": str(copies)}
    with Editor(write_chart(tmp_path / "work"), options={"debounce": 0}, environment=environment) as editor:
        editor.open("web/values.yaml")
        assert editor.end() == 0
    assert not list(copies.iterdir())


def test_missing_package_is_one_sentence() -> None:
    command = [sys.executable, "-c", WITHOUT_PACKAGES, "pygls"]
    result = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert result.returncode == 2, "as for the other extras"
    assert result.stdout == ""
    assert result.stderr.endswith("Error: pygls is not installed: pip install 'kubekeep[lsp]'\n")


def test_no_network_is_used(tmp_path: Path) -> None:
    command = (sys.executable, "-c", NO_NETWORK)
    with Editor(write_chart(tmp_path), command=command) as editor:
        pod = editor.open("pod.yaml", POD)
        assert editor.codes(pod)
        values = editor.open("web/values.yaml")
        assert editor.codes(values)
        assert editor.hover(pod, 10, 12)
        assert editor.actions(pod, 10)
        assert editor.end() == 0
        assert "network used" not in editor.standard_error


def test_files_are_watched_if_the_client_can(tmp_path: Path) -> None:
    workspace = {"didChangeWatchedFiles": {"dynamicRegistration": True}}
    with Editor(tmp_path, capabilities={**PUSH, "workspace": workspace}) as editor:
        message = editor.wait_for(lambda message: message["method"] == "client/registerCapability")
        (registration,) = message["params"]["registrations"]
        assert registration["method"] == "workspace/didChangeWatchedFiles"


def test_lenses(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        ingress = "apiVersion: networking.k8s.io/v1\nkind: Ingress\nmetadata: {name: web, namespace: shop}\n"
        path = editor.open("pods.yaml", f"{POD}---\n{ingress}spec: {{rules: [{{host: shop.example.com}}]}}\n")
        lenses = editor.lenses(path)
        assert lenses[0][0] == 0
        assert lenses[0][1].startswith("Kubekeep: 1 critical, ")
        assert "compliance" in lenses[0][1]
        assert lenses[1][0] == 0
        assert lenses[1][1].startswith("Pod shop/debug: 1 critical, ")
        assert lenses[2] == (POD.count("\n") + 1, "Ingress shop/web: 1 high")
        hardened = editor.open(
            "service.yaml", "apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a, namespace: b}\n"
        )
        assert [title for _, title in editor.lenses(hardened)] == ["Kubekeep: no findings · compliance 100 %"]
        assert editor.lenses(editor.open("other.yaml", "a: 1\n")) == []


def test_hover_explains_a_finding(tmp_path: Path) -> None:
    with Editor(tmp_path) as editor:
        path = editor.open("pod.yaml", POD)
        text = editor.hover(path, 10, 12)
        assert "C-0057" in text
        assert "`spec.containers[0].securityContext.privileged` is `true`" in text
        assert "**Remediation**" in text
        assert editor.hover(path, 0, 99) == ""


def test_error_in_an_evaluation_is_reported_once() -> None:
    reports: list[str] = []

    def read_settings(path: str, configuration: str) -> FileSettings:
        raise AssertionError(path, configuration)

    async def run() -> tuple[Any, Any]:
        session = Session(Launch({"properties": {}}, read_settings), lambda _: None, reports.append)
        values: dict[str, str] = {}
        results = [await session.run(lambda: values["secret"], "") for _ in range(3)]
        healthy = await session.run(lambda: "next", "")
        assert session.stop()
        return results, healthy

    assert asyncio.run(run()) == ([None, None, None], "next")
    (report,) = reports
    assert "KeyError" in report
    assert "secret" not in report


@pytest.mark.parametrize("length", ["9" * 5_000, "9" * 20, "1" + "0" * 15])
def test_length_with_too_many_digits_ends_the_connection(length: str) -> None:
    result = subprocess.run(
        [sys.executable, "-m", "kubekeep", "lsp"],
        input=f"Content-Length: {length}\r\n\r\n".encode(),
        capture_output=True,
        timeout=TIMEOUT,
        check=False,
    )
    assert (result.returncode, result.stderr) == (1, b"a message has an invalid length: the connection was closed\n")
