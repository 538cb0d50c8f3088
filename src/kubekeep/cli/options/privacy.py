"""Options of `kubekeep scan` for reports that leave the organisation: pseudonyms and encryption.

Parses, and reads the key from the environment; never replaces a name itself.
"""

from typing import Annotated, Any, Final

import click

from kubekeep.cli.console.option_group import HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.console.outputs import Output
from kubekeep.cli.settings import master_keys
from kubekeep.model.assessment import Assessment
from kubekeep.model.errors import KubekeepError

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
            self._create()

    def protect(self, assessment: Assessment) -> Assessment:
        """Return `assessment` with the options applied, for reports."""
        if not (self.hide or self.encrypt):
            return assessment
        privacy = self._create()
        if privacy.key is None:
            click.echo(
                "pseudonyms apply to this report only; set KUBEKEEP_MASTER_KEY to use the same ones in all reports",
                err=True,
            )
        protected: Assessment = privacy.protect(assessment)
        return protected

    def _create(self) -> Any:
        """Return the ReportPrivacy. Raises a usage error for the key."""
        from kubekeep.usecases.privacy import create_privacy  # noqa: PLC0415 - loaded only with --hide or --encrypt

        keys = master_keys()
        try:
            privacy = create_privacy(keys.passphrase, keys.hexadecimal, encrypts=self.encrypt)
        except KubekeepError as error:
            raise click.UsageError(str(error)) from error
        if self.encrypt and privacy.key is None:
            raise click.UsageError("--encrypt requires a key: set KUBEKEEP_MASTER_KEY or KUBEKEEP_MASTER_KEY_HEX")
        return privacy


privacy_options: Final = add_groups(lambda options: {"privacy": options}, PrivacyOptions)
"""Decorator that adds the options; they are passed on as one argument, `privacy`."""
