"""The kustomize program: discovery, and builds of hostile input offline and within limits.

Never fetches: there is no git on its PATH, no protocol git may use, no home folder and no reachable proxy. Never enables
exec plugins, Go plugins or functions. Never uses a shell and never leaves a process behind.
"""

# Paths are text here, as the programs take them:
# ruff: noqa: PTH103, PTH118, PTH120, PTH123

from __future__ import annotations

import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sysconfig
import threading
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import ExitStack
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

import msgspec

from kubekeep._native import VERSION
from kubekeep.confinement import open_descriptor
from kubekeep.sources.process_limits import TimeLimit, set_process_limits
from kubekeep.sources.signals import defer_signals
from kubekeep.sources.temporary import temporary_folder

_logger: Final = logging.getLogger(__name__)
MISSING_TOOL: Final = (
    "not built: kustomize is not installed; install kustomize or kubectl on the PATH, "
    f"run pip install 'kubekeep[kustomize]', or use the container image with the tag {VERSION}-tools"
)
_PROBE: Final = "buildMetadata: [originAnnotations]\nresources: [probe.yaml]\n"
_PROBE_OBJECT: Final = "{apiVersion: v1, kind: ConfigMap, metadata: {name: probe}}\n"
_PROBE_ANSWER: Final = b"path: probe.yaml"
_DEAD_PROXY: Final = "http://127.0.0.1:0"
_POLL_SECONDS: Final = 0.05
_CHUNK: Final = 1 << 16
_MIB: Final = 1 << 20
_PAGE: Final = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096
_MESSAGE_BYTES: Final = 256 * 1024
_BACKSTOP_FACTOR: Final = 4
"""Limits of the kernel relative to those that are checked while waiting, so that the message of the latter is reported."""


class ProcessLimits(msgspec.Struct, frozen=True):
    """Limits of one run: seconds of processor and of any time, bytes of standard output and of resident memory."""

    seconds: float = 20.0
    wall_seconds: float = 180.0
    output: int = 64 * _MIB
    memory: int = 1024 * _MIB


class ProcessResult(msgspec.Struct, frozen=True):
    """Result of a run: exit code, standard output and error, and the exceeded limit in words ("" if none)."""

    code: int
    output: bytes
    messages: bytes
    exceeded_limit: str = ""


class KustomizeTool(msgspec.Struct, frozen=True):
    """A working kustomize: the first words of its command line, and the helm it may use ("" for none)."""

    command: tuple[str, ...]
    helm: str = ""

    def build(self, folder: str, limits: ProcessLimits) -> ProcessResult:
        """Build the kustomization in folder; inflate the charts beside it if helm is set."""
        helm = ("--enable-helm", "--helm-command", self.helm) if self.helm else ()
        with temporary_folder() as private_folder:
            # Not in the folder: programs look for configuration in their working directory.
            return run(
                (*self.command, *helm, folder),
                environment=_build_environment(private_folder),
                folder=private_folder,
                limits=limits,
            )


def find_tool(*, allow_helm: bool) -> KustomizeTool | None:
    """Return the first kustomize 4.3 or later on this system, None if there is none."""
    helm = (shutil.which("helm") or "") if allow_helm else ""
    for command in _list_candidates():
        for prefix in dict.fromkeys((_build_isolation_command(), ())):
            if _is_working(KustomizeTool((*prefix, *command))):
                return KustomizeTool((*prefix, *command), os.path.abspath(helm) if helm else "")  # noqa: PTH100
    return None


def run(argv: Sequence[str], *, environment: Mapping[str, str], folder: str, limits: ProcessLimits) -> ProcessResult:
    """Run argv in folder until it ends or exceeds a limit; raises OSError if it cannot be started.

    Standard error beyond 256 KiB is dropped. The process and its children form a session and are killed together.
    Memory is limited only on Linux.
    """
    with contextlib.ExitStack() as stack:
        with defer_signals():
            process = subprocess.Popen(  # noqa: S603 - an argument list, from a program found on PATH
                list(argv),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=dict(environment),
                cwd=folder,
                start_new_session=os.name == "posix",
            )
            stack.enter_context(process)
            stack.callback(_kill, process)
            _logger.debug("started %s", " ".join(argv[:-1]))
            # The limits of `_wait` end with Kubekeep. These stop a build whose parent was killed.
            set_process_limits(
                process.pid,
                memory=_BACKSTOP_FACTOR * limits.memory,
                cpu_seconds=int(_BACKSTOP_FACTOR * limits.seconds) + 1,
            )
        result = _wait(process, limits)
    _logger.debug("%s ended with code %d: %d bytes of output", argv[0], result.code, len(result.output))
    return result


def _build_isolation_command() -> tuple[str, ...]:
    """Return the command that starts a program in its own network namespace; () where the system has none.

    Root stays root: another user could not read files that only root may read.
    """
    unshare = shutil.which("unshare")
    if unshare is None:
        return ()
    return (unshare, "--net", "--") if os.geteuid() == 0 else (unshare, "--user", "--net", "--")


def _list_candidates() -> Iterator[tuple[str, ...]]:
    kustomize, kubectl = shutil.which("kustomize"), shutil.which("kubectl")
    if kustomize:
        yield os.path.abspath(kustomize), "build"  # noqa: PTH100
    if kubectl:
        yield os.path.abspath(kubectl), "kustomize"  # noqa: PTH100
    # Installed with this Python, whose environment need not be activated.
    installed_kubectl = shutil.which("kubectl", path=sysconfig.get_path("scripts"))
    if installed_kubectl and installed_kubectl != kubectl:
        yield installed_kubectl, "kustomize"


