"""Options of the commands for signatures of images: keys, identities, the place of signatures. Parses; verifies nothing."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import click

from kubekeep.cli.console.key_files import read_password
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.signatures.errors import TrustError

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


def _parse(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> dict[str, str]:  # noqa: ARG001
    annotations = {}
    for text in value:
        name, equals, content = text.partition("=")
        if not name or not equals:
            raise click.BadParameter(f"{visible(text)}: use NAME=VALUE")
        annotations[name] = content
    return annotations
