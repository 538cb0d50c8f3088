"""Journal entries of one process, read with `journalctl`. Changes nothing and reads no other process's entries.

The journal folder is opened here and passed as a descriptor, so that no link leads out of the root; the arguments are
fixed, and time, length and number of bytes are limited.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO, Final

import msgspec

from kubekeep.sources.host.root import HostReadError, MissingFileError, NodeRoot
from kubekeep.sources.signals import defer_signals

_FOLDERS: Final = ("/var/log/journal", "/run/log/journal")
"""Persistent and volatile folders of journald (systemd-journald.service(8))."""
_BOOT: Final = re.compile(r"[0-9a-f]{32}")
_SECONDS: Final = 20.0
_LONGEST_LINE: Final = 1 << 20
_MOST_BYTES: Final = 64 << 20


class _JournalEntry(msgspec.Struct, frozen=True):
    """An entry in the format of `--output=json`: text that is not UTF-8 is a list of bytes."""

    message: str | list[int] | None = msgspec.field(name="MESSAGE", default=None)
    monotonic: str = msgspec.field(name="__MONOTONIC_TIMESTAMP", default="")


def read_messages(root: NodeRoot, pid: int, since: float) -> Iterator[str]:
    """Yield the messages of process `pid` since `since`, in seconds after boot; oldest first.

    Raises HostReadError.
    """
    boot = root.read_text("/proc/sys/kernel/random/boot_id", 100).strip().replace("-", "")
    if not _BOOT.fullmatch(boot):
        raise HostReadError("the id of the current boot is unknown")
    program = shutil.which("journalctl")
    if program is None:
        raise HostReadError("journalctl is not installed")
    has_folder = False
    for path in _FOLDERS:
        try:
            with root.open_folder(path) as descriptor:
                has_folder = True
                yield from _read_entries(program, descriptor, (f"_BOOT_ID={boot}", f"_PID={pid}"), since)
        except MissingFileError:
            continue
    if not has_folder:
        raise HostReadError(f"neither {' nor '.join(_FOLDERS)} exists")


def _read_entries(program: str, folder: int, matches: tuple[str, ...], since: float) -> Iterator[str]:
    """Yield the text of the entries that match all of `matches`."""
    directory = f"--directory=/proc/self/fd/{folder}"
    options = ("--quiet", "--no-pager", "--all", "--output=json", "--output-fields=MESSAGE")
    with _run([program, directory, *options, *matches], folder) as output:
        for line in _read_lines(output):
            try:
                entry = msgspec.json.decode(line, type=_JournalEntry)
            except msgspec.DecodeError:
                raise HostReadError("the output of journalctl is not JSON") from None
            # The clock of the journal stops during suspend: entries may be missed then, but never added.
            if entry.monotonic.isdecimal() and int(entry.monotonic) >= since * 1e6:
                yield _decode_message(entry.message)


@contextmanager
def _run(command: list[str], folder: int) -> Iterator[IO[bytes]]:
    """Run a program and provide its output; ends it on exit or timeout. Raises HostReadError."""
    deadline = time.monotonic() + _SECONDS
    try:
        with defer_signals():
            process = subprocess.Popen(  # noqa: S603 - an argument list, and the program is journalctl
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={"LC_ALL": "C"},
                cwd="/",
                pass_fds=(folder,),
            )
    except OSError as error:
        raise HostReadError(f"journalctl cannot be started: {error.strerror}") from None
    timer = threading.Timer(_SECONDS, process.kill)
    timer.start()
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    try:
        yield process.stdout
        # The program closed its output, or was killed.
        code = process.wait()
    finally:
        timer.cancel()
        process.kill()
        process.wait()
        process.stdout.close()
    if time.monotonic() > deadline:
        raise HostReadError(f"journalctl did not finish within {_SECONDS:g} seconds")
    if code:
        raise HostReadError(f"journalctl failed with exit code {code}")


def _read_lines(output: IO[bytes]) -> Iterator[bytes]:
    size = 0
    while line := output.readline(_LONGEST_LINE + 1):
        size += len(line)
        if len(line) > _LONGEST_LINE or size > _MOST_BYTES:
            raise HostReadError(
                f"the entries in the journal exceed {_MOST_BYTES >> 20} MiB, or one entry exceeds 1 MiB"
            )
        yield line


def _decode_message(message: str | list[int] | None) -> str:
    if isinstance(message, list):
        return bytes(byte & 0xFF for byte in message).decode("utf-8", "replace")
    return message or ""
