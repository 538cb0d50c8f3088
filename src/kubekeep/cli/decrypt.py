"""`kubekeep decrypt`: decrypt a report written with `--encrypt`. Never prompts for a key."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.settings import master_keys
from kubekeep.model.errors import KubekeepError
from kubekeep.model.paths import error_reason
from kubekeep.usecases.privacy import create_privacy, decrypt_report


class RefusedError(click.ClickException):
    """The report cannot be decrypted with this key."""

    exit_code = 3


@click.command(short_help="Decrypt a report.")
@click.argument("report", type=click.Path(path_type=Path, dir_okay=False, exists=True, allow_dash=True))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the decrypted report to this file."
)
def command(report: Path, output: Path | None) -> None:
    """Decrypt REPORT, written by `kubekeep scan --encrypt`, and print it; - reads standard input.

    Requires the key of the report in KUBEKEEP_MASTER_KEY or KUBEKEEP_MASTER_KEY_HEX.
    """
    keys = master_keys()
    try:
        privacy = create_privacy(keys.passphrase, keys.hexadecimal, encrypts=True)
        if privacy.key is None:
            raise click.UsageError(
                "no key: set KUBEKEEP_MASTER_KEY or KUBEKEEP_MASTER_KEY_HEX to the key of the report"
            )
        text = decrypt_report(str(report), sys.stdin.buffer, privacy)
    except KubekeepError as error:
        raise RefusedError(f"{report}: {error}") from error
    except OSError as error:
        raise RefusedError(f"{report}: {error_reason(error)}") from error
    write_text(text, output)
