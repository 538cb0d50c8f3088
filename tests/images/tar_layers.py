"""A plain reader of layers on tarfile: an oracle for merging, and the layers of tests from small trees of files."""

from __future__ import annotations

import functools
import hashlib
import io
import re
import tarfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath

from kubekeep.images.catalog.registry import Catalog, load_catalogs
from kubekeep.images.content import CatalogRecord, ContentProblem, FileMode, LayerContent, LayerFile


def build_layer(
    files: Mapping[str, str | bytes], *, links: Mapping[str, str] | None = None, modes: Mapping[str, int] | None = None
) -> LayerContent:
    """Return the content of a layer with these files and symbolic links; a name such as `.wh.x` is a whiteout."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        for path, text in files.items():
            content = text.encode() if isinstance(text, str) else text
            entry = tarfile.TarInfo(path)
            entry.size, entry.mode = len(content), (modes or {}).get(path, 0o644)
            archive.addfile(entry, io.BytesIO(content))
        for path, target in (links or {}).items():
            entry = tarfile.TarInfo(path)
            entry.type, entry.linkname = tarfile.SYMTYPE, target
            archive.addfile(entry)
    return read_tar_layer(stream.getvalue())


def add_records(layer: LayerContent, *records: CatalogRecord) -> LayerContent:
    """Return a layer with records of language packages whose files are in it."""
    paths = sorted({*layer.paths.split("\n"), *(record.path.partition("!/")[0] for record in records)} - {""})
    return LayerContent(
        layer.digest,
        layer.size,
        layer.diff_id,
        layer.unpacked_size,
        records=(*layer.records, *records),
        paths="\n".join(paths),
        removed=layer.removed,
        opaque=layer.opaque,
        modes=layer.modes,
        problems=layer.problems,
    )


def read_folder(root: Path) -> LayerContent:
    """Return the content of a layer with everything in a folder."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as archive:
        archive.add(root, arcname=".")
    return read_tar_layer(stream.getvalue())


def read_tar_layer(content: bytes) -> LayerContent:
    """Return the content of an uncompressed layer."""
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    paths, removed, opaque, modes = [], [], [], []
    records: list[CatalogRecord] = []
    problems: list[ContentProblem] = []
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        for entry in archive:
            path = str(PurePosixPath(entry.name))
            folder, _, name = path.rpartition("/")
            if name == ".wh..wh..opq":
                opaque.append(folder)
            elif name.startswith(".wh."):
                removed.append(f"{folder}/{name[4:]}".lstrip("/"))
            elif not entry.isdir():
                paths.append(path)
            if entry.isfile():
                stream = archive.extractfile(entry)
                assert stream is not None
                _read_file(LayerFile(path, stream.read()), records, problems)
                if entry.mode & 0o6000:
                    modes.append(FileMode(path, entry.mode, entry.uid, entry.gid))
    return LayerContent(
        digest,
        len(content),
        digest,
        len(content),
        records=tuple(records),
        paths="\n".join(sorted(paths)),
        removed=tuple(removed),
        opaque=tuple(opaque),
        modes=tuple(modes),
        problems=tuple(problems),
    )


def _read_file(file: LayerFile, records: list[CatalogRecord], problems: list[ContentProblem]) -> None:
    for read in _list_readers(file.path):
        try:
            record = read.read(file) if read.read else None
        except ValueError as error:
            problems.append(ContentProblem(file.path, str(error)))
        else:
            records += [record] if record else []


def _list_readers(path: str) -> Iterator[Catalog]:
    return (catalog for catalog, pattern in _list_patterns() if pattern.fullmatch(path))


@functools.cache
def _list_patterns() -> tuple[tuple[Catalog, re.Pattern[str]], ...]:
    return tuple(
        (catalog, re.compile("|".join(_translate(pattern) for pattern in catalog.patterns)))
        for catalog in load_catalogs()
        if catalog.patterns
    )


def _translate(pattern: str) -> str:
    parts = re.split(r"(\*\*/|\*|\?|\{[^}]*\}|\[[^\]]*\])", pattern)
    return "".join(_translate_part(part) for part in parts)


def _translate_part(part: str) -> str:
    match part[:1]:
        case "{":
            return f"(?:{'|'.join(_translate(choice) for choice in _split_choices(part))})"
        case "[":
            return part
        case "*" | "?":
            return {"**/": "(?:.*/)?", "*": "[^/]*", "?": "[^/]"}[part]
        case _:
            return re.escape(part)


def _split_choices(part: str) -> Iterable[str]:
    return part[1:-1].split(",")
