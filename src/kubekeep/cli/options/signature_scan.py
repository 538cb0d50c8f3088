"""Options of scans for the signatures of images and for image policies. Parses; verifies nothing."""

import functools
from typing import Annotated, Any

import click

from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.console.option_group import Command, HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.model.errors import KubekeepError
from kubekeep.usecases.request import ScanRequest


class SignatureScanOptions(OptionGroup, frozen=True):
    """Options for signatures and image policies, as given."""

    section = HelpSection.IMAGES

    verify_signatures: Annotated[
        bool,
        Option(
            "--verify-signatures",
            "Look for the signatures of images in their registries, and verify them with the keys in "
            "trustedCosignPublicKeys of --controls-config.",
            Key.EXPLICIT,
        ),
    ] = False
    image_policy: Annotated[
        str | None,
        Option(
            "--image-policy",
            "Evaluate the image policy in this file on each image, or the policies of the sigstore "
            "policy-controller or of Kyverno in it.",
            Key.EXPLICIT,
            type=click.Path(exists=True, dir_okay=False),
        ),
    ] = None


def signature_scan_options(function: Command) -> Command:
    """Add the options; they are applied to the argument `request`, which already has its options for images."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, signatures: SignatureScanOptions, **others: Any) -> None:
        verify, policy = signatures.verify_signatures, signatures.image_policy or ""
        if verify or policy:
            # Imported only on request: needs optional packages.
            from kubekeep.usecases.image_facts import add_image_facts  # noqa: PLC0415

            try:
                request = add_image_facts(request, verify=verify, policy=policy)
            except KubekeepError as error:
                raise click.UsageError(str(error)) from error
        function(request=request, **others)

    return convert_errors(add_groups(lambda options: {"signatures": options}, SignatureScanOptions)(wrapper))
