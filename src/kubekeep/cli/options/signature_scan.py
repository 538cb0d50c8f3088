"""Options of scans for the signatures of images and for image policies. Parses; verifies nothing."""

import functools
from typing import Annotated, Any

import click
import msgspec

from kubekeep.cli.console.option_group import Command, HelpSection, Key, Option, OptionGroup, add_groups
from kubekeep.cli.options.signature import convert_errors
from kubekeep.signatures.options import SignatureOptions
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
    """Add the options; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, signatures: SignatureOptions | None, **others: Any) -> None:
        if signatures:
            read = msgspec.structs.replace(request.input.read, signatures=signatures)
            request = msgspec.structs.replace(request, input=msgspec.structs.replace(request.input, read=read))
        function(request=request, **others)

    return convert_errors(add_groups(_create_options, SignatureScanOptions)(wrapper))


def _create_options(options: SignatureScanOptions) -> dict[str, SignatureOptions | None]:
    is_requested = options.verify_signatures or options.image_policy
    signatures = SignatureOptions(verify=options.verify_signatures, policy=options.image_policy or "")
    return {"signatures": signatures if is_requested else None}
