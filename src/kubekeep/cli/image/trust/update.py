"""`kubekeep image trust update`: load the present trusted root. Parses and prints."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import click

from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.console.small_files import read_small_file
from kubekeep.cli.image.trust.shared import convert_trust_errors, get_folder
from kubekeep.cli.options.signature import KEY_FILE
from kubekeep.model.text import utc_text, visible


@click.command()
@click.option("--url", default="", metavar="URL", help="Load from this TUF repository; remembered.")
@click.option(
    "--root",
    type=KEY_FILE,
    help="Trust a private instance of Sigstore instead of the public one, by the first root.json of its repository.",
)
@click.option(
    "--ca",
    "authority_file",
    type=click.Path(exists=True, dir_okay=False),
    help="Trust the certificates in this PEM file for the connection, in addition to those of the system.",
)
@convert_errors
def command(url: str, root: Path | None, authority_file: str | None) -> None:
    """Load the present authorities and logs of Sigstore, which verification then uses instead of the built-in ones.

    Sigstore starts a new log every few months. The repository proves its content by The Update Framework (TUF); if the
    proof fails or is not complete, the stored root stays as it is, and the exit code is 3. Without --url, the repository is
    that of the last update, else the public one of Sigstore.

    \b
    kubekeep image trust update
    kubekeep image trust update --url https://mirror.example/sigstore-tuf
    kubekeep image trust update --url https://tuf.sigstore.example --root root.json
    """  # noqa: D301 - click takes the character itself
    if root is not None and not url:
        raise click.UsageError("--root requires --url: it belongs to the repository of a private instance")
    from kubekeep.usecases.image_trust import TrustUpdateRequest, update_trust  # noqa: PLC0415 - optional packages

    request = TrustUpdateRequest(
        folder=get_folder(),
        url=url,
        root=b"" if root is None else read_small_file(root),
        authority_file=authority_file or "",
    )
    with convert_trust_errors():
        update = update_trust(request, dt.datetime.now(dt.UTC))
    change = "updated" if update.has_changed else "no change"
    click.echo(f"{change}: trusted root of {visible(update.state.url)}", err=True)
    click.echo(f"expires: {utc_text(update.state.expires)}", err=True)
    click.echo(str(update.path))
