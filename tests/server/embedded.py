"""Servers in the process of the tests, on the loopback address: the code of `kubekeep server` in a thread, without signals.

Tests of signals, kills, upgrades, the command line, settings of the environment, and limits of a process need `tests.server.live`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import contextvars
import functools
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final, TextIO

import msgspec
from click.testing import CliRunner

from kubekeep_server.process.command import command
from kubekeep_server.process.data_folder import create_data_folder
from kubekeep_server.process.demo import write_demo
from kubekeep_server.process.logs import configure_logs
from kubekeep_server.process.serving import ServerProcess
from kubekeep_server.settings import Settings, load_settings
from kubekeep_server.store.engine import open_file_engine, upgrade
from tests.server.live import SECONDS, TestServer

_PATHS: Final = (
    "data",
    "tls_certificate",
    "tls_key",
    "kubescape_artifacts",
    "advisories_folder",
    "bundles_folder",
    "secret_key_file",
)
"""Settings with paths, which are relative to the folder of the server."""


class _LogRouter:
    """The stream of the log of this process. Each line is for the server of its thread, or for all if that is unknown."""

    def __init__(self) -> None:
        self.files: list[TextIO] = []
        self.current: contextvars.ContextVar[TextIO | None] = contextvars.ContextVar("log of a server", default=None)

    def write(self, text: str) -> None:
        file = self.current.get()
        for each in [file] if file in self.files else [*self.files, sys.__stderr__]:
            if each is not None:
                each.write(text)

    def flush(self) -> None:
        """Do nothing: files are buffered by lines."""


_router: Final = _LogRouter()


class EmbeddedServer(TestServer):
    """A server in a thread. options: as for `kubekeep server`; their paths are relative to the folder."""

    def __init__(self, folder: Path, *options: str) -> None:
        """Start it, and wait until it is ready."""
        super().__init__(folder, *options)
        self.start()

    def start(self) -> None:
        """Start it, again after an end; its port may be another one. Raises SettingsError."""
        self.log_file = self.folder / f"server-{time.monotonic_ns()}.log"
        self._log = self.log_file.open("w", buffering=1)
        _configure_logs()
        _router.files.append(self._log)
        # A browser runs an event loop in the thread of the test.
        self._thread = concurrent.futures.ThreadPoolExecutor(1, "server", _router.current.set, (self._log,))
        try:
            self._process = self._thread.submit(self._bind).result()
        except BaseException:
            self._close_log()
            raise
        self.url = self._process.url
        self._serving = self._thread.submit(self._process.serve)
        self.wait_until_ready()

    def run(self, *arguments: str, input: str = "") -> str:
        """Return the output of a subcommand on the same database."""
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            return pool.submit(self._run, arguments, input).result()

    @property
    def is_running(self) -> bool:
        return not self._serving.done()

    def stop(self) -> bool:
        """End it after the requests that it has. Return False if the tables could not be changed."""
        self._process.stop()
        try:
            return self._serving.result(SECONDS)
        finally:
            self._close_log()

    def close(self) -> None:
        """Close the clients, which other threads may use until now, and end the server."""
        self.close_clients()
        self.stop()

    def _bind(self) -> ServerProcess:
        settings = self._load_settings()
        if not self._parse_options()["demo"]:
            _create_tables(settings)
            return ServerProcess(settings, self._log_link)
        process = ServerProcess(settings, self._log_link)
        write_demo(settings)
        return process

    def _log_link(self, text: str) -> None:
        self._log.write(f"{text}\n")

    def _run(self, arguments: tuple[str, ...], text: str) -> str:
        values = self._parse_options()
        settings = self._load_settings()
        options = ["--config", values["config"]] if values["config"] else []
        options += ["--database", settings.database] if settings.database else ["--data", settings.data]
        result = CliRunner().invoke(command, [*options, *arguments], input=text)
        assert result.exit_code == 0, (result.output, result.exception)
        return result.stdout.strip()

    def _parse_options(self) -> dict[str, Any]:
        arguments = ["--listen", "127.0.0.1:0", *self.options]
        values = command.make_context("kubekeep server", arguments).params
        return values | {"config": str(self.folder / values["config"]) if values["config"] else ""}

    def _load_settings(self) -> Settings:
        values = self._parse_options()
        del values["demo"]
        settings = load_settings(values.pop("config"), values)
        paths = {name: str(self.folder / path) for name in _PATHS if (path := getattr(settings, name))}
        if settings.oidc is not None and settings.oidc.client_secret_file:
            secret = str(self.folder / settings.oidc.client_secret_file)
            paths["oidc"] = msgspec.structs.replace(settings.oidc, client_secret_file=secret)  # type: ignore[assignment]
        return msgspec.structs.replace(settings, **paths)

    def _close_log(self) -> None:
        self._thread.shutdown(wait=False)
        if self._log in _router.files:
            _router.files.remove(self._log)
        self._log.close()


@functools.cache
def _configure_logs() -> None:
    configure_logs("text", _router)


@functools.cache
def _build_database() -> bytes:
    """Return a file of SQLite with the tables of this version."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "kubekeep.sqlite"
        engine = open_file_engine(f"sqlite:///{file}")
        with engine.begin() as connection:
            upgrade(connection)
        engine.dispose()
        return file.read_bytes()


def _create_tables(settings: Settings) -> None:
    """Make the file of a new database of SQLite, which takes less time than its migrations."""
    create_data_folder(settings)
    file = Path(settings.database_url.removeprefix("sqlite:///"))
    if not settings.database and not file.exists():
        file.write_bytes(_build_database())


@contextlib.contextmanager
def run_server(folder: Path, *options: str) -> Iterator[EmbeddedServer]:
    """Run a server until the end of the block."""
    server = EmbeddedServer(folder, *options)
    try:
        yield server
    finally:
        server.close()
