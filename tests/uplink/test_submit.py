"""`--submit` sends the results of a scan, and says so if it cannot."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from kubekeep.model.scanned_source import SourceRegistry, SourceRepository
from kubekeep.uplink.logins import LoginStore, StoredLogin
from kubekeep.uplink.spool import Spool
from tests.command_line import run_command_line
from tests.registry.service import run_registry
from tests.registry_scan.fleet import BASE, Fleet, python_package, write_layer
from tests.uplink.service import TOKEN, Handler, Service, serve

POD: Final = """\
apiVersion: v1
kind: Pod
metadata: {name: web, namespace: shop}
spec: {containers: [{name: web, image: nginx, securityContext: {privileged: true}}]}
"""
SBOM: Final = """\
{"bomFormat": "CycloneDX", "specVersion": "1.5",
 "components": [{"type": "library", "name": "lodash", "version": "4.17.0", "purl": "pkg:npm/lodash@4.17.0"}]}
"""
ABSENT: Final = "http://127.0.0.1:1"


@pytest.fixture
def service() -> Iterator[Service]:
    with serve() as running:
        yield running


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "state" / "kubekeep" / "unsent")


@pytest.fixture(autouse=True)
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to a repository with a pod, with the token of the tests in the environment, and return it."""
    folder = tmp_path / "web"
    folder.mkdir()
    (folder / "pod.yaml").write_text(POD)
    for arguments in (
        ("init", "--quiet", "--initial-branch", "main"),
        ("remote", "add", "origin", "https://github.com/shop/web"),
    ):
        subprocess.run(["git", *arguments], cwd=folder, check=True)
    monkeypatch.chdir(folder)
    for name in ("KUBEKEEP_SERVER", "KUBEKEEP_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KUBEKEEP_TOKEN", TOKEN)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return folder


def scan(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return run_command_line("scan", "control", "C-0057", ".", "--submit", *arguments)


def read_note(result: subprocess.CompletedProcess[str]) -> str:
    """Return the last line of the messages."""
    return result.stderr.splitlines()[-1]


def test_results_are_reported_and_sent(service: Service, spool: Spool) -> None:
    result = scan("--server", service.address, "--format", "json")
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("{")
    assert read_note(result) == f"Submitted to {service.address}: 2 opened, 1 closed"
    (document,) = service.documents
    assert document.source == SourceRepository("github.com/shop/web", (), "main")
    assert [finding.definition for entry in document.subjects for finding in entry.findings] == ["C-0057"]
    assert spool.list_unsent(service.address) == []
    assert TOKEN not in result.stdout + result.stderr


def test_gate_decides_the_exit_code(service: Service) -> None:
    result = scan("--server", service.address, "--severity-threshold", "high")
    assert result.returncode == 1
    assert len(service.documents) == 1


def test_login_and_variables_name_the_server(service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("KUBEKEEP_SERVER", service.address)
    assert scan().returncode == 0
    monkeypatch.delenv("KUBEKEEP_SERVER")
    monkeypatch.delenv("KUBEKEEP_TOKEN")
    result = scan()
    assert result.returncode == 3
    assert "run `kubekeep login --server URL`" in read_note(result)
    LoginStore(tmp_path / "config" / "kubekeep" / "logins").save(StoredLogin(service.address, TOKEN))
    assert scan().returncode == 0
    assert len(service.documents) == 2


def test_absent_server_gets_the_results_later(service: Service, spool: Spool) -> None:
    service.replies.extend([lambda handler: handler.answer(503, {}, Retry_After="3600")] * 2)
    for count in (1, 2):
        result = scan("--server", service.address)
        assert result.returncode == 0, result.stderr
        assert "accepts the next request in 3,600 seconds" in read_note(result)
        assert read_note(result).endswith("the next --submit to this server sends the results")
        assert len(spool.list_unsent(service.address)) == count
    result = scan("--server", service.address)
    assert result.returncode == 0
    assert result.stderr.count("submitted results of an earlier scan: repository github.com/shop/web (main) of ") == 2
    assert [document.started for document in service.documents] == sorted(
        document.started for document in service.documents
    )
    assert len(service.documents) == 3
    assert spool.list_unsent(service.address) == []


def test_unreachable_server_fails_no_scan(spool: Spool) -> None:
    result = scan("--server", ABSENT, "--severity-threshold", "high")
    assert result.returncode == 1
    assert f"not submitted: {ABSENT} cannot be reached: " in read_note(result)
    assert len(spool.list_unsent(ABSENT)) == 1


def test_results_that_cannot_be_kept_are_an_error(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    blocked = repository.parent / "file"
    blocked.touch()
    monkeypatch.setenv("XDG_STATE_HOME", str(blocked))
    result = scan("--server", ABSENT)
    assert result.returncode == 3
    assert f"unsent results cannot be kept: {blocked}/kubekeep/unsent: " in result.stderr
    assert "the next --submit" not in result.stderr
    with serve() as service:
        result = scan("--server", service.address)
        assert result.returncode == 0
        assert "cannot be kept" not in result.stderr


@pytest.mark.parametrize(
    ("status", "document", "message", "kept"),
    [
        (400, {"detail": "no submission"}, "responded with 400: no submission", 0),
        (401, {"detail": "expired"}, "run `kubekeep login --server ", 1),
        (403, {"detail": "the token is for another source"}, "403: the token is for another source", 0),
        (409, {"detail": "delta"}, "409: delta", 0),
        (413, {"title": "Too large", "limit": 10}, "the server accepts 10", 0),
        (413, b"<html>", "raise its limit, `client_max_body_size` of nginx; the next --submit", 1),
    ],
)
def test_refusal_is_an_error(
    service: Service, spool: Spool, status: int, document: object, message: str, kept: int
) -> None:
    service.fail(status, document)
    result = scan("--server", service.address)
    assert result.returncode == 3
    assert read_note(result).startswith("not submitted: ")
    assert message in read_note(result)
    assert len(spool.list_unsent(service.address)) == kept


def test_refused_earlier_results_do_not_block_later_ones(service: Service, spool: Spool) -> None:
    for _ in range(2):
        service.fail(503, Retry_After="3600")
        scan("--server", service.address)
    service.fail(422, {"detail": "an unknown definition"})
    service.fail(403, {"detail": "another source"})
    result = scan("--server", service.address)
    assert result.returncode == 0
    assert "dropped unsent results: repository github.com/shop/web (main)" in result.stderr
    assert "an unknown definition" in result.stderr
    assert len(service.documents) == 1
    assert len(spool.list_unsent(service.address)) == 1


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("--server", "http://kubekeep.example.com"), 2, "would send the token without TLS"),
        (("--server", "kubekeep.example.com"), 2, "is not the address of a server"),
        (("--server", ABSENT, "--token-file", "missing"), 3, "missing: the token cannot be read"),
        (("--server", ABSENT, "--hide"), 2, "--hide and --submit cannot be combined"),
        (("--server", ABSENT, "--server-ca", "pod.yaml"), 3, "no valid PEM certificate"),
    ],
)
def test_unsuitable_options_are_refused(arguments: tuple[str, ...], code: int, message: str) -> None:
    result = scan(*arguments)
    assert result.returncode == code
    assert message in result.stderr


