"""Compare the SBOM of an image with reading its layers alone: `python benchmarks/images/inflate.py LAYOUT [--runs 9]`.

LAYOUT is an OCI layout with one image whose layers are compressed with gzip, such as `trixie` of `build.py`. In turns, a
process writes the SBOM without a cache, and another one inflates the layers with zlib and computes what the
verification of layers requires: SHA-256 of the compressed and of the uncompressed bytes. Prints the lowest processor time
(user and system) of the runs, because other processes only add to it. Asserts nothing, because machines differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import shutil
import sys
import tempfile
import zlib
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))
from images.measure import KUBEKEEP, run_process

_CHUNK = 1 << 20
_GZIP = 31
"""Window of zlib for the format gzip."""


def read_layers(layout: Path) -> None:
    """Inflate the layers of the only image in a layout. Raises ValueError for a wrong digest."""

    def find(descriptor: dict[str, Any]) -> Path:
        return layout / "blobs" / str(descriptor["digest"]).replace(":", "/")

    (entry,) = json.loads((layout / "index.json").read_text())["manifests"]
    manifest = json.loads(find(entry).read_text())
    diff_ids = json.loads(find(manifest["config"]).read_text())["rootfs"]["diff_ids"]
    for layer, diff_id in zip(manifest["layers"], diff_ids, strict=True):
        compressed, uncompressed, stream = hashlib.sha256(), hashlib.sha256(), zlib.decompressobj(_GZIP)
        with find(layer).open("rb") as file:
            while chunk := file.read(_CHUNK):
                compressed.update(chunk)
                uncompressed.update(stream.decompress(chunk))
        uncompressed.update(stream.flush())
        if [f"sha256:{each.hexdigest()}" for each in (compressed, uncompressed)] != [layer["digest"], diff_id]:
            raise ValueError(f"{layer['digest']}: wrong digest")


def main() -> None:
    """Measure both and print the figures."""
    parser = argparse.ArgumentParser(description="Compare the SBOM of an image with reading its layers alone.")
    parser.add_argument("layout", type=Path)
    parser.add_argument("--runs", type=int, default=9)
    parser.add_argument("--read", action="store_true", help="Only read the layers.")
    options = parser.parse_args()
    if options.read:
        read_layers(options.layout)
        return
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name), Path(name) / "cache"
        output = ["-f", "cyclonedx", "-o", str(folder / "sbom.json")]
        commands = {
            "sbom": [str(KUBEKEEP), "image", "sbom", f"oci:{options.layout}", *output],
            "read": [sys.executable, __file__, str(options.layout), "--read"],
        }
        seconds: dict[str, list[float]] = {key: [] for key in commands}
        for _ in range(options.runs):
            for key, command in commands.items():
                shutil.rmtree(cache, ignore_errors=True)
                seconds[key].append(run_process(command, cache)[0])
    sbom, read = min(seconds["sbom"]), min(seconds["read"])
    print(f"SBOM {sbom:.2f} s, zlib and SHA-256 {read:.2f} s: {sbom / read:.2f}")


if __name__ == "__main__":
    main()
