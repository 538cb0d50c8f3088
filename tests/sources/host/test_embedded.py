"""Programs embedded in K3s, from its log in a real journald or in files, and the reported gaps.

K3s is a shell here with its name and log messages; the journal, its reader and the files are real.
"""

from __future__ import annotations

import datetime as dt
import os
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from kubekeep.sources.host import embedded
from kubekeep.sources.host import journal as reader
from kubekeep.sources.host.embedded import add_embedded
from kubekeep.sources.host.processes import HostProcess, RunningProcesses, list_processes
from kubekeep.sources.host.root import HostReadError, NodeRoot
from tests.cluster.cluster import eventually
from tests.sources.host import journal, nodes

SERVER = "/usr/local/bin/k3s server"
LOG = "/var/log/k3s.log"
JOURNAL = "run/log/journal"
LONG_AGO = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
LATER = dt.timedelta(hours=1)
PROGRAMS = nodes.K3S_PROGRAMS
FAKE = {"kube-apiserver": ["--anonymous-auth=true"]}
needs_journald = pytest.mark.skipif(not journal.installed, reason="needs systemd and util-linux")


def collect_processes(root: Path) -> RunningProcesses:
    with NodeRoot.open(str(root)) as root_folder:
        return add_embedded(root_folder, list_processes(root_folder), "k3s")


def get_reason(root: Path, program: str = "kube-apiserver") -> str:
    with pytest.raises(HostReadError) as caught:
        collect_processes(root).find(program)
    prefix = "it runs inside the process of k3s: "
    assert str(caught.value).startswith(prefix)
    return str(caught.value).removeprefix(prefix)


def get_flags(programs: Mapping[str, object], processes: RunningProcesses) -> dict[str, list[str]]:
    return {name: list(processes.find(name).words[1:]) for name in programs}


@pytest.fixture
def logging_node(tmp_path: Path) -> Iterator[Path]:
    """The root of a node with the K3s log in journald, the running process, and entries of another process."""
    with (
        journal.journald(tmp_path / JOURNAL) as address,
        journal.connect_service(address) as other_stream,
        nodes.run_titled("another server", nodes.k3s_log(FAKE), other_stream.fileno()),
        journal.connect_service(address) as stream,
        nodes.run_titled(SERVER, nodes.k3s_log(PROGRAMS), stream.fileno()) as pid,
    ):
        nodes.write_kernel_data(tmp_path, [pid])
        with NodeRoot.open(str(tmp_path)) as root:
            eventually(lambda: len(list(reader.read_messages(root, pid, 0))) > len(PROGRAMS))
        yield tmp_path


@needs_journald
def test_journal_has_all_command_lines(logging_node: Path) -> None:
    processes = collect_processes(logging_node)
    assert get_flags(PROGRAMS, processes) == PROGRAMS
    server = processes.find("kube-apiserver")
    assert server.get_flag("authorization-mode") == "Node,RBAC"
    assert nodes.HIDDEN not in server.line
    assert not processes.hidden


@needs_journald
def test_persistent_journal_is_read(logging_node: Path) -> None:
    (logging_node / "var/log").mkdir(parents=True)
    (logging_node / JOURNAL).rename(logging_node / "var/log/journal")
    assert get_flags(PROGRAMS, collect_processes(logging_node)) == PROGRAMS


@needs_journald
def test_entries_of_an_earlier_process_are_ignored(logging_node: Path) -> None:
    (stat,) = (path for path in logging_node.glob("proc/[0-9]*/stat") if path.parent.name != "1")
    start, brackets, fields = stat.read_text(encoding="utf-8").rpartition(")")
    numbers = fields.split()
    numbers[19] = str(int(numbers[19]) + 100 * os.sysconf("SC_CLK_TCK"))
    stat.write_text(f"{start}{brackets} {' '.join(numbers)}\n", encoding="utf-8")
    assert get_reason(logging_node) == "its log does not contain its arguments"


@needs_journald
def test_entries_before_boot_are_ignored(logging_node: Path) -> None:
    nodes.write_file(logging_node, "/proc/sys/kernel/random/boot_id", "00000000-0000-4000-8000-000000000000\n")
    assert get_reason(logging_node) == "its log does not contain its arguments"


