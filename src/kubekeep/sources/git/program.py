"""The program `git` as a child process with limits on time, output and memory, and an optional watcher.

Its environment has only the variables listed here, so that no variable of a hook, a shell or a pipeline affects it.
Settings are passed in the environment, and credentials are removed from messages. Never prompts, never waits for a
terminal, never starts a pager or an editor.
"""

# Paths are text for git, so os.path and not pathlib:
# ruff: noqa: PTH100, PTH117

from __future__ import annotations

import contextlib
import functools
import logging
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

from kubekeep.model.text import visible
from kubekeep.sources.git.errors import GitError, GitLimitError
from kubekeep.sources.process_limits import set_process_limits
from kubekeep.sources.signals import defer_signals

OLDEST: Final = (2, 32)
"""Oldest version with GIT_CONFIG_COUNT and GIT_CONFIG_GLOBAL: older ones would silently ignore settings."""
TOP: Final = os.path.abspath(os.sep)
"""A folder in no repository, except one of the administrator."""
OUTPUT: Final = 64 << 20
"""Maximum bytes of standard output."""
_MEMORY_LIMIT: Final = 2 << 30
_logger: Final = logging.getLogger(__name__)
_ERROR_BYTES: Final = 64 << 10
_LONGEST_MESSAGE: Final = 600
_VERSION_SECONDS: Final = 10
_FIRST_PAUSE: Final = 0.05
_JOIN_SECONDS: Final = 3.0
_VERSION: Final = re.compile(rb"git version (\d+)\.(\d+)")
_USER_INFO: Final = re.compile(r"(?<=://)[^/@\s'\"]*@")
_NOISE: Final = re.compile(r"warning: |hint: |remote: (Enumerating|Counting|Compressing|Total)|\s*$")
_INHERITED_VARIABLES: Final = (
    "PATH", "HOME", "USER", "LOGNAME", "XDG_CONFIG_HOME", "TMPDIR", "TEMP", "TMP",
    "SYSTEMROOT", "USERPROFILE", "APPDATA", "LOCALAPPDATA", "PROGRAMDATA", "PATHEXT", "COMSPEC",
)  # fmt: skip


Watcher = Callable[[], str | None]
"""Called while git runs; returns the reason to stop it, or None."""


class Git:
    """Git with one set of settings.

    environment: variables of this process, of which git gets the search path and the user's folders. variables: further
    variables. config: configuration keys and values with precedence over all files. secrets: texts removed from
    messages. Raises GitError if git is missing or too old.
    """

    def __init__(
        self,
        environment: Mapping[str, str],
        *,
        config: Sequence[tuple[str, str]] = (),
        variables: Mapping[str, str] | None = None,
        secrets: Sequence[str] = (),
        memory: int = _MEMORY_LIMIT,
    ) -> None:
        self._environment = _build_environment(environment, config, variables or {})
        self._secrets = sorted(filter(None, secrets), key=len, reverse=True)
        self._memory = memory
        self._program = _find_program(self._environment["PATH"])

    def run(
        self,
        arguments: Sequence[str],
        *,
        folder: str,
        seconds: float,
        output: int = OUTPUT,
        watch: Watcher | None = None,
        exit_codes: Sequence[int] = (0,),
    ) -> bytes:
        """Run git in `folder` and return its output, at most `output` bytes.

        watch: called at intervals at least five times as long as the call takes. Raises GitError, also for exit codes
        that are not in `exit_codes`.
        """
        command = [self._program, "--no-pager", *arguments]
        with contextlib.ExitStack() as stack:
            with defer_signals():
                process = self._start(command, folder)
                stack.enter_context(process)
                stack.callback(_kill, process)
            assert process.stdout is not None  # noqa: S101 - for types: they are pipes
            assert process.stderr is not None  # noqa: S101
            set_process_limits(process.pid, memory=self._memory)
            readers = _PipeReader(process.stdout, output), _PipeReader(process.stderr, _ERROR_BYTES)
            stop_reason = _wait(process, time.monotonic() + seconds, watch, readers[0])
            _kill(process)
            for reader in readers:
                # A process that git leaves running, as a shared connection of ssh, may keep the pipe open.
                reader.join(_JOIN_SECONDS)
        name = next(argument for argument in arguments if not argument.startswith("-"))
        _logger.debug("git %s ended with code %d", name, process.returncode)
        if stop_reason or readers[0].is_full:
            raise GitLimitError(f"git {name} was stopped: {stop_reason or f'more than {output} bytes of output'}")
        if process.returncode not in exit_codes:
            raise GitError(self._create_message(bytes(readers[1].content), name, process.returncode))
        return bytes(readers[0].content)

    def _start(self, command: Sequence[str], folder: str) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - a list, and the program is git
                command,
                cwd=folder,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # Without a terminal no child of git can prompt for a password, and all can be killed as one group.
                start_new_session=True,
            )
        except (OSError, ValueError) as error:
            text = error.strerror if isinstance(error, OSError) else str(error)
            raise GitError(f"git cannot be started: {text}") from None

    def redact(self, text: str) -> str:
        """Return a text on one line, without secrets and the user part of addresses."""
        for secret in self._secrets:
            text = text.replace(secret, "***")
        return visible(_USER_INFO.sub("***@", text))

    def _create_message(self, errors: bytes, name: str, code: int) -> str:
        text = errors.decode("utf-8", "replace")
        lines = [line for line in text.splitlines() if not _NOISE.match(line)]
        # A server may send any number of lines; the lines of git come last.
        message = self.redact(" / ".join(lines[-4:]))[:_LONGEST_MESSAGE]
        return message or f"git {name} failed with exit code {code}"


