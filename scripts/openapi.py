"""Prints the OpenAPI document of the server. Starts nothing and reads no setting."""

from __future__ import annotations

import json

from kubekeep_server.api.application import create_application
from kubekeep_server.api.server_state import ServerState
from kubekeep_server.settings import Settings


async def _prepare(state: ServerState) -> None:
    """Do nothing: the application is never started."""


if __name__ == "__main__":
    print(json.dumps(create_application(Settings(), _prepare).openapi(), indent=2, sort_keys=True))
