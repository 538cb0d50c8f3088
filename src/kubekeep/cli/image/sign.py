"""`kubekeep image sign`: a signature of an image with a key. Parses and prints; never signs itself."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from kubekeep.cli.arguments import without_options
from kubekeep.cli.image_options import registry_options
from kubekeep.cli.signature_options import (
    KEY_FILE,
    annotation_option,
    convert_errors,
    layout_option,
    load_signing_key,
    print_signature,
    repository_option,
)
from kubekeep.cli.standard_output import INCOMPLETE
from kubekeep.images.access.options import AccessOptions
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible


@click.command(short_help="Sign an image with a key.")
@click.argument("reference", metavar="REFERENCE")
@click.option("--key", type=KEY_FILE, required=True, help="Sign with this private key, of cosign or in PEM.")
@annotation_option("Sign this annotation too; repeatable.")
@layout_option()
@repository_option("Put the signature here, not into the repository of the image.")
@without_options("mirror")
@registry_options
@convert_errors
def command(
    reference: str, key: Path, annotations: dict[str, str], layout: str, repository: str, access: AccessOptions
) -> None:
    """Sign an image with a private key. Prints the digest that is signed.

    Signs the index of an image for several platforms, and with --platform the manifest of one. The signature goes to the
    registry, beside the image; it is not entered in a transparency log. Existing signatures stay. Reads the password of the
    key from COSIGN_PASSWORD, or prompts for it.

    \b
    kubekeep image sign registry.example/app:1.0 --key cosign.key
    """  # noqa: D301 - click takes the character itself
    private_key = load_signing_key(key)
    from kubekeep.signatures.signing import SignatureLayout  # noqa: PLC0415 - optional packages
    from kubekeep.usecases.image_signatures import SignatureAccess, sign_image  # noqa: PLC0415

    try:
        signature = sign_image(
            reference,
            SignatureAccess(images=access, repository=repository),
            private_key,
            SignatureLayout(layout),
            annotations,
        )
    except KubekeepError as error:
        click.echo(f"failed: {visible(str(error))}", err=True)
        sys.exit(INCOMPLETE)
    print_signature(signature, "signature")
