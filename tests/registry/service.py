"""A real registry on the loopback address for a test: Debian's `docker-registry`. Never installs it."""

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

_SECONDS = 20


class Service(msgspec.Struct, frozen=True):
    """A registry that runs: where it listens, and the folder that its blobs are in."""

    address: str
    data: Path

    def reference(self, repository: str, tag: str = "1.0") -> ArtifactReference:
        return ArtifactReference(self.address, repository, tag)

    def blob(self, digest: str) -> Path:
        """The file that holds a blob or a manifest."""
        algorithm, _, value = digest.partition(":")
        return self.data / "docker" / "registry" / "v2" / "blobs" / algorithm / value[:2] / value / "data"

    def repoint(self, repository: str, tag: str, digest: str) -> None:
        """Let `tag` name another manifest of the repository, behind everybody's back."""
        manifests = self.data / "docker" / "registry" / "v2" / "repositories" / repository / "_manifests"
        (manifests / "tags" / tag / "current" / "link").write_text(digest)


@contextlib.contextmanager
def registry(
    folder: Path, *, auth: dict[str, Any] | None = None, tls: dict[str, str] | None = None
) -> Iterator[Service]:
    """A registry with its data in `folder`. Skips the test where `docker-registry` is not installed."""
    program = shutil.which("docker-registry")
    if program is None:
        assert "CI" not in os.environ, "CI needs Debian's package docker-registry"
        pytest.skip("docker-registry is not installed")
    data = folder / "data"
    data.mkdir(parents=True)
    port = free_port()
    # YAML holds all of JSON.
    settings = folder / "registry.yaml"
    settings.write_bytes(
        msgspec.json.encode(
            {
                "version": "0.1",
                "log": {"level": "error", "accesslog": {"disabled": True}},
                "storage": {"filesystem": {"rootdirectory": str(data)}},
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
            wait(port, process, folder / "registry.log")
            yield Service(f"127.0.0.1:{port}", data)
        finally:
            process.terminate()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def wait(port: int, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait until somebody listens at `port`."""
    until = time.monotonic() + _SECONDS
    while time.monotonic() < until:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.02)
    raise TimeoutError(log.read_text())


@contextlib.contextmanager
def serving(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    """The address of a server on the loopback address."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()
