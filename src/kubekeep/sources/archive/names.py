"""Names of archives. No I/O."""

from __future__ import annotations

from typing import Final

ARCHIVES: Final = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tbz2", ".tar.xz", ".txz", ".tar.zst", ".tzst", ".zip")
"""Extensions of archives."""
