"""`kubekeep db push`: the database as an artifact of an OCI registry. Parses and prints."""

from __future__ import annotations

from pathlib import Path

import click

from kubekeep.cli.console.key_files import read_password
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.db.artifact import load_usecase, plain_http_option, read_registry
from kubekeep.cli.db.shared import convert_errors, database_option
from kubekeep.cli.library import KEY_FILE, convert_registry_errors, parse_artifact
from kubekeep.registry.reference import ArtifactReference
from kubekeep.reports.shared.wording import count_noun


@click.command()
@click.argument("reference", metavar="oci://REGISTRY/REPOSITORY:TAG", callback=parse_artifact)
@click.option("--key", type=KEY_FILE, help="Sign with this private key, of cosign or in PEM.")
@plain_http_option
@database_option
@convert_registry_errors
def command(reference: ArtifactReference, key: Path | None, folder: Path, *, plain_http: bool) -> None:
    """Push the database to an OCI registry, one layer per ecosystem. Prints the digest.

    Layers that the registry has are not sent again. Reads the password of the key from COSIGN_PASSWORD, or prompts for it.

    \b
    kubekeep db push oci://registry.example/advisories:latest --key cosign.key
    kubekeep db import oci://registry.example/advisories:latest --key cosign.pub
    """  # noqa: D301 - click takes the character itself
    if not reference.tag or reference.digest:
        raise click.UsageError(f"{reference}: push to a tag, such as {reference.name}:latest")
    with convert_errors():
        pushed = load_usecase().push_database(
            folder,
            reference,
            read_registry(plain_http=plain_http),
            key=key and read_small_file(key),
            password=read_password,
        )
    signature_text = "signed" if pushed.signed_by else "not signed"
    click.echo(f"pushed {count_noun(pushed.files, 'file')} to {reference}, {signature_text}", err=True)
    click.echo(pushed.digest)