def test_options_of_the_server_require_a_server() -> None:
    result = run_command_line("scan", ".", "--token-file", "token")
    assert result.returncode == 2
    assert "--token-file requires --server or --submit" in result.stderr


def test_input_without_identity_is_refused_before_the_scan(service: Service, repository: Path) -> None:
    shutil.rmtree(repository / ".git")
    for arguments in (("scan", "."), ("scan", "-"), ("sbom", "scan", "pod.yaml"), ("image", "scan", "dir:.")):
        result = run_command_line(*arguments, "--submit", "--server", service.address)
        assert result.returncode == 2
        assert "--server and --submit: the input is in no Git repository" in result.stderr
        assert not result.stdout
    assert service.requests == []


def test_scan_without_changed_files_sends_nothing(service: Service, repository: Path) -> None:
    identity = ("-c", "user.name=Ann", "-c", "user.email=ann@example.com")
    for arguments in (("add", "."), (*identity, "commit", "--quiet", "--message", "Begin")):
        subprocess.run(["git", *arguments], cwd=repository, check=True)
    result = scan("--server", service.address, "--changed-since", "HEAD")
    assert result.returncode == 0, result.stderr
    assert read_note(result) == "not submitted: nothing was assessed"
    assert service.requests == []


def test_nothing_assessed_is_not_sent(service: Service, repository: Path) -> None:
    (repository / "pod.yaml").unlink()
    result = scan("--server", service.address)
    assert result.returncode == 3
    assert read_note(result) == "not submitted: nothing was assessed"
    assert service.requests == []


def test_documents_of_images_and_sboms_belong_to_the_repository(service: Service, repository: Path) -> None:
    (repository / "app.cdx.json").write_text(SBOM)
    (repository / "app").mkdir()
    (repository / "app" / "package-lock.json").write_text('{"name": "a", "lockfileVersion": 3, "packages": {}}')
    options = ("--submit", "--server", service.address, "--quiet")
    assert "Submitted to" in run_command_line("sbom", "scan", "app.cdx.json", *options).stderr
    assert "Submitted to" in run_command_line("image", "scan", "dir:app", *options).stderr
    paths = [document.source.paths for document in service.documents if isinstance(document.source, SourceRepository)]
    assert paths == [("app.cdx.json",), ("app",)]


