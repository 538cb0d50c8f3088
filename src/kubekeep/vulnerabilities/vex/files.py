"""VEX documents in files. Uses no network."""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, Final

from kubekeep.model.paths import display_path, error_reason
from kubekeep.model.text import visible
from kubekeep.vulnerabilities.vex.document import VexDocument
from kubekeep.vulnerabilities.vex.errors import VexError
from kubekeep.vulnerabilities.vex.read import MAX_BYTES, read_vex

STDIN: Final = "-"
_DESCRIPTORS: Final = ("/dev/fd/", "/proc/self/fd/")
"""Folders of files that a shell passes, as in `--vex <(cosign download attestation ...)`."""


def load_vex_files(paths: Sequence[str], stdin: BinaryIO | None = None) -> tuple[VexDocument, ...]:
    """Return the VEX documents in files; `-` is `stdin`. Raises VexError with the file and the position in it."""
    return tuple(_load(path, stdin) for path in paths)


def _load(path: str, stdin: BinaryIO | None) -> VexDocument:
    if path == STDIN and stdin is not None:
        return read_vex(stdin.read(MAX_BYTES + 1), "standard input")
    name = display_path(path)
    try:
        if not (path.startswith(_DESCRIPTORS) or stat.S_ISREG(os.stat(path).st_mode)):  # noqa: PTH116 - the text as typed
            raise VexError(f"{name}: not a regular file")
        with Path(path).open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error_reason(error) if isinstance(error, OSError) else str(error)
        raise VexError(f"{name}: {visible(reason)}") from None
    return read_vex(content, name)