@needs_journald
def test_journal_outside_the_root_is_not_read(logging_node: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside_journal = tmp_path_factory.mktemp("outside") / "journal"
    (logging_node / JOURNAL).rename(outside_journal)
    (logging_node / JOURNAL).symlink_to(outside_journal)
    assert (
        get_reason(logging_node) == "the journal cannot be read: neither /var/log/journal nor /run/log/journal exists"
    )


@needs_journald
def test_missing_journalctl_is_reported(logging_node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    assert get_reason(logging_node) == "the journal cannot be read: journalctl is not installed"


@needs_journald
@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("exit 1", "journalctl failed with exit code 1"),
        ("echo '-- No entries --'", "the output of journalctl is not JSON"),
        ("echo '[]'", "the output of journalctl is not JSON"),
        ("exec sleep 60", "journalctl did not finish within 0.5 seconds"),
        (
            """while :; do echo '{"MESSAGE": "on and on"}'; done""",
            "the entries in the journal exceed 1 MiB, or one entry exceeds 1 MiB",
        ),
    ],
)
def test_failing_journalctl_is_reported(
    logging_node: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    script: str,
    reason: str,
) -> None:
    """The only place with a fake journalctl, as the real one does not fail like this."""
    folder = tmp_path_factory.mktemp("bin")
    nodes.write_file(folder, "/journalctl", f"#!/bin/sh\n{script}\n", 0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")
    monkeypatch.setattr(reader, "_SECONDS", 0.5 if "sleep" in script else 20.0)
    monkeypatch.setattr(reader, "_MOST_BYTES", 1 << 20)
    assert get_reason(logging_node) == f"the journal cannot be read: {reason}"


@pytest.fixture
def node(tmp_path: Path) -> Path:
    (tmp_path / "var/log").mkdir(parents=True)
    return tmp_path


def run_k3s(node: Path, lines: list[str], title: str = SERVER) -> None:
    """Run K3s briefly, append to its log, and write its kernel data below the root."""
    with (
        (node / LOG.lstrip("/")).open("a", encoding="utf-8") as log,
        nodes.run_titled(title, lines, log.fileno()) as pid,
    ):
        nodes.write_kernel_data(node, [pid])


def test_log_has_all_command_lines(node: Path) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS))
    processes = collect_processes(node)
    assert get_flags(PROGRAMS, processes) == PROGRAMS
    assert nodes.HIDDEN not in processes.find("kube-apiserver").line


def test_the_last_start_counts(node: Path) -> None:
    nodes.write_file(node, LOG, "".join(f"{line}\n" for line in nodes.k3s_log(FAKE, LONG_AGO)))
    run_k3s(node, nodes.k3s_log(PROGRAMS))
    assert get_flags(PROGRAMS, collect_processes(node)) == PROGRAMS


def test_log_of_another_start_is_ignored(node: Path) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS, LONG_AGO))
    assert get_reason(node) == "its log does not contain its arguments"


def test_later_log_entries_are_ignored(node: Path) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS) + nodes.k3s_log(FAKE, dt.datetime.now(dt.UTC) + LATER))
    assert collect_processes(node).find("kube-apiserver").get_flag("anonymous-auth") == "false"


@pytest.mark.parametrize(
    "line",
    [
        'time="{}" level=info msg="Running kube-apiserver --anonymous-auth=true',
        'time="{}" level=info msg="Running kube-apiserver --anonymous-auth=true" and more',
        'W1126 1 server.go:1] time="{}" level=info msg="Running kube-apiserver --anonymous-auth=true"',
        'time="yesterday" level=info msg="Running kube-apiserver --anonymous-auth=true"',
        'time="9999-99-99T00:00:00Z" level=info msg="Running kube-apiserver --anonymous-auth=true"',
        'time="{}" level=info msg="Running kube-apiservers --anonymous-auth=true"',
    ],
)
def test_similar_lines_are_ignored(node: Path, line: str) -> None:
    run_k3s(node, [line.format((dt.datetime.now(dt.UTC) + LATER).isoformat())])
    assert get_reason(node) == "its log does not contain its arguments"


@pytest.mark.parametrize("zone", [dt.UTC, dt.timezone(dt.timedelta(hours=5, minutes=30))])
@pytest.mark.parametrize("fraction", ["", ".219587474"])
def test_timestamps_in_any_zone_with_nanoseconds(node: Path, zone: dt.timezone, fraction: str) -> None:
    now = dt.datetime.now(zone).isoformat(timespec="seconds")
    moment = f"{now[:19]}{fraction}{now[19:].replace('+00:00', 'Z')}"
    run_k3s(node, [f'time="{moment}" level=info msg="Running kubelet --read-only-port=0"'])
    assert collect_processes(node).find("kubelet").get_flag("read-only-port") == "0"
    nodes.write_file(node, LOG, (node / LOG.lstrip("/")).read_text(encoding="utf-8").replace(moment[:4], "2020", 1))
    assert get_reason(node, "kubelet") == "its log does not contain its arguments"


def test_values_are_kept_verbatim(node: Path) -> None:
    flags = ['--a="two words"', "--b=c\\d", "--switch=true"]
    run_k3s(node, nodes.k3s_log({"kubelet": flags}))
    assert collect_processes(node).find("kubelet").words == ("kubelet", *flags)


