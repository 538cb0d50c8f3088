"""The folder of the SQLite database. Knows nothing of its content."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from kubekeep_server.settings import Settings, SettingsError

_PRIVATE: Final = 0o700


def create_data_folder(settings: Settings) -> None:
    """Create the folder of the SQLite database, for the user of the process only. Raises SettingsError."""
    if settings.database:
        return
    try:
        Path(settings.data).mkdir(mode=_PRIVATE, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"data: {settings.data}: {error.strerror}; choose another folder with --data") from error
