"""Temporary folders, with an error that names the next step if none can be created. Nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from kubekeep.model.errors import KubekeepError


class TemporaryFolderError(KubekeepError):
    """No temporary folder could be created, for example in a container with a read-only file system."""


@contextmanager
def temporary_folder(prefix: str = "kubekeep-") -> Iterator[str]:
    """Create a folder that only this user can read and that is removed afterwards. Raises TemporaryFolderError."""
    import tempfile  # noqa: PLC0415 - imports many modules, and few scans need a folder

    try:
        folder = tempfile.TemporaryDirectory(prefix=prefix, ignore_cleanup_errors=True)
    except OSError as error:
        cause = error.strerror or str(error)
        raise TemporaryFolderError(
            f"cannot create a temporary folder: {cause}; set TMPDIR to a folder that can be written"
        ) from error
    with folder as name:
        yield name
