"""Servers as processes of their own on the loopback address, and clients of them."""

from __future__ import annotations

import abc
import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import httpx2

ROOT: Final = Path(__file__).parents[2]
COMMAND: Final = (sys.executable, "-c", "from kubekeep_server.process.command import command; command()")
SOURCE: Final = ROOT / "server" / "src"
SECONDS: Final = 120
_LISTENING: Final = re.compile(r"event=listening url=(\S+)")


def environment(source: Path = SOURCE) -> dict[str, str]:
    """Return the environment of a server: that of the tests without settings. source: the folder of its package."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("KUBEKEEP_SERVER_")}
    return {**kept, "PYTHONPATH": f"{source}{os.pathsep}{ROOT / 'src'}"}


class TestServer(abc.ABC):
    """A server for tests, with clients. folder: its working folder. options: with the name of its database."""

    __test__ = False
    """pytest collects nothing of it."""

    def __init__(self, folder: Path, *options: str) -> None:
        self.folder = folder
        self.options = options
        self.url = ""
        self.log_file: Path
        self._clients: list[httpx2.Client] = []

    @abc.abstractmethod
    def run(self, *arguments: str, input: str = "") -> str:
        """Return the output of a subcommand on the same database."""

    @property
    @abc.abstractmethod
    def is_running(self) -> bool:
        """False after its end."""

    @property
    def log(self) -> str:
        """Lines that it has printed."""
        return self.log_file.read_text()

    def wait_until_ready(self) -> None:
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx2.TransportError):
                if httpx2.get(f"{self.url}/readyz", verify=False).status_code == 200:
                    return
            time.sleep(0.05)
        raise AssertionError(self.log)

    def wait_for(self, pattern: re.Pattern[str]) -> re.Match[str]:
        """Wait until the server prints a text."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline and self.is_running:
            if match := pattern.search(self.log):
                return match
            time.sleep(0.05)
        raise AssertionError(self.log)

    def create_token(self, role: str = "agent", *scopes: str) -> str:
        names = [word for scope in scopes or ("*",) for word in ("--scope", scope)]
        return self.run("token", "create", "--name", f"{role} of a test", "--role", role, *names)

    def client(self, token: str = "") -> httpx2.Client:
        """Return a client that is closed with the server."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        client = httpx2.Client(base_url=self.url, headers=headers, timeout=SECONDS)
        self._clients.append(client)
        return client

    def close_clients(self) -> None:
        while self._clients:
            self._clients.pop().close()


class LiveServer(TestServer):
    """A server process. source: the folder of its package."""

    def __init__(self, folder: Path, *options: str, wait: bool = True) -> None:
        """Start it, and wait until it is ready if `wait` is set."""
        super().__init__(folder, *options)
        self.source = SOURCE
        self.process: subprocess.Popen[bytes]
        self.start(wait=wait)

    def start(self, *, wait: bool = True) -> None:
        """Start the process, again after an end; its port may be another one."""
        self.log_file = self.folder / f"server-{time.monotonic_ns()}.log"
        arguments = ("--listen", "127.0.0.1:0", *self.options)
        with self.log_file.open("wb") as log:
            self.process = subprocess.Popen(
                [*COMMAND, *arguments],
                cwd=self.folder,
                # The folder of a demo is not left behind by a killed process.
                env={**environment(self.source), "TMPDIR": str(self.folder)},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self.url = self.wait_for(_LISTENING).group(1)
        if wait:
            self.wait_until_ready()

    def run(self, *arguments: str, input: str = "") -> str:
        """Return the output of a subcommand on the same database."""
        command = [*COMMAND, *self.options, *arguments]
        ended = subprocess.run(
            command, cwd=self.folder, env=environment(), capture_output=True, text=True, check=False, input=input
        )
        assert ended.returncode == 0, ended.stderr
        return ended.stdout.strip()

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and return the exit code."""
        if self.is_running:
            self.process.send_signal(number)
        return self.process.wait(SECONDS)

    def close(self) -> None:
        """Kill the process and close the clients, which other threads may use until now."""
        self.stop(signal.SIGKILL)
        self.close_clients()


@contextlib.contextmanager
def run_server(folder: Path, *options: str) -> Iterator[LiveServer]:
    """Run a server until the end of the block."""
    server = LiveServer(folder, *options)
    try:
        yield server
    finally:
        server.close()
