"""Java archives as the native reader yields them, made from files of this machine."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import Counter
from collections.abc import Iterator

from kubekeep.images.content import Archive

SUFFIXES = (".jar", ".war", ".ear")


def read_archives(path: str, content: bytes) -> Iterator[Archive]:
    """Yield an archive and the archives in it, as `app.jar!/BOOT-INF/lib/a.jar`."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        names = archive.namelist()
        folders = Counter(name.rpartition("/")[0] for name in names if name.endswith(".class"))
        descriptors = [
            (name, archive.read(name))
            for name in names
            if name.startswith("META-INF/maven/") and name.endswith(("/pom.properties", "/pom.xml"))
        ]
        manifest = archive.read("META-INF/MANIFEST.MF") if "META-INF/MANIFEST.MF" in names else b""
        digest = hashlib.sha1(content, usedforsecurity=False).hexdigest()
        yield Archive(path, digest, manifest, tuple(descriptors), tuple(sorted(folders.items())))
        for name in names:
            if name.endswith(SUFFIXES):
                yield from read_archives(f"{path}!/{name}", archive.read(name))
