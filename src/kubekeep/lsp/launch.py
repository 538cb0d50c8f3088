"""Interface between the language server and the command that starts it. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import msgspec

from kubekeep.model.severity import Severity
from kubekeep.usecases.request import ScanRequest


class FileSettings(msgspec.Struct, frozen=True):
    """The options of a configuration file; `file` is its path, empty if there is none."""

    request: ScanRequest
    file: str = ""
    minimum_severity: Severity | None = None


class ReadSettings(Protocol):
    """Function that reads the configuration of a scan."""

    def __call__(self, path: str, configuration: str) -> FileSettings:
        """Return the options for a scan of `path`, from the file `configuration` or, if empty, a discovered one.

        Raises ValueError with the location of an error.
        """


class Launch(msgspec.Struct, frozen=True):
    """Parts that the command supplies: the JSON Schema of the configuration file, and its reader."""

    schema: Mapping[str, Any]
    read_settings: ReadSettings
