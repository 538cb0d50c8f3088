"""`kubekeep library`: push a library to an OCI registry and pull one, with signatures.

Parses and prints; never verifies a signature itself.
"""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

from kubekeep.cli.console.key_files import read_password
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.settings import registry_settings
from kubekeep.library.load import LibraryError
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError, RegistryError, RejectedArtifactError
from kubekeep.registry.reference import ArtifactReference, parse_reference

_REFUSED: Final = 1
_UNREACHABLE: Final = 3
_EXTRA: Final = {"cryptography", "nacl"}


@click.group(short_help="Share libraries of controls through OCI registries.")
def command() -> None:
    """Share libraries of controls through OCI registries, with signatures."""


def parse_artifact(ctx: click.Context, param: click.Parameter, value: str) -> ArtifactReference:  # noqa: ARG001
    """Click callback: return the reference of an artifact."""
    try:
        return parse_reference(value)
    except ValueError as error:
        raise click.BadParameter(visible(str(error))) from error


def convert_registry_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Convert errors to messages and exit codes."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except KeyFileError as error:
            raise click.BadParameter(str(error), param_hint="--key") from error
        except (LibraryError, FileExistsError) as error:
            raise click.UsageError(visible(str(error))) from error
        except RejectedArtifactError as error:
            click.echo(f"refused: {visible(str(error))}", err=True)
            sys.exit(_REFUSED)
        except (RegistryError, OSError) as error:
            click.echo(f"failed: {visible(str(error))}", err=True)
            sys.exit(_UNREACHABLE)

    return wrapper


def _usecase() -> ModuleType:
    """Return the use case module, which requires optional packages."""
    try:
        from kubekeep.usecases import library  # noqa: PLC0415 - the help needs none of it
    except ModuleNotFoundError as error:
        if str(error.name).partition(".")[0] not in _EXTRA:
            raise
        raise click.UsageError(f"{error.name} is not installed: pip install 'kubekeep[oci]'") from error
    return library


KEY_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)
_PLAIN: Final = click.option("--plain-http", is_flag=True, help="Connect without TLS, for a registry on this machine.")


@command.command(short_help="Push the library in DIR.")
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("reference", metavar="oci://REGISTRY/REPOSITORY:TAG", callback=parse_artifact)
@click.option("--key", type=KEY_FILE, help="Sign with this private key, of cosign or in PEM.")
@_PLAIN
@convert_registry_errors
def push(folder: Path, reference: ArtifactReference, key: Path | None, *, plain_http: bool) -> None:
    """Push the library in DIR: its controls, frameworks and shared Rego modules. Prints the digest.

    Reads the password of the key from COSIGN_PASSWORD, or prompts for it.
    """
    if not reference.tag or reference.digest:
        raise click.UsageError(f"{reference}: push to a tag, such as {reference.name}:1.0")
    settings = registry_settings()
    usecase = _usecase()
    pushed = usecase.push(
        folder,
        reference,
        usecase.RegistryAccess(config=settings.docker_config, plain_http=plain_http),
        key=key and read_small_file(key),
        password=read_password,
    )
    click.echo(
        f"pushed {_format_counts(pushed)} to {reference}, {'signed' if pushed.signed_by else 'not signed'}", err=True
    )
    click.echo(pushed.digest)


@command.command(short_help="Pull a library into DIR.")
@click.argument("reference", metavar="oci://REGISTRY/REPOSITORY[:TAG|@DIGEST]", callback=parse_artifact)
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--key", type=KEY_FILE, help="Reject a library without a signature of this public key, in PEM.")
@_PLAIN
@convert_registry_errors
def pull(reference: ArtifactReference, folder: Path, key: Path | None, *, plain_http: bool) -> None:
    """Pull a library into DIR, for `kubekeep scan --custom-rules DIR`. Prints the digest.

    Writes DIR completely or not at all. Replaces DIR only if it holds a pulled library without changes.
    """
    usecase = _usecase()
    access = usecase.RegistryAccess(config=registry_settings().docker_config, plain_http=plain_http)
    pulled = usecase.pull(reference, folder, access, key=key and read_small_file(key))
    signature_text = (
        f"signed with the key {pulled.signed_by[:16]}" if pulled.signed_by else "signature not verified: use --key"
    )
    click.echo(f"pulled {_format_counts(pulled)} into {visible(str(folder))}; {signature_text}", err=True)
    click.echo(pulled.digest)


def _format_counts(shared: Any) -> str:
    numbers = {"control": shared.controls, "framework": shared.frameworks}
    return ", ".join(f"{number} {name}{'' if number == 1 else 's'}" for name, number in numbers.items() if number)
