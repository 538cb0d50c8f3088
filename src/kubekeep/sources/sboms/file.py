"""Files with SBOM documents, with a limit of their size."""

from __future__ import annotations

from typing import BinaryIO, Final

from kubekeep.images.errors import SbomError
from kubekeep.images.sbom.document import Sbom
from kubekeep.images.sbom.read import MAX_BYTES, read_sbom
from kubekeep.model.paths import display_path, error_reason
from kubekeep.sources.manifests.read import open_file

STDIN: Final = "-"
"""The path of standard input."""


def read_document(path: str, stdin: BinaryIO | None) -> Sbom:
    """Return the SBOM in a file; `-` is standard input. Raises SbomError."""
    if path == STDIN and stdin is not None:
        return read_sbom(stdin.read(MAX_BYTES + 1), "standard input")
    name = display_path(path)
    try:
        with open_file(path) as stream:
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise SbomError(f"{name}: {error_reason(error)}") from None
    return read_sbom(content, name)
