"""A real registry on the loopback address: Debian's `docker-registry`. Never installs it."""

from __future__ import annotations

import contextlib
import http.server
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kubekeep.registry.reference import ArtifactReference
from tests.ports import check_port, run_on_free_port

_SECONDS = 120


class Service(msgspec.Struct, frozen=True):
    """A running registry: its address and the folder of its blobs."""

    address: str
    storage: Path

    def reference(self, repository: str, tag: str = "1.0") -> ArtifactReference:
        return ArtifactReference(self.address, repository, tag)

    def blob(self, digest: str) -> Path:
        """Return the file of a blob or a manifest."""
        algorithm, _, value = digest.partition(":")
        return self.storage / "docker" / "registry" / "v2" / "blobs" / algorithm / value[:2] / value / "data"

    def repoint(self, repository: str, tag: str, digest: str) -> None:
        """Change a tag in storage, bypassing the registry's API."""
        manifests = self.storage / "docker" / "registry" / "v2" / "repositories" / repository / "_manifests"
        (manifests / "tags" / tag / "current" / "link").write_text(digest)


@contextlib.contextmanager
def run_registry(
    folder: Path, *, auth: dict[str, Any] | None = None, tls: dict[str, str] | None = None
) -> Iterator[Service]:
    """Run a registry with its storage in `folder`; skip the test if `docker-registry` is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        assert "CI" not in os.environ, "CI needs Debian's package docker-registry"
        pytest.skip("docker-registry is not installed")
    storage = folder / "data"
    storage.mkdir(parents=True)
    with run_on_free_port(lambda port: _run(program, folder, port, auth, tls)) as address:
        yield Service(address, storage)


@contextlib.contextmanager
def _run(
    program: str, folder: Path, port: int, auth: dict[str, Any] | None, tls: dict[str, str] | None
) -> Iterator[str]:
    """Run a registry and yield its address."""
    # JSON is valid YAML.
    settings = folder / "registry.yaml"
    settings.write_bytes(
        msgspec.json.encode(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(folder / "data")}},
                "http": {"addr": f"127.0.0.1:{port}", "secret": "for tests", "tls": tls or {}},
                "auth": auth or {},
            }
        )
    )
    with (
        (folder / "registry.log").open("wb") as log,
        subprocess.Popen(
            [program, "serve", settings],
            stdout=log,
            stderr=log,
            env={"PATH": os.environ["PATH"], "OTEL_TRACES_EXPORTER": "none"},
        ) as process,
    ):
        try:
            _wait_until_open(port, process, folder / "registry.log")
            yield f"127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_until_open(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until `port` accepts connections."""
    deadline = time.monotonic() + _SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            check_port(log.read_text())
            raise AssertionError(log.read_text())
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=_SECONDS):
            return
        time.sleep(0.02)
    raise TimeoutError(log.read_text())


@contextlib.contextmanager
def run_server(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """Run a server on the loopback address and yield its address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
