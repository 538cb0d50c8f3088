"""Child process for custom rules: started when it is needed, stopped at a limit, used again when it is free.

The process gets no file descriptors, no environment and no input of this process. It ends with this process, because its
standard input then ends. Its replies are not trusted.
"""

# ruff: noqa: S603 - an argv list of our own, without a shell

from __future__ import annotations

import atexit
import contextlib
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Final, TypeVar

import msgspec

import kubekeep
from kubekeep.engine.isolation.limits import RuleLimits, RuleStoppedError, RuleTimeError, format_size
from kubekeep.engine.isolation.messages import (
    Done,
    FrameError,
    Invalid,
    QueryError,
    Reply,
    Request,
    SetMemoryLimit,
    decode_reply,
    encode,
    read_frame,
    write_frame,
)
from kubekeep.engine.isolation.settings import RULE_PROCESS, process_environment
from kubekeep.engine.isolation.worker import OUT_OF_MEMORY
from kubekeep.engine.rego import RegoError

R = TypeVar("R", bound=Reply)
_logger: Final = logging.getLogger(__name__)
_PROGRAM: Final = "import sys; sys.path[:0] = sys.argv[1:]; from kubekeep.engine.isolation.worker import main; main()"
INVALID: Final = "returned an invalid reply"
INTERRUPTED: Final = "was interrupted"
_ERROR_BYTES: Final = 4096
_WAIT_SECONDS: Final = 10.0
_MAX_IDLE: Final = 8


class RuleProcess:
    """A running process. It has ended after an error."""

    def __init__(self, limits: RuleLimits) -> None:
        """Start the process. Raises RuleStoppedError."""
        self.limits = limits
        self._errors = bytearray()
        self._is_late = False
        try:
            self._process = subprocess.Popen(
                _build_command(),
                cwd=Path(kubekeep.__file__).parent,
                env=process_environment(),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            raise RuleStoppedError(f"could not be started in a process of its own: {error}") from error
        _logger.debug("started process %d for custom rules", self._process.pid)
        self._stdin, self._stdout, stderr = (
            _require_pipe(stream) for stream in (self._process.stdin, self._process.stdout, self._process.stderr)
        )
        self._reader = threading.Thread(target=_keep_end, args=(stderr, self._errors), daemon=True)
        self._reader.start()
        self.call(SetMemoryLimit(seconds=limits.start_seconds, memory=limits.memory), Done)

    @property
    def pid(self) -> int:
        """The process ID."""
        return self._process.pid

    @property
    def is_running(self) -> bool:
        """True if the process has not ended."""
        return self._process.poll() is None

    def call(self, request: Request, expected: type[R]) -> R:
        """Return the reply to a request.

        Raises RuleStoppedError, after which the process has ended; ValueError for modules that do not compile, and
        RegoError for the error of a query.
        """
        reply = self._exchange(request, expected)
        match reply:
            case Invalid(message=message):
                raise ValueError(message)
            case QueryError():
                raise RegoError(reply.code, reply.message, reply.file, reply.line, reply.column)
        return reply

    def _exchange(self, request: Request, expected: type[R]) -> R | Invalid | QueryError:
        started = time.monotonic()
        timer = threading.Timer(request.seconds, self._stop_late)
        timer.daemon = True
        timer.start()
        is_complete, problem = False, ""
        try:
            write_frame(self._stdin, encode(request))
            reply = decode_reply(read_frame(self._stdout, self.limits.output))
            if isinstance(reply, (expected, Invalid, QueryError)) and not self._is_late:
                is_complete = True
                return reply
            problem = INVALID
        except FrameError:
            problem = f"returned more than {format_size(self.limits.output)}"
        except (msgspec.MsgspecError, RecursionError):
            problem = INVALID
        except (OSError, EOFError):
            self._await_end()
        finally:
            timer.cancel()
            _logger.debug("%s took %.2f s", type(request).__name__, time.monotonic() - started)
            if not is_complete:
                # Also after an interruption: the next reply would be the one to this request.
                self.close()
        if self._is_late:
            raise RuleTimeError(request.seconds)
        raise RuleStoppedError(problem or self._explain(self._process.returncode))

    def kill(self) -> None:
        """Kill the process; a thread that waits for a reply gets a RuleStoppedError."""
        with contextlib.suppress(OSError):
            self._process.kill()

    def close(self) -> None:
        """End the process."""
        self.kill()
        for stream in (self._stdin, self._stdout):
            with contextlib.suppress(OSError):
                stream.close()
        code = self._process.wait()
        _logger.debug("process %d ended with code %d", self._process.pid, code)
        self._reader.join(_WAIT_SECONDS)

    def _stop_late(self) -> None:
        self._is_late = True
        self.kill()

    def _await_end(self) -> None:
        """Wait for the exit code of a process that has closed its pipes."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_WAIT_SECONDS)

    def _explain(self, code: int) -> str:
        errors = bytes(self._errors)
        if code == OUT_OF_MEMORY or b"memory allocation of" in errors:
            return f"used more than {format_size(self.limits.memory)} of memory"
        if b"overflowed its stack" in errors:
            return "is nested too deeply: it overflowed the stack"
        if code == -getattr(signal, "SIGXCPU", 0):
            return "used more processor time than allowed"
        return f"ended with signal {-code}" if code < 0 else f"ended with code {code}"


def _build_command() -> list[str]:
    """Return the command that starts the process."""
    if getattr(sys, "frozen", False):
        return [sys.executable, RULE_PROCESS]
    # The folders of both packages: the process reads no other variable and no file for its search path.
    folders = dict.fromkeys(str(Path(module.__file__ or "").parents[1]) for module in (kubekeep, msgspec))
    return [sys.executable or "", "-IS", "-c", _PROGRAM, *folders]


def _require_pipe(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise RuleStoppedError("could not be started in a process of its own: no pipes")
    return stream


def _keep_end(stream: IO[bytes], content: bytearray) -> None:
    """Read standard error to its end, and keep the last bytes."""
    with contextlib.suppress(OSError, ValueError), stream:
        while chunk := stream.read1(_ERROR_BYTES):  # type: ignore[attr-defined]
            content += chunk
            del content[:-_ERROR_BYTES]


_idle: Final[list[RuleProcess]] = []
"""Free processes. Only `append` and `pop` change it, which need no lock."""


def take_process(limits: RuleLimits) -> RuleProcess:
    """Return a free process with these limits, or a new one. Raises RuleStoppedError."""
    while _idle:
        try:
            process = _idle.pop()
        except IndexError:
            break
        if process.is_running and process.limits == limits:
            return process
        process.close()
    return RuleProcess(limits)


def return_process(process: RuleProcess) -> None:
    """Keep a process for its next use, if it still runs."""
    if process.is_running and len(_idle) < _MAX_IDLE:
        _idle.append(process)
    else:
        process.close()


@contextlib.contextmanager
def borrow_process(limits: RuleLimits) -> Iterator[RuleProcess]:
    """Yield a process for some requests. Raises RuleStoppedError."""
    process = take_process(limits)
    try:
        yield process
    finally:
        return_process(process)


@atexit.register
def _close_idle() -> None:
    while _idle:
        _idle.pop().close()