@functools.cache
def _find_program(path: str) -> str:
    """Return the git of a search path. Raises GitError if it is missing or too old."""
    program = shutil.which("git", path=path)
    if program is None:
        raise GitError("git is not installed")
    try:
        command = [program, "version"]
        output = subprocess.run(command, capture_output=True, check=False, timeout=_VERSION_SECONDS, cwd=TOP)  # noqa: S603 - a list
    except (OSError, subprocess.TimeoutExpired):
        raise GitError(f"{program}: cannot determine the version of git") from None
    version = _VERSION.match(output.stdout)
    if version is None or (int(version[1]), int(version[2])) < OLDEST:
        raise GitError(f"{program}: git {OLDEST[0]}.{OLDEST[1]} or newer is required")
    return program


def _build_environment(
    environment: Mapping[str, str], config: Sequence[tuple[str, str]], variables: Mapping[str, str]
) -> dict[str, str]:
    child = {name: environment[name] for name in _INHERITED_VARIABLES if name in environment}
    # A relative entry would run programs of the scanned folder.
    child["PATH"] = os.pathsep.join(
        folder for folder in environment.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(folder)
    )
    child |= {
        "LC_ALL": "C",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "",
        "GIT_EDITOR": "false",
        "GIT_CONFIG_COUNT": str(len(config)),
    }
    for number, (key, value) in enumerate(config):
        child[f"GIT_CONFIG_KEY_{number}"] = key
        child[f"GIT_CONFIG_VALUE_{number}"] = value
    return child | dict(variables)


class _PipeReader(threading.Thread):
    """Reader of a pipe up to a limit; discards the rest, so that the writer never blocks."""

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__(daemon=True)
        self.content = bytearray()
        self.is_full = False
        self._stream = stream
        self._limit = limit
        self.start()

    def run(self) -> None:
        # The pipe may be closed by a kill while it is read.
        with contextlib.suppress(OSError, ValueError):
            while chunk := os.read(self._stream.fileno(), 1 << 16):
                self.content += chunk[: self._limit - len(self.content)]
                self.is_full = self.is_full or len(self.content) >= self._limit


def _wait(process: subprocess.Popen[bytes], deadline: float, watch: Watcher | None, reader: _PipeReader) -> str | None:
    """Wait for the end of a process. Return the reason to stop it early, or None."""
    pause = _FIRST_PAUSE
    while True:
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            return "time limit exceeded"
        # The end of the output is seen at once, while waiting for a process is polling.
        reader.join(min(pause, remaining))
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(0 if reader.is_alive() else min(pause, remaining))
            return watch() if watch else None
        if reader.is_full:
            return None
        started = time.monotonic()
        if watch and (reason := watch()):
            return reason
        pause = max(min(pause * 1.5, 0.5), 5 * (time.monotonic() - started))


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Kill git and its children, if it is still running."""
    if process.returncode is not None:
        return
    if sys.platform == "win32":
        process.kill()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
