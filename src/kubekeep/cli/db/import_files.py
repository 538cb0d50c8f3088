"""`kubekeep db import`: advisories from a bundle, files or an OCI registry. Parses and prints."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.db.artifact import load_usecase, plain_http_option, read_registry
from kubekeep.cli.db.shared import FAILED, convert_errors, database_option, echo_unread
from kubekeep.cli.library import KEY_FILE, convert_registry_errors
from kubekeep.model.text import utc_text, visible
from kubekeep.registry.reference import ArtifactReference, parse_reference
from kubekeep.reports.shared.wording import count_noun
from kubekeep.usecases.database import IMPORTED, import_database
from kubekeep.vulnerabilities.database.build import BuildResult, get_feed_folder
from kubekeep.vulnerabilities.database.scanner_databases import ScannerImport
from kubekeep.vulnerabilities.database.vex_repositories.importing import VexImport

_ARTIFACT: Final = "oci://"


def _parse_origin(ctx: click.Context, param: click.Parameter, value: str) -> ArtifactReference | Path:  # noqa: ARG001
    if not value.startswith(_ARTIFACT):
        path = Path(value)
        if not path.exists():
            raise click.BadParameter(f"{visible(value)} does not exist; a reference begins with {_ARTIFACT}")
        return path
    try:
        return parse_reference(value)
    except ValueError as error:
        raise click.BadParameter(visible(str(error))) from error


@click.command()
@click.argument("origin", metavar="FILE|FOLDER|oci://REFERENCE", callback=_parse_origin)
@click.option(
    "--feed",
    default="",
    metavar="NAME",
    help=f"Import OSV records into this feed (default: {IMPORTED}), or a VEX repository under this name.",
)
@click.option("--key", type=KEY_FILE, help="Reject an artifact without a signature of this public key, in PEM.")
@click.option("--allow-older", is_flag=True, help="Replace files of the database by older ones too.")
@plain_http_option
@database_option
@convert_registry_errors
def command(
    origin: ArtifactReference | Path,
    feed: str,
    key: Path | None,
    folder: Path,
    *,
    plain_http: bool,
    allow_older: bool,
) -> None:
    """Import advisories; nothing is replaced unless everything is valid, and no file by an older one.

    \b
    A bundle of `db export`, a folder of `db build`, and an artifact of `db push` replace the files that they contain.
    A database of Grype (vulnerability.db) or Trivy (trivy.db with metadata.json), or its archive, replaces the feed with
    the name of the scanner, beside the advisories of OSV.
    The archive of a VEX repository (tar.gz, tar.bz2, tar.xz, zip) or its folder replaces the one with the same name.
    OSV records (zip, JSON, JSON Lines) are added to a feed, beside the advisories of OSV.

    \b
    kubekeep db import advisories.bundle
    kubekeep db import oci://registry.example/advisories:latest --key cosign.pub
    kubekeep db import our-advisories.jsonl --feed acme
    kubekeep db import vulnerability-db_v6.tar.zst
    kubekeep db import vexhub-main.tar.gz --feed 20-hub
    """  # noqa: D301 - click takes the character itself
    if isinstance(origin, ArtifactReference):
        if feed:
            raise click.UsageError("--feed is for files: an artifact has its own feeds")
        _pull(origin, folder, key, plain_http=plain_http, allow_older=allow_older)
        return
    if key is not None:
        raise click.UsageError("--key is for artifacts: a file has no signature")
    with convert_errors():
        result = import_database(origin, folder, feed, allow_older=allow_older)
    if isinstance(result, BuildResult):
        echo_unread(result.problems, result.unread)
        click.echo(f"imported {count_noun(result.records, 'record')} from {visible(str(origin))}", err=True)
        if result.unread:
            sys.exit(FAILED)
    elif isinstance(result, ScannerImport):
        _echo_scanner(result, folder)
    elif isinstance(result, VexImport):
        echo_unread(result.problems, result.unread)
        documents = count_noun(result.documents, "document")
        click.echo(f"imported {documents} into the VEX repository {result.name} from {visible(str(origin))}", err=True)
        if result.unread:
            sys.exit(FAILED)
    else:
        click.echo(f"imported {count_noun(len(result.files), 'file')} from {visible(str(origin))}", err=True)


def _echo_scanner(result: ScannerImport, folder: Path) -> None:
    """Print the result of importing a database of another scanner, and exit with 3 if records could not be read."""
    echo_unread(result.problems, result.unread)
    click.echo(
        f"imported {count_noun(result.records, 'record')} of {count_noun(result.ecosystems, 'ecosystem')} from the database of "
        f"{result.scanner} built at {utc_text(result.built, 'minutes')} into the feed {result.feed}",
        err=True,
    )
    click.echo(
        f"scans use the feed beside other advisories, and `db update` does not change it; delete "
        f"{visible(str(get_feed_folder(folder, result.feed)))} to use only the others",
        err=True,
    )
    if result.unread:
        sys.exit(FAILED)


def _pull(reference: ArtifactReference, folder: Path, key: Path | None, *, plain_http: bool, allow_older: bool) -> None:
    with convert_errors():
        pulled = load_usecase().pull_database(
            reference,
            folder,
            read_registry(plain_http=plain_http),
            key=key and read_small_file(key),
            allow_older=allow_older,
        )
    signature_text = (
        f"signed with the key {pulled.signed_by[:16]}" if pulled.signed_by else "signature not verified: use --key"
    )
    click.echo(
        f"imported {count_noun(pulled.files, 'file')} of {reference}, {pulled.transferred} of them new; {signature_text}",
        err=True,
    )
    click.echo(pulled.digest)
