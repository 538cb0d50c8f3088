"""Files with SBOM documents, with a limit of their size."""

from __future__ import annotations

from typing import BinaryIO

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.read import MAX_BYTES, read_sbom
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.files import open_file
from kubekeep.sources.sboms.address import STDIN


def read_document(path: str, stdin: BinaryIO | None) -> Sbom:
    """Return the SBOM in a file; `-` is standard input. Raises SbomError."""
    return read_sbom(read_content(path, stdin), name_document(path))


def read_content(path: str, stdin: BinaryIO | None) -> bytes:
    """Return the text of a document, at most one byte more than `read_sbom` accepts. Raises SbomError."""
    if path == STDIN and stdin is not None:
        return stdin.read(MAX_BYTES + 1)
    try:
        with open_file(path) as stream:
            return stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SbomError(f"{name_document(path)}: {error_reason(error)}") from None


def name_document(path: str) -> str:
    """Return the name of a document in messages and locations."""
    return "standard input" if path == STDIN else display_path(path)
