"""Real processes, detected by their command lines in /proc with secrets masked."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kubekeep.sources.host.processes import HostProcess, RunningProcesses, get_flag, mask_words
from kubekeep.sources.host.processes import list_processes as seen
from kubekeep.sources.host.root import HostReadError, NodeRoot
from tests.sources.host.nodes import KUBELET, run_programs, write_file

NODE, ELSEWHERE = "net:[1]", "net:[2]"


def process(pid: int, *words: str, is_contained: bool = False, uid: int = 0, network: str = NODE) -> HostProcess:
    return HostProcess(pid=pid, words=words, is_contained=is_contained, uid=uid, network=network)


INIT = process(1, "/sbin/init")


def test_running_process_is_found_by_name() -> None:
    with run_programs({KUBELET: ["--config=/a b", "--kubeconfig", "/c"]}) as (pid,), NodeRoot.open("/") as root:
        process = next(candidate for candidate in seen(root).processes if candidate.pid == pid)
    assert process.program == "kubelet"
    assert process.get_flag("config") == "/a b"
    assert process.get_flag("kubeconfig") == "/c"
    assert process.uid == os.getuid()
    assert not process.is_contained


@pytest.mark.parametrize(
    ("flags", "line"),
    [
        (["--client-ca-file", "", "--config=/x"], "--client-ca-file= --config=/x"),
        (["--config=/x", "--client-ca-file", ""], "--config=/x --client-ca-file="),
        (["--token", "", "", "--v=2"], "--token= --v=2"),
        (["--config=", "", "--v", "2", ""], "--config= --v 2"),
    ],
)
def test_flag_with_an_empty_value_stays_empty(flags: list[str], line: str) -> None:
    with run_programs({KUBELET: flags}) as (pid,), NodeRoot.open("/") as root:
        process = next(candidate for candidate in seen(root).processes if candidate.pid == pid)
    assert process.words[3:] == tuple(flags)
    assert process.line == f"{KUBELET} -s -- {line}"


@pytest.mark.parametrize("title", ["k3s server --v=2", "k3s server --v=2\0", "k3s server --v=2\0\0\0"])
def test_process_title_is_split(tmp_path: Path, title: str) -> None:
    write_file(tmp_path, "/proc/7/cmdline", title)
    write_file(tmp_path, "/proc/7/status", "Uid:\t0\t0\t0\t0\n")
    with NodeRoot.open(str(tmp_path)) as root:
        (process,) = seen(root).processes
    assert process.words == ("k3s", "server", "--v=2")


def test_endless_user_id_is_ignored(tmp_path: Path) -> None:
    write_file(tmp_path, "/proc/7/cmdline", "kubelet\0")
    write_file(tmp_path, "/proc/7/status", f"Uid:\t{'9' * 5000}\n")
    with NodeRoot.open(str(tmp_path)) as root:
        assert seen(root).find("kubelet").uid == -1


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs util-linux")
def test_container_processes_are_distinguished() -> None:
    words = [
        "unshare",
        "--user",
        "--map-root-user",
        "--pid",
        "--fork",
        "--kill-child",
        "sh",
        "-c",
        "echo; read x; true",
    ]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        if not started.stdout.readline():
            pytest.skip("this system lets nobody make a PID namespace")
        with NodeRoot.open("/") as root:
            matches = [process for process in seen(root).processes if "echo; read x; true" in process.words]
        started.communicate("\n")
    assert {process.program: process.is_contained for process in matches} == {"unshare": False, "sh": True}


def test_empty_proc_is_reported(tmp_path: Path) -> None:
    with NodeRoot.open(str(tmp_path)) as root:
        processes = seen(root)
    with pytest.raises(HostReadError, match="/proc: no such file"):
        processes.find("kubelet")
    (tmp_path / "proc").mkdir()
    with NodeRoot.open(str(tmp_path)) as root, pytest.raises(HostReadError, match="shows no processes"):
        seen(root).find("kubelet")


def test_process_of_root_is_preferred() -> None:
    kubelet, rogue = process(10, KUBELET, "--config=/own"), process(11, "kubelet", "--config=/etc/shadow", uid=1000)
    assert RunningProcesses((INIT, rogue, kubelet)).find("kubelet") is kubelet


def test_hidden_program_has_no_substitute() -> None:
    rogue = process(11, "kube-apiserver", "--anonymous-auth=false", uid=1000)
    seen_processes = RunningProcesses((INIT, rogue), hidden={"kube-apiserver": "k3s runs it in its own process"})
    with pytest.raises(HostReadError, match="k3s runs it in its own process"):
        seen_processes.find("kube-apiserver")


def test_different_processes_are_ambiguous() -> None:
    pair = process(10, "kubelet", "--config=/a"), process(11, "kubelet", "--config=/b")
    with pytest.raises(HostReadError, match="2 processes with the name kubelet have different command lines"):
        RunningProcesses((INIT, *pair)).find("kubelet")


def test_equal_processes_count_as_one() -> None:
    pair = process(10, "kube-proxy", "--v=2"), process(11, "kube-proxy", "--v=2")
    assert RunningProcesses((INIT, *pair)).find("kube-proxy").words == ("kube-proxy", "--v=2")


def test_nested_cluster_is_ignored() -> None:
    inner = process(10, "kube-apiserver", "--anonymous-auth=true", is_contained=True, network=ELSEWHERE)
    server = process(11, "kube-apiserver", "--anonymous-auth=false", is_contained=True)
    assert RunningProcesses((INIT, inner, server)).find("kube-apiserver") is server
    with pytest.raises(HostReadError, match="no process with the name kube-apiserver"):
        RunningProcesses((INIT, inner)).find("kube-apiserver")


def test_kubelet_in_a_container_is_ignored() -> None:
    with pytest.raises(HostReadError, match="no process with the name kubelet"):
        RunningProcesses((INIT, process(10, "kubelet", is_contained=True))).find("kubelet", is_contained=False)


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (["--config=/a", "--config=/b"], "/b"),
        (["--config", "/a", "--v=2"], "/a"),
        (["--config", "--v=2"], "true"),
        (["--config"], "true"),
        (["--configs=/a"], ""),
        (['--config="/a"'], "/a"),
    ],
)
def test_flags_are_parsed_as_by_the_programs(words: list[str], value: str) -> None:
    assert get_flag(words, "config") == value


def test_underscores_in_flags_are_dashes() -> None:
    assert get_flag(["--client_ca_file=/a"], "client-ca-file") == "/a"


@pytest.mark.parametrize(
    ("words", "masked"),
    [
        (["--token=abc"], ["--token=XXXXXX"]),
        (["--token", "abc", "--v=2"], ["--token", "XXXXXX", "--v=2"]),
        (["--etcd-s3-secret-key=abc"], ["--etcd-s3-secret-key=XXXXXX"]),
        (["--datastore-endpoint=postgres://me:abc@db/k"], ["--datastore-endpoint=postgres://XXXXXX@db/k"]),
        (["--use-service-account-credentials=true"], ["--use-service-account-credentials=true"]),
        (["--use-service-account-credentials", "true"], ["--use-service-account-credentials", "true"]),
        (["--token-auth-file=/a", "--tls-private-key-file=/b"], ["--token-auth-file=/a", "--tls-private-key-file=/b"]),
        (["--authentication-token-webhook=true"], ["--authentication-token-webhook=true"]),
        (["--manifest-url-header=X-Api:hunter2"], ["--manifest-url-header=XXXXXX"]),
        (["--manifest_url_header", "X-Api:hunter2"], ["--manifest_url_header", "XXXXXX"]),
        (["--manifest-url=https://h/p?v=1&token=abc"], ["--manifest-url=https://h/p?XXXXXX"]),
        (["--manifest-url", "https://h/p?abc#d"], ["--manifest-url", "https://h/p?XXXXXX"]),
        (["--initial-cluster-token", "-abc", "-v=2"], ["--initial-cluster-token", "XXXXXX", "-v=2"]),
        (["--token", "-my-token", "shown"], ["--token", "XXXXXX", "shown"]),
        (["--token", "--9bc", "--v=2"], ["--token", "XXXXXX", "--v=2"]),
        (
            ["--use-service-account-credentials", "--root-ca-file=/a"],
            ["--use-service-account-credentials", "--root-ca-file=/a"],
        ),
        (["--requestheader-username-headers=X-User"], ["--requestheader-username-headers=X-User"]),
        (["--etcd-servers=https://10.0.0.1:2379"], ["--etcd-servers=https://10.0.0.1:2379"]),
    ],
)
def test_secrets_are_masked_but_not_rule_input(words: list[str], masked: list[str]) -> None:
    assert mask_words(words) == masked