def test_beginning_of_a_long_log_is_read(node: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = nodes.k3s_log(PROGRAMS)
    monkeypatch.setattr(embedded, "_LOG_BYTES", sum(len(line) + 1 for line in lines[:3]))
    run_k3s(node, lines)
    processes = collect_processes(node)
    assert (
        get_flags({"kube-apiserver": "", "kube-scheduler": ""}, processes)["kube-scheduler"]
        == PROGRAMS["kube-scheduler"]
    )
    assert get_reason(node, "kubelet").startswith(f"its log cannot be read: {LOG}: larger than ")


def test_missing_programs_are_reported(node: Path) -> None:
    run_k3s(node, nodes.k3s_log({name: flags for name, flags in PROGRAMS.items() if name != "kube-proxy"}))
    assert get_reason(node, "kube-proxy") == "its log does not contain its arguments"
    assert collect_processes(node).find("kubelet").get_flag("read-only-port") == "0"


def test_other_process_does_not_replace_a_hidden_program(node: Path) -> None:
    with (
        nodes.run_titled(SERVER, [], 2) as host,
        nodes.run_titled("kube-apiserver --anonymous-auth=false", [], 2) as rogue,
    ):
        nodes.write_kernel_data(node, [host, rogue])
    assert [process.words[-1] for process in collect_processes(node).list_on_node("kube-apiserver")] == [
        "--anonymous-auth=false"
    ]
    assert "log" in get_reason(node)


def test_an_agent_runs_a_kubelet(node: Path) -> None:
    run_k3s(node, nodes.k3s_log({"kubelet": PROGRAMS["kubelet"]}), "/usr/local/bin/k3s agent")
    assert get_flags({"kubelet": ""}, collect_processes(node)) == {"kubelet": PROGRAMS["kubelet"]}


def test_log_written_by_the_parent_is_read(node: Path) -> None:
    """`k3s server --log`: the process that writes the file is the parent of the one that runs everything."""
    read, write = os.pipe()
    with nodes.run_titled("k3s server", [], write) as pid:
        nodes.write_kernel_data(node, [pid])
    os.close(read)
    os.close(write)
    assert get_reason(node) == "the destination of its log is unknown: it logs to a pipe"
    parent = node / f"proc/{os.getpid()}"
    nodes.write_file(parent, "/cmdline", "k3s init")
    nodes.write_file(parent, "/status", "Uid:\t0\n")
    (parent / "fd").mkdir()
    for number, target in enumerate(("/dev/null", "socket:[1]", "socket:[1]", "/var/log/own.log")):
        (parent / f"fd/{number}").symlink_to(target)
    nodes.write_file(node, "/var/log/own.log", "".join(f"{line}\n" for line in nodes.k3s_log(PROGRAMS)))
    assert get_flags(PROGRAMS, collect_processes(node)) == PROGRAMS


def test_pipe_as_log_does_not_block(node: Path) -> None:
    run_k3s(node, [])
    log = node / LOG.lstrip("/")
    log.unlink()
    os.mkfifo(log)
    assert get_reason(node) == f"its log cannot be read: {LOG}: not a regular file"
    log.unlink()
    log.symlink_to("../../../../../../../../etc/passwd")
    assert get_reason(node) == f"its log cannot be read: {LOG}: no such file"


@pytest.mark.parametrize(
    ("missing_file", "reason"),
    [
        ("fd/2", "the destination of its log is unknown: no such file"),
        ("stat", "the destination of its log is unknown: no such file"),
        ("../stat", "the boot time of the node is unknown: /proc/stat: no such file"),
    ],
)
def test_missing_kernel_data_is_reported(node: Path, missing_file: str, reason: str) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS))
    (process,) = (folder.parent for folder in node.glob("proc/[0-9]*/fd"))
    (process / missing_file).unlink()
    assert get_reason(node) == reason


@pytest.mark.parametrize("digits", [400, 5000])
def test_endless_start_time_is_rejected(node: Path, digits: int) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS))
    (process,) = (folder.parent for folder in node.glob("proc/[0-9]*/fd"))
    nodes.write_file(process, "/stat", f"7 (k3s) S{' 1' * 18} {'9' * digits}\n")
    assert get_reason(node) == "the destination of its log is unknown: its start time is unknown"


def test_commands_of_k3s_run_nothing(node: Path) -> None:
    with nodes.run_titled("k3s kubectl get pods", nodes.k3s_log(FAKE), 2) as pid:
        nodes.write_kernel_data(node, [pid])
    assert get_reason(node) == "no process with the name k3s is visible"


def test_missing_processes_are_reported(tmp_path: Path) -> None:
    assert get_reason(tmp_path) == "/proc: no such file"


def create_process(pid: int, uid: int) -> HostProcess:
    return HostProcess(pid=pid, words=("k3s", "server"), is_contained=False, uid=uid, network="")


def test_only_processes_of_root_count(node: Path) -> None:
    run_k3s(node, nodes.k3s_log(PROGRAMS))
    with NodeRoot.open(str(node)) as root:
        (server,) = [process for process in list_processes(root).processes if process.pid != 1]
        server = create_process(server.pid, 0)
        assert (
            add_embedded(root, RunningProcesses((create_process(7, 1000), server)), "k3s").find("kubelet").pid
            == server.pid
        )
        with pytest.raises(HostReadError, match="2 processes have the name k3s"):
            add_embedded(root, RunningProcesses((create_process(7, 0), server)), "k3s").find("kubelet")


def test_separate_programs_are_unchanged(node: Path) -> None:
    processes = RunningProcesses((create_process(7, 0),))
    with NodeRoot.open(str(node)) as root:
        assert add_embedded(root, processes, "") is processes
