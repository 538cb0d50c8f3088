"""Small images in a real registry, pushed by its API: layers with packages, indexes, artifacts. Never checks anything."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import subprocess
import sys
import tarfile
import urllib.parse
from pathlib import Path
from typing import Any, Final

import httpx2

KUBEKEEP: Final = Path(sys.executable).parent / "kubekeep"
MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
INDEX: Final = "application/vnd.oci.image.index.v1+json"
CONFIG: Final = "application/vnd.oci.image.config.v1+json"
LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OS_RELEASE: Final = 'ID=debian\nVERSION_ID="13"\nPRETTY_NAME="Debian 13"\n'
CREATED: Final = "2026-11-02T09:30:00Z"

Descriptor = dict[str, Any]


def digest_of(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def write_layer(files: dict[str, str], filler: int = 0) -> bytes:
    """Return an archive of files; `filler` random bytes make it as large on the wire."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        contents = {name: text.encode() for name, text in files.items()}
        if filler:
            contents["usr/share/filler"] = os.urandom(filler)
        for name, content in contents.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return stream.getvalue()


def python_package(name: str, version: str) -> dict[str, str]:
    """Return the file that proves a Python distribution."""
    path = f"usr/lib/python3/site-packages/{name}-{version}.dist-info/METADATA"
    return {path: f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n"}


REMOVED: Final = "Package: old\nStatus: deinstall ok config-files\nVersion: 1\nArchitecture: all\n\n"
BASE: Final = write_layer({"etc/os-release": OS_RELEASE, "var/lib/dpkg/status": REMOVED})
"""A layer of a distribution whose database names no package in place."""


class Fleet:
    """Pushes images to a registry without authentication at `address`."""

    def __init__(self, address: str) -> None:
        self.address = address
        self._client = httpx2.Client(base_url=f"http://{address}/v2/", timeout=60)

    def close(self) -> None:
        self._client.close()

    def get(self, path: str) -> bytes:
        reply = self._client.get(path, headers={"Accept": MANIFEST})
        assert reply.status_code == 200, reply.text
        return reply.content

    def get_json(self, path: str) -> Descriptor:
        document: Descriptor = json.loads(self.get(path))
        return document

    def get_manifest(self, repository: str, tag: str) -> Descriptor:
        return self.get_json(f"{repository}/manifests/{tag}")

    def push_blob(self, repository: str, content: bytes, media_type: str) -> Descriptor:
        start = self._client.post(f"{repository}/blobs/uploads/")
        target = httpx2.URL(start.headers["location"]).copy_merge_params({"digest": digest_of(content)})
        url = f"http://{self.address}{target.raw_path.decode()}"
        reply = self._client.put(url, content=content, headers={"Content-Type": "application/octet-stream"})
        assert reply.status_code == 201, reply.text
        return {"mediaType": media_type, "digest": digest_of(content), "size": len(content)}

    def mount_blob(self, repository: str, digest: str, source: str) -> None:
        """Make a blob of the repository `source` one of another repository too."""
        reply = self._client.post(f"{repository}/blobs/uploads/", params={"mount": digest, "from": source})
        assert reply.status_code == 201, reply.text

    def push_manifest(self, repository: str, document: Descriptor, *tags: str) -> str:
        # Without spaces, as the program encodes: a manifest that is read and pushed again keeps its digest.
        content = json.dumps(document, separators=(",", ":")).encode()
        for version in tags or (digest_of(content),):
            reply = self._client.put(
                f"{repository}/manifests/{version}", content=content, headers={"Content-Type": document["mediaType"]}
            )
            assert reply.status_code == 201, reply.text
        return digest_of(content)

    def push_image(
        self,
        repository: str,
        *tags: str,
        layers: tuple[bytes, ...],
        created: str = CREATED,
        architecture: str = "amd64",
    ) -> str:
        """Push an image under tags, or by its digest only; return the digest."""
        blobs = [self.push_blob(repository, gzip.compress(layer, mtime=0), LAYER) for layer in layers]
        config = {
            "architecture": architecture,
            "os": "linux",
            "created": created,
            "config": {"User": "1000"},
            "rootfs": {"type": "layers", "diff_ids": [digest_of(layer) for layer in layers]},
        }
        descriptor = self.push_blob(repository, json.dumps(config).encode(), CONFIG)
        return self.push_manifest(
            repository, {"schemaVersion": 2, "mediaType": MANIFEST, "config": descriptor, "layers": blobs}, *tags
        )

    def push_index(self, repository: str, tag: str, manifests: dict[str, str]) -> str:
        """Push an index of digests by architecture."""
        entries = []
        for architecture, digest in manifests.items():
            size = int(
                self._client.head(f"{repository}/manifests/{digest}", headers={"Accept": MANIFEST}).headers[
                    "content-length"
                ]
            )
            platform = {"os": "linux", "architecture": architecture}
            entries.append({"mediaType": MANIFEST, "digest": digest, "size": size, "platform": platform})
        return self.push_manifest(repository, {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}, tag)

    def push_artifact(
        self, repository: str, tag: str, media_type: str = "application/vnd.cncf.helm.config.v1+json"
    ) -> str:
        """Push a chart, which is no image."""
        config = self.push_blob(repository, b"{}", media_type)
        layer = self.push_blob(repository, b"chart", "application/vnd.cncf.helm.chart.content.v1.tar+gzip")
        return self.push_manifest(
            repository, {"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}, tag
        )

    def push_apps(self, repository: str, *versions: str) -> list[str]:
        """Push one image per version, each with the base and a package of its own; return the digests."""
        name = urllib.parse.quote(repository.rpartition("/")[2])
        return [
            self.push_image(repository, version, layers=(BASE, write_layer(python_package(name, version))))
            for version in versions
        ]


def command(*arguments: str) -> list[str]:
    """Return the command line; a scan compares no packages, since there is no database."""
    if "scan" in arguments[:2]:
        arguments = (*arguments, "--no-vulnerabilities")
    return [str(KUBEKEEP), *arguments]


def environment(folder: Path) -> dict[str, str]:
    """Return the environment of the program with its cache in a folder."""
    return os.environ | {"XDG_CACHE_HOME": str(folder / "cache"), "NO_COLOR": "1", "DOCKER_CONFIG": "/nowhere"}


def kubekeep(*arguments: str, folder: Path, code: int | None = 0) -> subprocess.CompletedProcess[str]:
    """Run the program in a folder, without the limit of requests. Fails for another exit code; None accepts all."""
    if arguments[0] == "registry" and arguments[1] != "rematch" and "--requests-per-second" not in arguments:
        arguments = (*arguments, "--requests-per-second", "1000")
    done = subprocess.run(
        command(*arguments),
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert code is None or done.returncode == code, (done.returncode, done.stderr, done.stdout)
    return done


def list_images(folder: Path, *arguments: str, code: int = 0) -> dict[str, dict[str, Any]]:
    """Return the images in the JSON report of a scan by name."""
    kubekeep("registry", "scan", *arguments, "--format", "json", "--output", "report.json", folder=folder, code=code)
    return read_images(folder / "report.json")


def read_images(report: Path) -> dict[str, dict[str, Any]]:
    """Return the images of a report by name."""
    objects = [entry["object"] for entry in json.loads(report.read_text())["resources"]]
    return {entry["metadata"]["name"]: entry for entry in objects if entry["kind"] == "ContainerImage"}
