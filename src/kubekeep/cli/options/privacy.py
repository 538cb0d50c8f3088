"""Options of `kubekeep scan` for reports that leave the organisation: pseudonyms and encryption.

Parses, and reads the key from the environment; never replaces a name itself.
"""

from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.console.outputs import Output
from kubekeep.cli.settings import master_keys
from kubekeep.model.assessment import Assessment

_ENCRYPTED = "json"
"""The format that `kubekeep decrypt` reads."""


class PrivacyOptions(OptionGroup, frozen=True):
    """Privacy options of reports."""

    section = HelpSection.REPORT
    rank = 20

    hide: Annotated[
        bool, Option("--hide", "Replace names and values in the report with pseudonyms.", Key.DISCOVERED)
    ] = False
    encrypt: Annotated[
        bool,
        Option(
            "--encrypt",
            "Encrypt names and texts in the report with the key in KUBEKEEP_MASTER_KEY; requires --format json.",
            Key.DISCOVERED,
        ),
    ] = False

    def check(self, outputs: list[Output]) -> None:
        """Raise the errors of `protect` before a scan: click.UsageError for formats and for the key."""
        if self.hide and self.encrypt:
            raise click.UsageError("--hide and --encrypt cannot be combined")
        if self.encrypt and [output.format.name for output in outputs] != [_ENCRYPTED]:
            raise click.UsageError(f"--encrypt requires --format {_ENCRYPTED}")
        if self.hide or self.encrypt:
            self._key()

    def protect(self, assessment: Assessment) -> Assessment:
        """Return `assessment` with the options applied, for reports."""
        if not (self.hide or self.encrypt):
            return assessment
        from kubekeep.privacy.encryption import encrypt, pseudonymise  # noqa: PLC0415 - loaded only with --hide or --encrypt

        key = self._key()
        if self.encrypt and key is not None:
            return encrypt(assessment, key)
        if key is None:
            click.echo(
                "pseudonyms apply to this report only; set KUBEKEEP_MASTER_KEY to use the same ones in all reports",
                err=True,
            )
        return pseudonymise(assessment, key)

    def _key(self) -> Any:
        """Return the master key; None without one, which only pseudonyms permit."""
        from kubekeep.privacy.encryption import PrivacyError, parse_master_key  # noqa: PLC0415 - the same

        keys = master_keys()
        try:
            key = parse_master_key(keys.passphrase, keys.hexadecimal)
        except PrivacyError as error:
            raise click.UsageError(str(error)) from error
        if self.encrypt and key is None:
            raise click.UsageError("--encrypt requires a key: set KUBEKEEP_MASTER_KEY or KUBEKEEP_MASTER_KEY_HEX")
        return key


privacy_options: Final = add_groups(lambda options: {"privacy": options}, PrivacyOptions)
"""Decorator that adds the options; they are passed on as one argument, `privacy`."""
