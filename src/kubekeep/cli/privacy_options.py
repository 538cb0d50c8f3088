"""The options of `kubekeep scan` for reports that leave the house: pseudonyms and encryption.

Parses, and finds the key in the environment; how names are hidden is decided elsewhere.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from kubekeep.cli.outputs import Output
from kubekeep.cli.settings import master_keys
from kubekeep.model.assessment import Assessment

_ENCRYPTED = "json"
"""The format that `kubekeep decrypt` reads."""


class Privacy(msgspec.Struct, frozen=True):
    """What is hidden in reports."""

    hide: bool
    encrypt: bool

    def check(self, outputs: list[Output]) -> None:
        """Raise what `seen` would raise, before a scan has begun: click.UsageError for formats and for the key."""
        if self.hide and self.encrypt:
            raise click.UsageError("--hide and --encrypt exclude each other")
        if self.encrypt and [item.format.name for item in outputs] != [_ENCRYPTED]:
            raise click.UsageError(f"--encrypt needs --format {_ENCRYPTED}, which `kubekeep decrypt` reads")
        if self.hide or self.encrypt:
            self._key()

    def seen(self, assessment: Assessment) -> Assessment:
        """`assessment` as reports may show it."""
        if not (self.hide or self.encrypt):
            return assessment
        from kubekeep.privacy.encryption import encrypt, pseudonymise  # noqa: PLC0415 - only who hides pays for it

        key = self._key()
        if self.encrypt and key is not None:
            return encrypt(assessment, key)
        if key is None:
            click.echo("pseudonyms are of this report only; set KUBEKEEP_MASTER_KEY for lasting ones", err=True)
        return pseudonymise(assessment, key)

    def _key(self) -> Any:
        """The master key; None without one, which only pseudonyms can do without."""
        from kubekeep.privacy.encryption import PrivacyError, parse_master_key  # noqa: PLC0415 - the same

        said = master_keys()
        try:
            key = parse_master_key(said.words, said.hexadecimal)
        except PrivacyError as error:
            raise click.UsageError(str(error)) from error
        if self.encrypt and key is None:
            raise click.UsageError("--encrypt needs a key: set KUBEKEEP_MASTER_KEY or KUBEKEEP_MASTER_KEY_HEX")
        return key


def privacy_options(function: Callable[..., None]) -> Callable[..., None]:
    """The options as click takes them, handed on as one argument, `privacy`."""

    @functools.wraps(function)
    def gathered(*, hide: bool, encrypt: bool, **others: Any) -> None:
        function(privacy=Privacy(hide, encrypt), **others)

    for option in (
        click.option(
            "--encrypt",
            is_flag=True,
            help="Encrypt names and texts in the report, with the key in KUBEKEEP_MASTER_KEY; JSON only.",
        ),
        click.option("--hide", is_flag=True, help="Write pseudonyms for names and values into the report."),
    ):
        gathered = option(gathered)
    return gathered
