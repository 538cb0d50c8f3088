"""Releases on a loopback server, signed with a key pair of the test."""

from __future__ import annotations

import contextlib
import http.server
import io
import platform
import subprocess
import tarfile
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tests.loopback import serving

NAMESPACE: Final = "kubekeep-release"
SIGNER: Final = "release@kubekeep.io"
PLATFORM: Final = f"linux-{platform.machine()}"


class Key:
    """An SSH key pair, and the file of allowed signers with it."""

    def __init__(self, folder: Path, name: str = "key") -> None:
        self.path = folder / name
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(self.path)]
        subprocess.run(command, check=True, timeout=60)
        self.signers = folder / f"{name}.signers"
        public = self.path.with_suffix(".pub").read_text()
        self.signers.write_text(f'{SIGNER} namespaces="{NAMESPACE}" {public}')

    def sign(self, file: Path, namespace: str = NAMESPACE) -> Path:
        """Write the signature of a file beside it and return its path."""
        signature = file.with_name(f"{file.name}.sig")
        signature.unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-Y", "sign", "-f", str(self.path), "-n", namespace, str(file)]
        subprocess.run(command, check=True, timeout=60, capture_output=True)
        return signature


class Releases:
    """A folder with the addresses of GitHub releases."""

    def __init__(self, folder: Path, key: Key) -> None:
        self.folder = folder
        self.key = key
        self.latest = ""
        self.requests: list[str] = []
        self.truncated = False

    def path(self, version: str) -> Path:
        """Return the path of the archive of a version."""
        return self.folder / "releases" / "download" / f"v{version}" / f"kubekeep-{version}-{PLATFORM}.tar.xz"

    def add(self, version: str, archive: Path | None = None) -> Path:
        """Publish a version as the newest: the archive, or one with a small program, and its signature."""
        path = self.path(version)
        path.parent.mkdir(parents=True)
        if archive is None:
            write_archive(path, version)
        else:
            path.write_bytes(archive.read_bytes())
        self.key.sign(path)
        self.latest = version
        return path

    @contextlib.contextmanager
    def serve(self) -> Iterator[str]:
        """Yield the address of the server."""
        releases = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_HEAD(self) -> None:
                if self.path == "/releases/latest":
                    self.send_response(302)
                    self.send_header("Location", f"/releases/tag/v{releases.latest}")
                else:
                    self.send_response(200)
                self.end_headers()

            def do_GET(self) -> None:
                path = releases.folder / urllib.parse.unquote(self.path).lstrip("/")
                releases.requests.append(path.name)
                if not path.is_file():
                    self.send_error(404)
                    return
                content = path.read_bytes()
                self.send_response(200)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                if releases.truncated and path.suffix != ".sig":
                    content = content[: len(content) // 2]
                self.wfile.write(content)

        with serving(Handler) as port:
            yield f"http://127.0.0.1:{port}"


def write_archive(path: Path, version: str, program: str = "", folder: str = "") -> None:
    """Write an archive with a program that prints the version, a manual page and a completion file."""
    files = {
        "kubekeep": program or f'#!/bin/sh\necho "kubekeep {version}"\n',
        "share/man/man1/kubekeep.1": ".TH KUBEKEEP 1\n",
        "share/bash-completion/completions/kubekeep": "complete -W scan kubekeep\n",
    }
    with tarfile.open(path, "w:xz") as archive:
        for name, text in files.items():
            entry = tarfile.TarInfo(f"{folder or f'kubekeep-{version}-{PLATFORM}'}/{name}")
            entry.mode, entry.size = 0o755, len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))
        for name in ("kubectl-kubekeep", "kubectl_complete-kubekeep"):
            entry = tarfile.TarInfo(f"{folder or f'kubekeep-{version}-{PLATFORM}'}/{name}")
            entry.type, entry.linkname = tarfile.SYMTYPE, "kubekeep"
            archive.addfile(entry)
