"""Record the facts of Java archives with the coordinates that Maven knows, as the fixture of `test_java`.

Arguments: the output file, the file of `mvn dependency:list -DoutputFile=FILE`, and archives. Maven lists exactly the
libraries of the archives: for an application, run it on the application's own pom.xml; for a folder of libraries, run
`mvn dependency:copy-dependencies dependency:list` on one.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

from tests.images.catalog.archives import read_archives

HEADERS = ("implementation-", "bundle-symbolicname", "bundle-version", "bundle-vendor", "automatic-", "specification-")


def main(output: str, listing: str, *paths: str) -> None:
    """Write one line of JSON for each archive that Maven lists or that has no coordinates."""
    expected = read_listing(Path(listing).read_text(encoding="utf-8"))
    lines = []
    for path in sorted(paths):
        for archive in read_archives(f"opt/{Path(path).name}", Path(path).read_bytes()):
            manifest = archive.manifest.decode("utf-8", "replace").replace("\r\n", "\n").replace("\n ", "")
            headers = [line for line in manifest.split("\n") if line.lower().startswith(HEADERS)]
            properties = [
                [name, re.sub(r"(?m)^#.*\n", "", content.decode())]
                for name, content in archive.descriptors
                if name.endswith("pom.properties")
            ]
            coordinates = expected.get(archive.path.rpartition("/")[2])
            lines.append(json.dumps([archive.path, coordinates, headers, properties, _shorten(archive.folders)]))
    Path(output).write_text("[\n" + ",\n".join(lines) + "\n]\n", encoding="utf-8")


def _shorten(folders: tuple[tuple[str, int], ...]) -> list[list[str | int]]:
    """Join folders below the fourth level; the reader compares only their upper parts."""
    counts: dict[str, int] = {}
    for folder, count in folders:
        if not folder.startswith("META-INF/"):
            upper = "/".join(folder.split("/")[: 6 if folder.startswith("BOOT-INF") else 4])
            counts[upper] = counts.get(upper, 0) + count
    return [[folder, count] for folder, count in sorted(counts.items())]


def read_listing(text: str) -> dict[str, list[str]]:
    """Return group, name, version and classifier by file name."""
    expected = {}
    for line in re.sub(r"\x1b\[[0-9;]*m", "", text).splitlines():
        match line.strip().partition(" ")[0].split(":"):
            case [group, name, "jar", version, _]:
                expected[f"{name}-{version}.jar"] = [group, name, version, ""]
            case [group, name, "jar", classifier, version, _]:
                expected[f"{name}-{version}-{classifier}.jar"] = [group, name, version, classifier]
            case _:
                pass
    return expected


if __name__ == "__main__":
    main(*sys.argv[1:])
