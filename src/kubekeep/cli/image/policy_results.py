"""Results of an image policy on the terminal and as JSON. Prints; evaluates nothing."""

from __future__ import annotations

import datetime as dt
import sys
from typing import Final

import click
import msgspec

from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.config.file import ConfigurationError
from kubekeep.imagepolicy.evaluate import ImagePolicyResult
from kubekeep.images.errors import ImageAccessError
from kubekeep.model.text import json_text, visible
from kubekeep.model.verdict import Status
from kubekeep.usecases.package_request import PackageRequest

_DENIED: Final = 1
_WORDS: Final = {Status.PASSED: "allowed", Status.FAILED: "denied", Status.NOT_EVALUATED: "not evaluated"}
_MARKS: Final = {Status.PASSED: "passed", Status.FAILED: "failed", Status.NOT_EVALUATED: "not evaluated"}


def verify_by_policy(
    references: tuple[str, ...], policy: str, packages: PackageRequest, repository: str, layout: str
) -> None:
    """Evaluate the policy on each image, print the results and exit: 0 allowed, 1 denied, 3 not evaluated."""
    from kubekeep.imagepolicy.conditions import load_image_policy  # noqa: PLC0415
    from kubekeep.imagepolicy.verify import ImagePolicyVerifier  # noqa: PLC0415 - optional packages
    from kubekeep.signatures.access import SignatureAccess  # noqa: PLC0415
    from kubekeep.signatures.errors import TrustError  # noqa: PLC0415 - optional packages

    signature_access = SignatureAccess(images=packages.images.access, repository=repository)
    try:
        policy_file = load_image_policy(policy)
        print_notes(policy_file.notes)
        verifier = ImagePolicyVerifier(policy_file, signature_access, dt.datetime.now(dt.UTC))
        results = [verifier.verify(reference) for reference in references]
    except (ConfigurationError, TrustError, ImageAccessError) as error:
        raise click.UsageError(visible(str(error))) from error
    if layout == "json":
        documents = [
            msgspec.to_builtins(result) | {"status": result.status.value, "isAllowed": result.status is Status.PASSED}
            for result in results
        ]
        click.echo(msgspec.json.format(json_text(documents)))
    else:
        for result in results:
            _print(result)
    statuses = {result.status for result in results}
    sys.exit(_DENIED if Status.FAILED in statuses else INCOMPLETE if Status.NOT_EVALUATED in statuses else 0)


def print_notes(notes: tuple[str, ...]) -> None:
    """Print the notes about parts of a policy file that do not affect images to the error output."""
    for note in notes:
        click.echo(visible(f"note: {note}"), err=True)


def _print(result: ImagePolicyResult) -> None:
    rule = f"  (rule {result.rule})" if result.rule else ""
    click.echo(visible(f"{_WORDS[result.status]}: {result.image}{rule}"))
    for entry in result.requirements:
        click.echo(visible(f"  {_MARKS[entry.status]:13}  {entry.requirement}: {entry.reason}"))
    if result.digest and result.status is Status.PASSED:
        click.echo(f"  digest         {result.digest}")
