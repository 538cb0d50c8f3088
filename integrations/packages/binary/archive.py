"""Archives with fixed names, order, times, owners and modes: equal folders give equal files.

Usage: archive.py FOLDER FILE... The suffix of each file selects .tar.xz, .tar.gz or .zip. The archive contains the folder
with its name. Links stay links in .tar.xz and become copies in the other formats, which krew and Windows unpack.
"""

from __future__ import annotations

import gzip
import io
import lzma
import os
import sys
import tarfile
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path

PROGRAM, PLAIN = 0o755, 0o644


def main(folder: Path, targets: list[Path]) -> None:
    """Write the folder to each target."""
    date = int(os.environ["SOURCE_DATE_EPOCH"])
    for target in targets:
        if target.suffix == ".zip":
            write_zip(folder, target, date)
        elif target.suffix == ".gz":
            with target.open("wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=date) as stream:
                write_tar(folder, stream, date, keep_links=False)
        else:
            with lzma.open(target, "wb", preset=9) as stream:
                write_tar(folder, stream, date, keep_links=True)


def list_paths(folder: Path) -> Iterator[tuple[str, Path]]:
    """Yield files and links with their names in the archive, in the order of the names."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).parts):
        if path.is_symlink() or path.is_file():
            yield f"{folder.name}/{path.relative_to(folder).as_posix()}", path


def read_mode(path: Path) -> int:
    """Return the mode of a file in the archive: only programs keep their permission to run."""
    return PROGRAM if path.stat().st_mode & 0o100 else PLAIN


def write_tar(folder: Path, stream: gzip.GzipFile | lzma.LZMAFile, date: int, *, keep_links: bool) -> None:
    """Write an uncompressed tar archive."""
    with tarfile.open(fileobj=stream, mode="w|", format=tarfile.USTAR_FORMAT) as archive:
        for name, path in list_paths(folder):
            entry = tarfile.TarInfo(name)
            entry.mtime = date
            entry.mode = read_mode(path)
            if keep_links and path.is_symlink():
                entry.type, entry.linkname = tarfile.SYMTYPE, os.readlink(path)  # noqa: PTH115 - as it is
                archive.addfile(entry)
                continue
            content = path.read_bytes()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def write_zip(folder: Path, target: Path, date: int) -> None:
    """Write a zip archive."""
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for name, path in list_paths(folder):
            entry = zipfile.ZipInfo(name, time.gmtime(date)[:6])
            entry.external_attr = (0o100000 | read_mode(path)) << 16
            entry.create_system = 3
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(name) for name in sys.argv[2:]])
