"""Options of the commands for signatures of images: keys, identities, the place of signatures. Parses; verifies nothing."""

from __future__ import annotations

import contextlib
import functools
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.cli.settings import registry_settings
from kubekeep.cli.small_files import read_small_file
from kubekeep.cli.standard_output import INCOMPLETE
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError
from kubekeep.signatures.errors import TrustError

_MODULES: Final = ("cbor2", "cryptography", "nacl", "rfc3161_client", "tuf", "securesystemslib", "urllib3")
KEY_FILE: Final = click.Path(path_type=Path, dir_okay=False, exists=True)


def repository_option(help_text: str) -> Callable[..., Any]:
    """Return the option for a separate repository."""
    return click.option("--repository", default="", metavar="REGISTRY/REPOSITORY", help=help_text)


def annotation_option(help_text: str) -> Callable[..., Any]:
    """Return the option for annotations, which are passed on as a dictionary."""
    return click.option(
        "--annotation", "annotations", multiple=True, metavar="NAME=VALUE", callback=_parse, help=help_text
    )


def layout_option() -> Callable[..., Any]:
    """Return the option for the layout of new signatures."""
    return click.option(
        "--layout",
        type=click.Choice(("referrers", "legacy-tag")),
        default="referrers",
        show_default=True,
        help="Place of the signature: a referrer with a bundle of Sigstore (OCI 1.1, cosign 3), or the tag of cosign 1 and 2.",
    )


def convert_errors(function: Callable[..., None]) -> Callable[..., None]:
    """Convert the lack of optional packages, and errors of key files, to messages."""

    @functools.wraps(function)
    def wrapper(*arguments: Any, **options: Any) -> None:
        try:
            function(*arguments, **options)
        except KeyFileError as error:
            raise click.BadParameter(visible(str(error)), param_hint="--key") from error
        except ModuleNotFoundError as error:
            if str(error.name).partition(".")[0] not in _MODULES:
                raise
            raise click.UsageError(f"{error.name} is not installed: pip install 'kubekeep[signatures]'") from error

    return wrapper


@contextlib.contextmanager
def convert_signing_errors() -> Iterator[None]:
    """Convert invalid settings to errors of the command line, and other failures to a message and an exit code."""
    try:
        yield
    except TrustError as error:
        raise click.UsageError(visible(str(error))) from error
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)


def print_signature(signature: Any, noun: str) -> None:
    """Print where a new signature is, and the digest that it covers. signature: a NewSignature."""
    key = signature.key[:16]
    if signature.reference:
        click.echo(f"added the {noun} {signature.reference} with the key {key}", err=True)
    else:
        click.echo(f"unchanged: the key {key} has made this {noun} before", err=True)
    click.echo(signature.digest)


def load_signing_key(path: Path) -> Any:
    """Return a private key. Raises KeyFileError."""
    from kubekeep.registry.keys import load_private_key  # noqa: PLC0415 - an optional package

    return load_private_key(read_small_file(path), read_password)


def read_password() -> bytes:
    """Return the password of a key, from COSIGN_PASSWORD or a prompt. Raises KeyFileError without a terminal."""
    password = registry_settings().key_password
    if password is not None:
        return password.encode()
    if not sys.stdin.isatty():
        raise KeyFileError("the key has a password: set COSIGN_PASSWORD")
    text: str = click.prompt("Password of the key", hide_input=True, default="", show_default=False, err=True)
    return text.encode()


def _parse(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:  # noqa: ARG001
    annotations = {}
    for text in value:
        name, equals, content = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{visible(text)}: use NAME=VALUE")
        annotations[name] = content
    return annotations
