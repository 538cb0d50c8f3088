"""Runs of members in a child process: one process for many members, replaced after a member has ended it."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final

import msgspec

from kubekeep.reports import names
from tests.hostile.member import Content, Link, Member, Run, Special

_FORMATS: Final = tuple(name for name in names() if name not in {"json", "pdf", "submission"})
"""Formats that take turns beside JSON; typesetting of a PDF takes too long to repeat it for every member, and a submission
requires a repository."""
_VARIABLES: Final = ("PATH", "PYTHONPATH", "LANG", "VIRTUAL_ENV", "SYSTEMROOT")
SECRET: Final = "content-outside-of-the-input"  # noqa: S105 - the content of a file
"""Content of the file `secret` beside all sandboxes, which no run may read."""


class BrokenPromiseError(AssertionError):
    """A member for which a promise does not hold."""


class Child:
    """A process that runs members one after the other below a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._count = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._requests: IO[str]
        self._answers: IO[str]
        self._secret = folder / "secret"
        self._secret.write_text(SECRET)

    def run(self, member: Member) -> Run:
        """Run one member in a new sandbox and return the result. Raises BrokenPromiseError."""
        sandbox = self._folder / f"member{self._count}"
        self._count += 1
        before = _create_sandbox(sandbox, member)
        report_format = _FORMATS[self._count % len(_FORMATS)]
        request = {
            "sandbox": str(sandbox),
            "secret": str(self._secret),
            "ports": [int(member.environment["TEST_PORT"])] if "TEST_PORT" in member.environment else [],
            "arguments": [
                argument.replace("{format}", report_format).replace("{work}", f"{sandbox}/work")
                for argument in member.arguments
            ],
            "interrupt_after": member.interrupt_after,
            "environment": _list_variables(sandbox)
            | {name: value.replace("{work}", f"{sandbox}/work") for name, value in member.environment.items()},
        }
        answer = self._send(request)
        run = _collect(sandbox, answer["code"])
        _check_sandbox(sandbox, before, member, answer["broken"])
        shutil.rmtree(sandbox, ignore_errors=True)
        return run

    def _send(self, request: dict[str, Any]) -> dict[str, Any]:
        if self._process is None:
            self._start()
        print(json.dumps(request), file=self._requests, flush=True)
        line = self._answers.readline()
        if not line:
            code = self._stop()
            errors = (Path(request["sandbox"]) / "stderr").read_bytes()[-500:]
            raise BrokenPromiseError(f"the process ended with {code}: {errors!r}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _start(self) -> None:
        requests, request_writer = os.pipe()
        answer_reader, answers = os.pipe()
        # Without -B, the first import of a module writes a file beside it.
        command = [sys.executable, "-B", "-m", "tests.hostile.child", str(requests), str(answers)]
        self._process = subprocess.Popen(command, pass_fds=(requests, answers), stdin=subprocess.DEVNULL)
        os.close(requests)
        os.close(answers)
        self._requests = os.fdopen(request_writer, "w", encoding="utf-8")
        self._answers = os.fdopen(answer_reader, encoding="utf-8")

    def _stop(self) -> int | None:
        if self._process is None:
            return None
        self._requests.close()
        self._answers.close()
        code, self._process = self._process.wait(), None
        return code

    def close(self) -> None:
        """End the process."""
        self._stop()


def _create_sandbox(sandbox: Path, member: Member) -> dict[str, bytes]:
    """Create the folders of a member and return the content of its regular files."""
    for name in ("work", "home", "tmp"):
        (sandbox / name).mkdir(parents=True)
    (sandbox / "stdin").write_bytes(member.stdin)
    for name, content in member.files.items():
        _write(sandbox / "work" / name, content)
    return dict(_read_files(sandbox / "work"))


def _write(path: Path, content: Content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    match content:
        case Link():
            path.symlink_to(content.target)
        case Special.FIFO:
            os.mkfifo(path)
        case Special.FOLDER:
            path.mkdir()
        case Special.SOCKET:
            with socket.socket(socket.AF_UNIX) as server, contextlib.chdir(path.parent):
                server.bind(path.name)  # relative, because addresses are short
        case str():
            path.write_bytes(content.encode("utf-8", "surrogatepass"))
        case _:
            path.write_bytes(content)


def _read_files(folder: Path) -> Iterator[tuple[str, bytes]]:
    for parent, _, file_names in os.walk(folder):
        for name in file_names:
            path = Path(parent, name)
            if path.is_symlink() or not path.is_file():
                yield str(path.relative_to(folder)), f"<{path.lstat().st_mode:o}>".encode()
            else:
                yield str(path.relative_to(folder)), path.read_bytes()


def _list_variables(sandbox: Path) -> dict[str, str]:
    inherited = {name: os.environ[name] for name in _VARIABLES if name in os.environ}
    return inherited | {"HOME": f"{sandbox}/home", "TMPDIR": f"{sandbox}/tmp"}  # noqa: S108 - below the sandbox


def _collect(sandbox: Path, code: int | None) -> Run:
    files = dict(_read_files(sandbox / "work"))
    report = {}
    if "report.json" in files:
        with contextlib.suppress(ValueError):
            report = msgspec.json.decode(files["report.json"])
    output, errors = ((sandbox / name).read_bytes().decode("utf-8", "surrogateescape") for name in ("stdout", "stderr"))
    return Run(code, output, errors, files, report if isinstance(report, dict) else {})


def _check_sandbox(sandbox: Path, before: dict[str, bytes], member: Member, broken: Sequence[str]) -> None:
    """Assert that nothing but reports and the named outputs has changed. Raises BrokenPromiseError."""
    after = dict(_read_files(sandbox / "work"))
    changes = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
    allowed = ("report", *member.outputs)
    problems = [f"changed {name!r}" for name in changes if not name.startswith(allowed)]
    problems += [f"left {path.name!r} in the temporary folder" for path in (sandbox / "tmp").iterdir()]
    problems += [f"wrote {path.name!r} into the home folder" for path in (sandbox / "home").iterdir()]
    if problems or broken:
        raise BrokenPromiseError("; ".join([*broken, *problems]))
