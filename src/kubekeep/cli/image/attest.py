"""`kubekeep image attest`: a signed statement about an image, such as its SBOM. Parses and prints; never signs itself."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console.arguments import without_options
from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.options.image import registry_options
from kubekeep.cli.options.keyless import SignerOptions, print_keyless_signature, signer_options
from kubekeep.cli.options.signature import (
    KEY_FILE,
    convert_signing_errors,
    layout_option,
    load_signing_key,
    print_signature,
    repository_option,
)
from kubekeep.usecases.package_request import PackageRequest

_MAX_PREDICATE: Final = 64 << 20
"""Maximum size of a statement, as for attached SBOMs."""


@click.command(short_help="Attach a signed SBOM or another statement to an image.")
@click.argument("reference", metavar="REFERENCE")
@signer_options
@click.option("--predicate", type=KEY_FILE, required=True, help="The JSON file to attach.")
@click.option(
    "--type",
    "predicate_type",
    required=True,
    metavar="TYPE",
    help="Type of the file: slsaprovenance, spdx, cyclonedx, vuln, openvex or a URI.",
)
@layout_option()
@repository_option("Put the signature here, not into the repository of the image.")
@without_options("mirror")
@registry_options
@convert_errors
def command(
    reference: str,
    signer: SignerOptions,
    layout: str,
    predicate: Path,
    predicate_type: str,
    repository: str,
    packages: PackageRequest,
) -> None:
    """Attach a file to an image as a signed statement (attestation). Prints the digest that it is about.

    With --keyless, Sigstore certifies the identity, and enters it with a digest of the statement in a log that anybody can
    read.

    \b
    kubekeep image sbom registry.example/app:1.0 -o app.spdx.json
    kubekeep image attest registry.example/app:1.0 --key cosign.key --type spdx --predicate app.spdx.json
    kubekeep image attest registry.example/app:1.0 --keyless --type spdx --predicate app.spdx.json
    """  # noqa: D301 - click takes the character itself
    from kubekeep.signatures.access import SignatureAccess  # noqa: PLC0415
    from kubekeep.signatures.predicates import resolve_predicate_type  # noqa: PLC0415 - optional packages
    from kubekeep.signatures.signing import SignatureLayout  # noqa: PLC0415
    from kubekeep.usecases.image_signatures import attest_image  # noqa: PLC0415
    from kubekeep.usecases.keyless_signing import attest_image_keyless  # noqa: PLC0415

    signature_access = SignatureAccess(images=packages.images.access, repository=repository)
    with convert_signing_errors():
        uri, content = resolve_predicate_type(predicate_type), read_small_file(predicate, _MAX_PREDICATE)
        if signer.key is None:
            request = signer.create_request(packages.images.access.registry_ca)
            added = attest_image_keyless(reference, signature_access, request, uri, content)
            print_keyless_signature(added, "attestation")
            return
        private_key, signature_layout = load_signing_key(signer.key), SignatureLayout(layout)
        statement = attest_image(reference, signature_access, private_key, signature_layout, uri, content)
    print_signature(statement, "attestation")
