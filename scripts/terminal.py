"""Run a command in a pseudo-terminal and return what it shows. Runs on POSIX systems only."""

from __future__ import annotations

import fcntl
import os
import pty
import struct
import subprocess
import termios
from collections.abc import Mapping, Sequence
from pathlib import Path


def run_in_terminal(
    command: Sequence[str], columns: int, environment: Mapping[str, str], folder: Path | None = None
) -> str:
    """Return the output of a command, with its control sequences, in a terminal of so many columns and 50 lines."""
    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    with subprocess.Popen(command, stdin=follower, stdout=follower, stderr=follower, cwd=folder, env=environment):
        os.close(follower)
        output = b""
        while True:
            try:
                part = os.read(leader, 65_536)
            except OSError:  # Linux raises EIO after the other side has closed
                break
            if not part:
                break
            output += part
    os.close(leader)
    return output.decode().replace("\r\n", "\n")