@pytest.mark.parametrize("command", ["image", "registry"])
def test_images_belong_to_their_registry(service: Service, tmp_path: Path, command: str) -> None:
    with run_registry(tmp_path / "registry") as registry:
        fleet = Fleet(registry.address)
        fleet.push_image("team/web", "1", layers=(BASE, write_layer(python_package("web", "1"))))
        fleet.close()
        name = f"{registry.address}/team/web:1"
        result = run_command_line(command, "scan", name, "--quiet", "--submit", "--server", service.address)
    assert "Submitted to" in result.stderr
    (document,) = service.documents
    assert document.source == SourceRegistry(registry.address)
    assert [image.references for image in document.images] == [(name,)]


def test_configuration_file_that_users_name_may_submit(service: Service, repository: Path) -> None:
    (repository / "kubekeep.yaml").write_text(f"submit: true\nserver: {service.address}\n")
    result = run_command_line("scan", ".")
    assert result.returncode == 2
    assert service.requests == []
    (repository / "kubekeep.yaml").rename(repository.parent / "own.yaml")
    result = run_command_line("scan", ".", "--config", repository.parent / "own.yaml", "--quiet")
    assert len(service.documents) == 1, result.stderr


def test_kubescape_submits_to_a_server(service: Service, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("KUBEKEEP_TOKEN")
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    scan_words = ("kubescape", "scan", "control", "C-0057", ".", "--server", service.address, "--access-key", TOKEN)
    result = run_command_line(*scan_words, "--submit", "--account", "shop")
    assert result.returncode == 0, result.stderr
    assert f"Submitted to {service.address}: 2 opened, 1 closed" in result.stderr
    assert "--account has no effect: the token of the server names the account" in result.stderr
    assert not [file for file in temporary.rglob("token") if file.is_file()], "the token is deleted"
    result = run_command_line(*scan_words)
    assert result.returncode == 0
    assert "--server has no effect: it is for --submit" in result.stderr
    assert len(service.documents) == 1


# --- processes


def start(service: Service) -> subprocess.Popen[str]:
    command = [
        sys.executable,
        "-m",
        "kubekeep",
        "scan",
        "control",
        "C-0057",
        ".",
        "--submit",
        "--server",
        service.address,
    ]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def test_killed_process_loses_nothing(service: Service, spool: Spool) -> None:
    received, released = threading.Event(), threading.Event()

    def hold(handler: Handler) -> None:
        handler.read_body()
        received.set()
        released.wait()
        handler.close_connection = True

    def acknowledge_late(handler: Handler) -> None:
        status, receipt = handler.service.store_body(handler.read_body())
        received.set()
        released.wait()
        handler.answer(status, receipt)

    for reply in (hold, acknowledge_late):
        received.clear()
        service.replies.append(reply)
        with start(service) as process:
            received.wait()
            process.send_signal(signal.SIGKILL)
    released.set()
    assert len(spool.list_unsent(service.address)) == 2
    assert scan("--server", service.address).returncode == 0
    assert spool.list_unsent(service.address) == []
    assert len(service.documents) == len({document.id for document in service.documents}) == 3


def test_process_killed_at_any_time_sends_nothing_twice(service: Service, spool: Spool) -> None:
    for delay in range(12):
        with start(service) as process:
            time.sleep(0.1 * delay)
            process.kill()
    result = scan("--server", service.address)
    assert result.returncode == 0, result.stderr
    assert len(service.documents) == len({document.id for document in service.documents})
    assert spool.list_unsent(service.address) == []


def test_processes_submit_at_the_same_time(service: Service, spool: Spool) -> None:
    for _ in range(3):
        service.fail(503, Retry_After="3600")
        scan("--server", service.address)
    processes = [start(service) for _ in range(4)]
    outputs = [process.communicate()[1] for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert len(service.documents) == len({document.id for document in service.documents}) == 7
    assert spool.list_unsent(service.address) == []


def test_full_disk_is_an_error(service: Service) -> None:
    def limit_file_size() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    process = subprocess.run(
        [sys.executable, "-m", "kubekeep", "scan", ".", "--submit", "--server", service.address],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"},
        preexec_fn=limit_file_size,
    )
    assert process.returncode == 3
    assert "not submitted: the results cannot be stored: File too large" in process.stderr


def test_scan_without_submission_loads_nothing_of_it() -> None:
    program = """
import sys
from kubekeep.cli.main import main
try:
    main(["scan", "--no-config", ".", "--quiet"])
except SystemExit:
    pass
print([name for name in sys.modules if name.startswith(("kubekeep.uplink", "httpx", "kubekeep.cli.submitter"))])
"""
    process = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert process.stdout == "[]\n"
