"""`kubekeep image convert-policy`: policies of the policy-controller and Kyverno as an image policy. Verifies nothing."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from kubekeep.cli.console.atomic_files import write_text
from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.image.policy_results import print_notes
from kubekeep.config.file import ConfigurationError
from kubekeep.model.text import visible


@click.command(short_help="Convert policies of other tools to an image policy.")
@click.argument("file", type=click.Path(exists=True, dir_okay=False))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the image policy to this new file."
)
@convert_errors
def command(file: str, output: Path | None) -> None:
    """Convert the policies in FILE to an image policy.

    FILE has policies of the sigstore policy-controller (ClusterImagePolicy) or of Kyverno (ClusterPolicy, Policy,
    ImageValidatingPolicy). The commands read such a file directly; the result shows how. Parts that cannot be evaluated are
    listed; the command then exits with 3.

    \b
    kubekeep image convert-policy cluster-image-policy.yaml -o image-policy.yaml
    """  # noqa: D301 - click takes the character itself
    from kubekeep.imagepolicy.conditions import load_image_policy  # noqa: PLC0415 - optional packages
    from kubekeep.imagepolicy.text import format_policy, list_unevaluated  # noqa: PLC0415 - optional packages

    if output is not None and os.path.lexists(output):
        raise click.UsageError(f"{visible(str(output))} exists already: name a new file")
    try:
        policy_file = load_image_policy(file)
    except ConfigurationError as error:
        raise click.UsageError(visible(str(error))) from error
    write_text(format_policy(policy_file.policy), output)
    print_notes(policy_file.notes)
    reasons = list_unevaluated(policy_file.policy)
    for reason in reasons:
        click.echo(visible(f"not evaluated: {reason}"), err=True)
    sys.exit(INCOMPLETE if reasons else 0)
