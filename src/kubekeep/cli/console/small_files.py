"""Files that options name and that are small: keys, certificates, trusted roots and predicates. Never reads a file without an end."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kubekeep.model.text import visible

_MIB: Final = 1 << 20
_MAX_BYTES: Final = 4 * _MIB
"""Maximum size of a key or a trusted root; that of Sigstore has 20 KB."""


def read_small_file(path: Path, limit: int = _MAX_BYTES) -> bytes:
    """Return the content of a file. Raises click.UsageError for one of more than `limit` bytes, or that cannot be read."""
    name = visible(str(path))
    try:
        # A pipe is allowed: shells use them for keys that are in no file.
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise click.UsageError(f"{name}: {error.strerror}") from error
    if len(content) > limit:
        raise click.UsageError(f"{name}: larger than {limit // _MIB} MiB")
    return content
