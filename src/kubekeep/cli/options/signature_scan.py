"""Options of scans for the signatures of images and for image policies. Parses; verifies nothing."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import click
import msgspec

from kubekeep.cli.options.signature import convert_errors
from kubekeep.signatures.options import SignatureOptions
from kubekeep.usecases.request import ScanRequest


def signature_scan_options(function: Callable[..., None]) -> Callable[..., None]:
    """Add the options; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, *, verify_signatures: bool, image_policy: str | None, **others: Any) -> None:
        if verify_signatures or image_policy:
            options = SignatureOptions(verify=verify_signatures, policy=image_policy or "")
            read = msgspec.structs.replace(request.input.read, signatures=options)
            request = msgspec.structs.replace(request, input=msgspec.structs.replace(request.input, read=read))
        function(request=request, **others)

    for option in (
        click.option(
            "--image-policy",
            type=click.Path(exists=True, dir_okay=False),
            default=None,
            help="Evaluate the image policy in this file on each image, or the policies of the sigstore "
            "policy-controller or of Kyverno in it.",
        ),
        click.option(
            "--verify-signatures",
            is_flag=True,
            help="Look for the signatures of images in their registries, and verify them with the keys in "
            "trustedCosignPublicKeys of --controls-config.",
        ),
    ):
        wrapper = option(wrapper)
    return convert_errors(wrapper)
