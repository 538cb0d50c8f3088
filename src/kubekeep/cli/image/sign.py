"""`kubekeep image sign`: a signature of an image with a key or an identity. Parses and prints; never signs itself."""

from __future__ import annotations

import click

from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.options.image import registry_options
from kubekeep.cli.options.keyless import SignerOptions, print_keyless_signature, signer_options
from kubekeep.cli.options.signature import (
    annotation_option,
    convert_signing_errors,
    layout_option,
    load_signing_key,
    print_signature,
    repository_option,
)
from kubekeep.usecases.package_request import PackageRequest


@click.command(short_help="Sign an image with a key or an identity.")
@click.argument("reference", metavar="REFERENCE")
@signer_options
@annotation_option("Sign this annotation too; repeatable.")
@layout_option()
@repository_option("Put the signature here, not into the repository of the image.")
@without_options("mirror")
@registry_options
@convert_errors
def command(
    reference: str,
    signer: SignerOptions,
    layout: str,
    annotations: dict[str, str],
    repository: str,
    packages: PackageRequest,
) -> None:
    """Sign an image with a private key, or with the identity of a CI job. Prints the digest that is signed.

    Signs the index of an image for several platforms, and with --platform the manifest of one. The signature goes to the
    registry, beside the image. Existing signatures stay.

    With --key, nothing is entered in a transparency log. Reads the password of the key from COSIGN_PASSWORD, or prompts for it.

    With --keyless, Sigstore certifies the identity, and enters it with the signature in a log that anybody can read.

    \b
    kubekeep image sign registry.example/app:1.0 --key cosign.key
    kubekeep image sign registry.example/app:1.0 --keyless
    """  # noqa: D301 - click takes the character itself
    from kubekeep.signatures.access import SignatureAccess  # noqa: PLC0415
    from kubekeep.signatures.signing import SignatureLayout  # noqa: PLC0415 - optional packages
    from kubekeep.usecases.image_signatures import sign_image  # noqa: PLC0415
    from kubekeep.usecases.keyless_signing import sign_image_keyless  # noqa: PLC0415

    signature_access = SignatureAccess(images=packages.images.access, repository=repository)
    with convert_signing_errors():
        if signer.key is None:
            request = signer.create_request(packages.images.access.registry_ca)
            print_keyless_signature(sign_image_keyless(reference, signature_access, request, annotations), "signature")
            return
        private_key, signature_layout = load_signing_key(signer.key), SignatureLayout(layout)
        signature = sign_image(reference, signature_access, private_key, signature_layout, annotations)
    print_signature(signature, "signature")
