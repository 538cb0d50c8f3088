"""Scan images that share a base: `python benchmarks/images/shared_base.py LAYOUT [--images 30] [--runs 5]`.

The base is the first layer of LAYOUT, such as `trixie` of `build.py`; each image adds a layer with one Python distribution.
`kubekeep image scan` reads them from an OCI layout, then `kubekeep registry scan` from a registry on the loopback address,
which is in this process and counts the bytes of the blobs that it sends: with the default pace of requests, and with
1,000 per second. Every run starts without a cache, and has the advisories of `--database` if it is given. Prints the
lowest wall time and processor time (user and system) of the runs. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import collections
import http.server
import json
import shutil
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from images.fleet import Layout, pack, read_first_layer, write_archive
from images.measure import KUBEKEEP, run_process

_REPOSITORY = "fleet"
_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


class _Registry(http.server.ThreadingHTTPServer):
    """Serves one repository with the images of a layout."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        index = json.loads((layout.folder / "index.json").read_text())
        entries = index["manifests"]
        self.tags = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry["digest"] for entry in entries}
        self.blobs = layout.folder / "blobs"
        self.sent: collections.Counter[str] = collections.Counter()
        """Replies with each blob."""


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Registry

    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.partition("?")[0]
        if path.endswith("/tags/list"):
            self._reply(json.dumps({"name": _REPOSITORY, "tags": [*self.server.tags]}).encode(), "application/json")
            return
        _, _, name = path.rpartition("/")
        digest = self.server.tags.get(name, name)
        file = self.server.blobs / digest.replace(":", "/")
        if path == "/v2/" or not file.is_file():
            self._reply(b"{}", "application/json", 200 if path == "/v2/" else 404)
        elif "/manifests/" in path:
            self._reply(file.read_bytes(), _MANIFEST, digest=digest)
        else:
            self.server.sent[digest] += 1
            self._reply(file.read_bytes(), "application/octet-stream", digest=digest)

    def do_HEAD(self) -> None:
        self.do_GET()

    def _reply(self, content: bytes, media_type: str, status: int = 200, digest: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(content)))
        if digest:
            self.send_header("Docker-Content-Digest", digest)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(content)


def build(folder: Path, source: Path, images: int) -> Layout:
    """Build a layout with images on the first layer of another one."""
    layout = Layout(folder)
    base = pack(layout, read_first_layer(source))
    for number in range(images):
        path = f"usr/lib/python3/site-packages/app_{number}-1.0.dist-info/METADATA"
        own = pack(layout, write_archive(path, f"Metadata-Version: 2.1\nName: app-{number}\nVersion: 1.0\n"))
        layout.add_image(f"image-{number}", [base, own])
    layout.finish()
    return layout


def measure(command: list[str], report: Path, cache: Path, runs: int) -> str:
    """Return the number of scanned images and the lowest times of the runs as a text."""
    walls, seconds = [], []
    for _ in range(runs):
        shutil.rmtree(cache, ignore_errors=True)
        start = time.perf_counter()
        seconds.append(run_process([*command, "-f", "json", "-o", str(report)], cache)[0])
        walls.append(time.perf_counter() - start)
    scanned = len(json.loads(report.read_text())["resources"])
    return f"{scanned} images, {min(walls):.2f} s, processor {min(seconds):.2f} s"


def main() -> None:
    """Build the images, scan them, and print the figures."""
    parser = argparse.ArgumentParser(description="Scan images that share a base.")
    parser.add_argument("layout", type=Path)
    parser.add_argument("--images", type=int, default=30)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--database", default="")
    options = parser.parse_args()
    advisories = ["--database", options.database] if options.database else ["--no-vulnerabilities"]
    with tempfile.TemporaryDirectory() as name:
        report, cache = Path(name) / "report.json", Path(name) / "cache"
        layout = build(Path(name) / "layout", options.layout, options.images)
        names = [f"oci:{layout.folder}:image-{number}" for number in range(options.images)]
        command = [str(KUBEKEEP), "image", "scan", *names, *advisories]
        print("OCI layout:", measure(command, report, cache, options.runs))
        registry = _Registry(layout)
        threading.Thread(target=registry.serve_forever, daemon=True).start()
        command = [str(KUBEKEEP), "registry", "scan", f"127.0.0.1:{registry.server_port}/{_REPOSITORY}", *advisories]
        print("registry:", measure(command, report, cache, options.runs))
        command += ["--requests-per-second", "1000"]
        print("registry, 1,000 requests per second:", measure(command, report, cache, options.runs))
        registry.shutdown()
        sizes = {digest: (registry.blobs / digest.replace(":", "/")).stat().st_size for digest in registry.sent}
    runs = 2 * options.runs
    sent = sum(sizes[digest] * count for digest, count in registry.sent.items()) / runs
    print(
        f"{len(sizes)} blobs of {sum(sizes.values()) / 1e6:.1f} MB; {sent / 1e6:.1f} MB sent per run, at most "
        f"{max(registry.sent.values()) / runs:g} times each"
    )


if __name__ == "__main__":
    main()
