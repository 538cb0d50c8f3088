"""The version of an API server. Asks for nothing else."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from kubekeep.kube.connection import Connection
from kubekeep.kube.errors import ApiError

_FORBIDDEN: Final = 403


class ServerVersion(msgspec.Struct, frozen=True):
    """What the server says of itself at `/version`, in its own words."""

    said: dict[str, str]

    @property
    def minor_number(self) -> int | None:
        """The number in `34+`, as managed platforms write it; None where it is none."""
        digits = self.said.get("minor", "").rstrip("+")
        return int(digits) if digits.isascii() and digits.isdigit() and len(digits) < 4 else None


def server_version(connection: Connection) -> ServerVersion:
    """The version of the cluster, which says nothing where one may not ask for it. Raises KubeError."""
    try:
        said = connection.get("/version", dict[str, Any])
    except ApiError as error:
        if error.status != _FORBIDDEN:
            raise
        return ServerVersion({})
    return ServerVersion({str(key): value for key, value in said.items() if isinstance(value, str)})
