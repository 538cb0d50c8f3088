"""A process that runs the command line on one member after the other, within limits of the kernel.

Reads a request per line from the descriptor in its arguments and answers with an exit code and broken promises. A
member that exceeds a limit ends the process. Started by `run`, never imported by it.
"""

# Paths in audit events are text:
# ruff: noqa: PTH114, PTH117

from __future__ import annotations

import io
import json
import logging
import os
import random
import resource
import signal
import sys
import tempfile
import threading
from pathlib import Path
from typing import Any, Final

from hcl2.parser import parser

from kubekeep.cli.main import main
from kubekeep.vulnerabilities.database import download

_CPU_SECONDS: Final = 30
_MEMORY: Final = 1 << 30
"""Bytes that one member may add to the private memory of the process."""
_HANG: Final = 120
"""Seconds until a member that waits for something is ended."""
_WRITES: Final = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
_ALLOWED_WRITES: Final = ("/dev/", "/proc/self/")


class _Observer:
    """Audit hook that records connections, writes outside the sandbox, and reads of the file that is outside of it."""

    def __init__(self) -> None:
        self.sandbox = ""
        self.secret = ""
        self.ports: list[int] = []
        self.broken: list[str] = []
        self.interrupt: threading.Timer | None = None
        """Interrupts the command some time after its first connection, when all modules are loaded."""

    def __call__(self, event: str, arguments: tuple[Any, ...]) -> None:
        if not self.sandbox:
            return
        if event == "open" and isinstance(arguments[0], str | bytes):
            self._check_open(os.fsdecode(arguments[0]), int(arguments[2] or 0))
        elif event in {"os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.chmod"}:
            self._check_write(str(arguments[0]), event)
        elif event in {"os.rename", "os.link", "os.symlink"}:
            self._check_write(os.fsdecode(arguments[1]), event)
        elif event == "socket.connect":
            interrupt, self.interrupt = self.interrupt, None
            if interrupt is not None:
                interrupt.start()
            self._check_connection(arguments[1])

    def _check_open(self, path: str, flags: int) -> None:
        is_refused_link = bool(flags & os.O_NOFOLLOW) and os.path.islink(path)
        if os.path.realpath(path) == self.secret and not is_refused_link:
            self.broken.append(f"opened {path}, which is outside of the input")
        if flags & _WRITES:
            self._check_write(path, "open")

    def _check_write(self, path: str, event: str) -> None:
        if os.path.isabs(path) and not path.startswith((self.sandbox, *_ALLOWED_WRITES)):
            self.broken.append(f"{event} for writing: {path}")

    def _check_connection(self, address: Any) -> None:
        is_allowed = isinstance(address, tuple) and address[0] in {"127.0.0.1", "::1"} and address[1] in self.ports
        if not is_allowed:
            self.broken.append(f"connected to {address!r}")


def _limit() -> None:
    """Limit processor time and memory of the next member."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    used = int(usage.ru_utime + usage.ru_stime)
    data = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmData"))
    resource.setrlimit(resource.RLIMIT_CPU, (used + _CPU_SECONDS, resource.RLIM_INFINITY))
    resource.setrlimit(resource.RLIMIT_DATA, (int(data.split()[1]) * 1024 + _MEMORY, resource.RLIM_INFINITY))
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(_HANG)


def _redirect(sandbox: str) -> None:
    for descriptor, name, flags in (
        (0, "stdin", os.O_RDONLY),
        (1, "stdout", os.O_WRONLY | os.O_CREAT),
        (2, "stderr", os.O_WRONLY | os.O_CREAT),
    ):
        opened = os.open(f"{sandbox}/{name}", flags, 0o600)
        os.dup2(opened, descriptor)
        os.close(opened)
    sys.stdin = io.TextIOWrapper(io.BufferedReader(io.FileIO(0, closefd=False)), encoding="utf-8")
    sys.stdout = io.TextIOWrapper(io.BufferedWriter(io.FileIO(1, "w", closefd=False)), encoding="utf-8")
    sys.stderr = io.TextIOWrapper(
        io.BufferedWriter(io.FileIO(2, "w", closefd=False)),
        encoding="utf-8",
        errors="backslashreplace",
        write_through=True,
    )


def _run(request: dict[str, Any], observer: _Observer) -> dict[str, Any]:
    sandbox = request["sandbox"]
    os.environ.clear()
    os.environ.update(request["environment"])
    os.chdir(f"{sandbox}/work")
    tempfile.tempdir = None
    _redirect(sandbox)
    _limit()
    observer.sandbox, observer.secret, observer.ports, observer.broken = (
        sandbox,
        request["secret"],
        request["ports"],
        [],
    )
    code: Any = None
    interrupt = threading.Timer(request["interrupt_after"], os.kill, (os.getpid(), signal.SIGINT))
    observer.interrupt = interrupt if request["interrupt_after"] else None
    try:
        main(request["arguments"])
    except SystemExit as exit_request:
        code = 0 if exit_request.code is None else exit_request.code
    except BaseException as error:  # noqa: BLE001 - any exception that leaves the program is a defect
        observer.broken.append(f"uncaught {type(error).__name__}: {error}")
    interrupt.cancel()
    observer.interrupt, observer.sandbox = None, ""
    signal.alarm(0)
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            stream.flush()
    return {"code": code, "broken": observer.broken}


def _serve() -> None:
    requests, answers = (int(number) for number in sys.argv[1:])
    # The jitter of pauses before a request is repeated: repeat it at once.
    random.uniform = lambda _, __: 0.0  # type: ignore[assignment]
    download._FIRST_PAUSE = 0  # type: ignore[misc]  # noqa: SLF001 - the same for servers of advisories
    # In a new installation, the library for HCL stores the tables of its parser beside its code at the first use.
    parser()
    observer = _Observer()
    sys.addaudithook(observer)
    with open(requests, encoding="utf-8") as lines, open(answers, "w", encoding="utf-8") as replies:  # noqa: PTH123
        for line in lines:
            print(json.dumps(_run(json.loads(line), observer)), file=replies, flush=True)


_serve()
