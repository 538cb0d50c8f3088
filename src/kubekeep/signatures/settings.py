"""The folder of updated trusted roots, from the environment of this process. Reads no file."""

from __future__ import annotations

import os
from pathlib import Path


def find_trust_folder() -> Path | None:
    """Return KUBEKEEP_TRUST, or `kubekeep/trust` below XDG_DATA_HOME or `.local/share` at home; None without either.

    Not a folder for caches: a lost state would no longer protect from older states of the repository.
    """
    if explicit := os.environ.get("KUBEKEEP_TRUST"):
        return Path(explicit)
    data_home = Path(os.environ.get("XDG_DATA_HOME", ""))
    if not data_home.is_absolute():
        try:
            data_home = Path.home() / ".local" / "share"
        except RuntimeError:
            return None
    return data_home / "kubekeep" / "trust"
