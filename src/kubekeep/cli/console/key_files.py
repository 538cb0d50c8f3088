"""Passwords of key files, and messages for their errors and for packages that signatures require. Reads no key."""

from __future__ import annotations

import functools
import sys
from typing import Any, Final

import click

from kubekeep.cli.console.option_group import Command
from kubekeep.cli.settings import registry_settings
from kubekeep.model.text import visible
from kubekeep.registry.errors import KeyFileError

_MODULES: Final = ("cbor2", "cryptography", "nacl", "rfc3161_client", "tuf", "securesystemslib", "urllib3")


def convert_errors(function: Command) -> Command:
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


def read_password() -> bytes:
    """Return the password of a key, from COSIGN_PASSWORD or a prompt. Raises KeyFileError without a terminal."""
    password = registry_settings().key_password
    if password is not None:
        return password.encode()
    if not sys.stdin.isatty():
        raise KeyFileError("the key has a password: set COSIGN_PASSWORD")
    text: str = click.prompt("Password of the key", hide_input=True, default="", show_default=False, err=True)
    return text.encode()
