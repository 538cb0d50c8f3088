"""Options and errors of commands that transfer the database through OCI registries. Parses only."""

from __future__ import annotations

from types import ModuleType
from typing import Final

import click

from kubekeep.cli.settings import registry_settings

_EXTRA: Final = {"cryptography", "nacl"}

plain_http_option: Final = click.option(
    "--plain-http", is_flag=True, help="Connect to the registry without TLS, for one on this machine."
)


def load_usecase() -> ModuleType:
    """Return the use case module, which requires optional packages."""
    try:
        from kubekeep.usecases import database_artifacts  # noqa: PLC0415 - the help needs none of it
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        raise click.UsageError(f"{error.name} is not installed: pip install 'kubekeep[oci]'") from error
    return database_artifacts


def read_registry(*, plain_http: bool) -> object:
    """Return the settings of the registry."""
    return load_usecase().ArtifactRegistry(docker_config=registry_settings().docker_config, plain_http=plain_http)