@lru_cache(maxsize=16)
def _is_working(tool: KustomizeTool) -> bool:
    """Return True if the tool builds a kustomization that requires kustomize 4.3."""
    with temporary_folder() as folder:
        for name, text in (("kustomization.yaml", _PROBE), ("probe.yaml", _PROBE_OBJECT)):
            with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
                file.write(text)
        try:
            result = tool.build(folder, ProcessLimits())
        except OSError:
            return False
    return result.code == 0 and _PROBE_ANSWER in result.output


def _build_environment(private_folder: str) -> dict[str, str]:
    homes = {
        name: os.path.join(private_folder, "home") for name in ("HOME", "USERPROFILE", "XDG_CONFIG_HOME", "TMPDIR")
    }
    os.makedirs(homes["HOME"])
    return {
        **homes,
        "PATH": os.path.join(private_folder, "no-programs"),
        "KUBECONFIG": os.devnull,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_CONFIG_NOSYSTEM": "1",
        "HTTP_PROXY": _DEAD_PROXY,
        "HTTPS_PROXY": _DEAD_PROXY,
        "ALL_PROXY": _DEAD_PROXY,
        "NO_PROXY": "",
        "GOMAXPROCS": "2",
    }


class _StreamReader(threading.Thread):
    """Reads a stream to its end in the background and keeps about max_bytes of it."""

    def __init__(self, stream: IO[bytes] | None, max_bytes: int) -> None:
        super().__init__(daemon=True)
        assert stream is not None  # noqa: S101 - `run` opens pipes
        self._stream = stream
        self._max_bytes = max_bytes
        self.content = bytearray()
        self.start()

    def run(self) -> None:
        """Read until every writer has closed the stream."""
        while chunk := os.read(self._stream.fileno(), _CHUNK):
            if len(self.content) <= self._max_bytes:
                self.content.extend(chunk)


def _wait(process: subprocess.Popen[bytes], limits: ProcessLimits) -> ProcessResult:
    output, messages = _StreamReader(process.stdout, limits.output), _StreamReader(process.stderr, _MESSAGE_BYTES)
    time_limit = TimeLimit(process.pid, limits.seconds, limits.wall_seconds)
    exceeded_limit = ""
    while not exceeded_limit and (output.is_alive() or messages.is_alive() or process.poll() is None):
        # Wait for an open stream first; a process may close its streams and keep running.
        if output.is_alive():
            output.join(_POLL_SECONDS)
        elif messages.is_alive():
            messages.join(_POLL_SECONDS)
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(_POLL_SECONDS)
        exceeded_limit = _find_exceeded_limit(process.pid, len(output.content), time_limit, limits)
    _kill(process)
    code = process.wait()
    output.join()
    messages.join()
    return ProcessResult(code, bytes(output.content), bytes(messages.content), exceeded_limit)


def _find_exceeded_limit(pid: int, output: int, time_limit: TimeLimit, limits: ProcessLimits) -> str:
    if output > limits.output:
        return f"more than {limits.output // _MIB} MiB of output"
    if seconds := time_limit.find_exceeded():
        return f"more than {seconds:g} seconds"
    if _measure_resident_bytes(pid) > limits.memory:
        return f"more than {limits.memory // _MIB} MiB of memory"
    return ""


def _measure_resident_bytes(pid: int) -> int:
    """Return the resident bytes of a process and its descendants; 0 on systems without /proc."""
    total = 0
    with contextlib.suppress(OSError, ValueError, IndexError):
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            total = int(file.read().split()[1]) * _PAGE
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with open(f"/proc/{pid}/task/{task}/children", encoding="ascii") as file:
                total += sum(_measure_resident_bytes(int(child)) for child in file.read().split())
    return total


def _kill(process: subprocess.Popen[bytes]) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if os.name == "posix":
            os.killpg(process.pid, signal.SIGKILL)
        else:
            process.kill()


class BuildCopy:
    """A private copy of the files that a build reads, with the unsaved texts of an editor; a context that removes it.

    files: real paths. unsaved: contents by real path. Never writes outside of the copy.
    """

    def __init__(self, files: AbstractSet[str], unsaved: Mapping[str, bytes]) -> None:
        self._files = files
        self._unsaved = unsaved
        self._root = os.path.commonpath([os.path.dirname(file) for file in files])
        self._copy = ""
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._copy = os.path.realpath(self._stack.enter_context(temporary_folder()))
        for file in self._files:
            target = self.locate(file)
            os.makedirs(os.path.dirname(target), exist_ok=True)
            if file in self._unsaved:
                Path(target).write_bytes(self._unsaved[file])
            elif os.path.isfile(file):  # noqa: PTH113
                # A file that cannot be opened is missing in the build, which names it.
                with contextlib.suppress(OSError), open(file, "rb", opener=open_descriptor) as stream:
                    Path(target).write_bytes(stream.read())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def locate(self, path: str) -> str:
        """Return the path in the copy of an original path."""
        return os.path.normpath(os.path.join(self._copy, os.path.relpath(path, self._root)))

    def restore_paths(self, result: ProcessResult) -> ProcessResult:
        """Return the result of a build with the original paths in its messages."""
        messages = result.messages.replace(os.fsencode(self._copy), os.fsencode(self._root))
        return msgspec.structs.replace(result, messages=messages)
