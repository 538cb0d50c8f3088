"""A TUF repository of the library's metadata API, in a folder that a server on the loopback address publishes."""

from __future__ import annotations

import contextlib
import datetime as dt
import hashlib
import http.server
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]  # its __init__ exports it
from tuf.api.metadata import (  # type: ignore[attr-defined]  # the module of the library's documentation
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from tests.loopback import serving

TARGET = "trusted_root.json"
ROLES = ("root", "timestamp", "snapshot", "targets")


class TufRepository:
    """The repository. Signers can be replaced, versions set and times changed between publications."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.now = dt.datetime.now(dt.UTC).replace(microsecond=0)
        self.lifetimes = {"root": 180, "targets": 180, "snapshot": 14, "timestamp": 7}
        self.versions = dict.fromkeys(ROLES, 0)
        self.names = (TARGET,)
        (folder / "targets").mkdir(parents=True)

    def publish_root(self, *signers: CryptoSigner) -> bytes:
        """Write the next root.json, signed by the present root key and by `signers`, such as the key before it."""
        self.versions["root"] += 1
        root = Root(version=self.versions["root"], expires=self._expire("root"), consistent_snapshot=True)
        for role in ROLES:
            root.add_key(self.signers[role].public_key, role)
        content = self._sign(root, self.signers["root"], *signers)
        (self.folder / f"{root.version}.root.json").write_bytes(content)
        return content

    def rotate_root(self) -> None:
        """Replace the root key, as the old and the new one agree."""
        old, self.signers["root"] = self.signers["root"], CryptoSigner.generate_ed25519()
        self.publish_root(old)

    def publish(self, content: bytes, others: dict[str, bytes] | None = None) -> None:
        """Write the target, others by name, and the next versions of targets, snapshot and timestamp."""
        targets = Targets(version=self._next("targets"), expires=self._expire("targets"))
        for name, target in (dict.fromkeys(self.names, content) | (others or {})).items():
            targets.targets[name] = TargetFile.from_data(name, target)
            digest = hashlib.sha256(target).hexdigest()
            (self.folder / "targets" / f"{digest}.{name}").write_bytes(target)
        encoded = self._sign(targets, self.signers["targets"])
        (self.folder / f"{targets.version}.targets.json").write_bytes(encoded)
        self.publish_snapshot()

    def publish_snapshot(self) -> None:
        meta = {"targets.json": MetaFile(self.versions["targets"])}
        snapshot = Snapshot(version=self._next("snapshot"), expires=self._expire("snapshot"), meta=meta)
        encoded = self._sign(snapshot, self.signers["snapshot"])
        (self.folder / f"{snapshot.version}.snapshot.json").write_bytes(encoded)
        self.publish_timestamp()

    def publish_timestamp(self) -> None:
        timestamp = Timestamp(
            version=self._next("timestamp"),
            expires=self._expire("timestamp"),
            snapshot_meta=MetaFile(self.versions["snapshot"]),
        )
        (self.folder / "timestamp.json").write_bytes(self._sign(timestamp, self.signers["timestamp"]))

    def find_target(self) -> Path:
        """Return the file of the newest target."""
        return max((self.folder / "targets").iterdir(), key=lambda path: path.stat().st_mtime_ns)

    def _next(self, role: str) -> int:
        self.versions[role] += 1
        return self.versions[role]

    def _expire(self, role: str) -> dt.datetime:
        return self.now + dt.timedelta(days=self.lifetimes[role])

    @staticmethod
    def _sign(signed: Any, *signers: CryptoSigner) -> bytes:
        metadata: Metadata[Any] = Metadata(signed)
        for signer in signers:
            metadata.sign(signer, append=True)
        return metadata.to_bytes()


class RepositoryServer:
    """A served repository. before: called with the path of each request. The other texts are paths with such answers."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.before: Callable[[str], None] = lambda _: None
        self.endless = ""
        self.redirected = ""
        self.failing = ""
        self.silent = ""
        self.has_begun = threading.Event()
        self.is_over = threading.Event()


@contextlib.contextmanager
def run_repository(folder: Path) -> Iterator[RepositoryServer]:
    """Serve the repository in a folder on the loopback address."""
    server = RepositoryServer()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments, directory=str(folder))

        def do_GET(self) -> None:
            server.requests.append(self.path)
            server.before(self.path)
            if self.path == server.silent:
                server.has_begun.set()
                server.is_over.wait(60)
            elif self.path == server.redirected:
                self.send_response(302)
                self.send_header("Location", f"{server.url}/elsewhere")
                self.end_headers()
            elif self.path == server.failing:
                self.send_error(500)
            elif self.path == server.endless:
                self.send_response(200)
                self.end_headers()
                with contextlib.suppress(OSError):
                    while not server.is_over.is_set():
                        self.wfile.write(b" " * 65536)
            else:
                super().do_GET()

    with serving(Handler) as port:
        server.url = f"http://127.0.0.1:{port}"
        try:
            yield server
        finally:
            server.is_over.set()
