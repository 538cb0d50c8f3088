"""The image of the examples, as an OCI layout: `python -m tests.images.example examples/catalog-image`.

Made up: no package is complete, and the password opens nothing. The same code writes the same bytes.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sys
import tarfile
from pathlib import Path
from typing import Any, Final

CREATED: Final = "2026-11-02T09:30:00Z"
REFERENCE: Final = "registry.example.com/shop/catalog:2.3"
OS_RELEASE: Final = """\
PRETTY_NAME="Debian GNU/Linux 11 (bullseye)"
NAME="Debian GNU/Linux"
VERSION_ID="11"
VERSION="11 (bullseye)"
VERSION_CODENAME=bullseye
ID=debian
"""
STATUS: Final = "\n".join(
    f"Package: {name}\nStatus: install ok installed\nArchitecture: amd64\n{source}Version: {version}\n"
    f"Maintainer: Debian <debian@example.org>\nDescription: {name}\n"
    for name, version, source in (
        ("bash", "5.1-2+deb11u1", ""),
        ("libc6", "2.31-13+deb11u11", "Source: glibc\n"),
        ("libssl1.1", "1.1.1w-0+deb11u1", "Source: openssl\n"),
        ("passwd", "1:4.8.1-1", "Source: shadow\n"),
    )
)
PYTHON: Final = "usr/local/lib/python3.11/site-packages"


def metadata(name: str, version: str, licence: str) -> str:
    """Return the METADATA of a Python distribution."""
    return f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\nLicense: {licence}\n"


Layers = tuple[tuple[str, dict[str, tuple[int, str]]], ...]
LAYERS: Final[Layers] = (
    (
        "/bin/sh -c #(nop) ADD file:1f0c2d in /",
        {
            "etc/os-release": (0o644, OS_RELEASE),
            "etc/passwd": (0o644, "root:x:0:0:root:/root:/bin/bash\n"),
            "usr/bin/chfn": (0o4755, "#!/bin/sh\n"),
            "var/lib/dpkg/status": (0o644, STATUS),
            "var/lib/dpkg/info/passwd.list": (0o644, "/.\n/usr/bin/chfn\n"),
        },
    ),
    (
        "RUN /bin/sh -c pip install -r requirements.txt # buildkit",
        {
            f"{PYTHON}/flask-2.3.3.dist-info/METADATA": (0o644, metadata("Flask", "2.3.3", "BSD-3-Clause")),
            f"{PYTHON}/psycopg2-2.9.9.dist-info/METADATA": (0o644, metadata("psycopg2", "2.9.9", "LGPL-3.0-only")),
            f"{PYTHON}/jinja2-3.1.4.dist-info/METADATA": (0o644, metadata("Jinja2", "3.1.4", "BSD-3-Clause")),
        },
    ),
    (
        "COPY . /srv/catalog # buildkit",
        {
            "srv/catalog/app.py": (0o644, "import flask\n"),
            "srv/catalog/.env": (0o644, "PORT=8080\nDATABASE_PASSWORD=kd93hTq2LxpM\n"),
            f"{PYTHON}/.wh.jinja2-3.1.4.dist-info": (0o644, ""),
        },
    ),
)
STEPS: Final = ("ENV PORT=8080", 'CMD ["python3" "app.py"]')


def write_layer(files: dict[str, tuple[int, str]]) -> bytes:
    """Return an uncompressed layer with the files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.USTAR_FORMAT) as archive:
        for path, (mode, text) in files.items():
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(text.encode()), mode
            archive.addfile(entry, io.BytesIO(text.encode()))
    return stream.getvalue()


def write_layout(folder: Path, layers: Layers = LAYERS) -> None:
    """Write the image, or one with other layers, as an OCI layout."""
    blobs = folder / "blobs" / "sha256"
    blobs.mkdir(parents=True, exist_ok=True)

    def add(content: bytes, media_type: str) -> dict[str, Any]:
        digest = hashlib.sha256(content).hexdigest()
        (blobs / digest).write_bytes(content)
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(content)}

    archives = [write_layer(files) for _, files in layers]
    descriptors = [
        add(gzip.compress(archive, mtime=0), "application/vnd.oci.image.layer.v1.tar+gzip") for archive in archives
    ]
    config = {
        "created": CREATED,
        "architecture": "amd64",
        "os": "linux",
        "config": {"Env": ["PATH=/usr/local/bin:/usr/bin:/bin", "PORT=8080"], "Cmd": ["python3", "app.py"]},
        "rootfs": {"type": "layers", "diff_ids": [f"sha256:{hashlib.sha256(text).hexdigest()}" for text in archives]},
        "history": [
            *({"created": CREATED, "created_by": step} for step, _ in layers),
            *({"created": CREATED, "created_by": step, "empty_layer": True} for step in STEPS),
        ],
    }
    manifest = {
        "schemaVersion": 2,
        "mediaType": "application/vnd.oci.image.manifest.v1+json",
        "config": add(json.dumps(config).encode(), "application/vnd.oci.image.config.v1+json"),
        "layers": descriptors,
    }
    entry = add(json.dumps(manifest).encode(), "application/vnd.oci.image.manifest.v1+json")
    entry["annotations"] = {"org.opencontainers.image.ref.name": REFERENCE}
    index = {"schemaVersion": 2, "mediaType": "application/vnd.oci.image.index.v1+json", "manifests": [entry]}
    (folder / "index.json").write_text(json.dumps(index, indent=2) + "\n")
    (folder / "oci-layout").write_text('{"imageLayoutVersion": "1.0.0"}\n')


if __name__ == "__main__":
    write_layout(Path(sys.argv[1]))
