"""`kubekeep vex`: create, show and convert VEX documents. Parses and prints; applies no statement."""

from __future__ import annotations

import contextlib
import datetime as dt
import io
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TextIO

import click
import msgspec

from kubekeep.cli.console import arguments
from kubekeep.cli.console.atomic_files import open_binary
from kubekeep.cli.settings import get_width, settings
from kubekeep.model.errors import KubekeepError
from kubekeep.model.text import visible
from kubekeep.reports.format import ReportOptions
from kubekeep.reports.vex import json as json_report
from kubekeep.reports.vex import show as show_report
from kubekeep.usecases import vex as usecase
from kubekeep.usecases.vex import StatementRequest
from kubekeep.vulnerabilities.vex.document import JUSTIFICATIONS, VexDocument, VexStatus
from kubekeep.vulnerabilities.vex.write import FORMATS, OPENVEX, write_vex

_DOCUMENT: Final = click.Path(dir_okay=False, exists=True, allow_dash=True)
_OUTPUT: Final = click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write the document to this file."
)
_AUTHOR: Final = click.option("--author", default="", metavar="NAME", help="Name the author of the document.")
_AUTHOR_URL: Final = click.option(
    "--author-url", default="", metavar="URL", help="Name the publisher by this URL; CSAF requires one."
)


class UnreadableVexError(click.ClickException):
    """A file is no VEX document."""

    exit_code = 3


def _format_option(help_text: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    return click.option(
        "-f", "--format", "name", type=click.Choice(FORMATS), default=OPENVEX, show_default=True, help=help_text
    )


@click.group(short_help="Create, show and convert VEX documents.")
def command() -> None:
    """Create, show and convert VEX documents: statements that a product is affected by a vulnerability, or is not.

    OpenVEX, CycloneDX and CSAF are supported, also in attestations.
    """


@command.command(short_help="State the status of a vulnerability in a product.")
@click.option(
    "--product",
    "products",
    multiple=True,
    metavar="REFERENCE",
    help="State it for this product: an image such as registry.example/shop@sha256:..., or a package URL; repeatable.",
)
@click.option(
    "--component",
    "components",
    multiple=True,
    metavar="PURL",
    help="State it only for this package in the products; repeatable. Default: the whole product.",
)
@click.option("--vulnerability", required=True, metavar="ID", help="Name the vulnerability, such as CVE-2021-44228.")
@click.option("--alias", "aliases", multiple=True, metavar="ID", help="Name it by another identifier too; repeatable.")
@click.option(
    "--status", required=True, type=click.Choice([str(status) for status in VexStatus]), help="Set the status."
)
@click.option(
    "--justification",
    type=click.Choice(JUSTIFICATIONS),
    metavar="REASON",
    help=f"Give the reason of not_affected: {', '.join(JUSTIFICATIONS)}.",
)
@click.option("--impact", default="", metavar="TEXT", help="Explain not_affected in words.")
@click.option("--action", default="", metavar="TEXT", help="Advise users of an affected product.")
@click.option("--notes", default="", metavar="TEXT", help="Add a note.")
@_AUTHOR
@_AUTHOR_URL
@click.option(
    "--time", "moment", default="", metavar="TIME", help="Set the time of the statement, in RFC 3339. Default: now."
)
@click.option(
    "--add-to",
    type=_DOCUMENT,
    help="Keep the statements of this document, and write its next version to it, unless --output is set.",
)
@_format_option("Write this format.")
@_OUTPUT
def create(  # noqa: PLR0913, PLR0917 - one argument an option
    products: tuple[str, ...],
    components: tuple[str, ...],
    vulnerability: str,
    aliases: tuple[str, ...],
    status: str,
    justification: str | None,
    impact: str,
    action: str,
    notes: str,
    author: str,
    author_url: str,
    moment: str,
    add_to: str | None,
    name: str,
    output: Path | None,
) -> None:
    """Write a statement about a vulnerability in a product.

    \b
    kubekeep vex create --product registry.example/shop@sha256:... --component pkg:npm/lodash@4.17.20 \\
        --vulnerability CVE-2021-23337 --status not_affected \\
        --justification vulnerable_code_not_in_execute_path --author "Shop team" -o shop.vex.json
    """  # noqa: D301 - click takes the character itself
    if not products:
        raise click.UsageError("no product: name an image or a package with --product")
    if not (author or add_to):
        raise click.UsageError("no author: name one with --author")
    request = StatementRequest(
        vulnerability=vulnerability,
        status=status,
        products=products,
        components=components,
        aliases=aliases,
        justification=justification or "",
        impact=impact,
        action=action,
        notes=notes,
    )
    time = _parse_time(moment)
    if add_to is None:
        with _convert_usage_errors():
            document = usecase.create_document(request, author, author_url, time)
    else:
        known = _load((add_to,))[0]
        with _convert_usage_errors():
            document = usecase.add_statement(known, request, author, author_url, time)
        output = output or (None if add_to == "-" else Path(add_to))
    _write(document, name, output)
    _warn_about_tags(document)


@command.command(short_help="Show the statements of VEX documents.")
@click.argument("files", type=_DOCUMENT, nargs=-1, required=True, metavar="FILE...")
@arguments.layout_option("pretty", "json")
def show(files: tuple[str, ...], layout: str) -> None:
    """Show the statements in each FILE: vulnerability, status and products; - reads standard input.

    A statement that breaks a rule of its format is marked: it has no effect in scans.
    """
    documents = _load(files)
    if layout == "json":
        json_report.write_documents(documents, _stdout())
        return
    for number, document in enumerate(documents):
        if number:
            _stdout().write("\n")
        show_report.write_document(document, _stdout(), _options())


@command.command(short_help="Convert a VEX document to another format.")
@click.argument("file", type=_DOCUMENT)
@_format_option("Write this format.")
@_AUTHOR
@_AUTHOR_URL
@_OUTPUT
def convert(file: str, name: str, author: str, author_url: str, output: Path | None) -> None:
    """Write the statements in FILE in another format; - reads standard input.

    A statement that the format cannot express ends the command: nothing is dropped.

    \b
    kubekeep vex convert vendor.csaf.json -f openvex -o vendor.vex.json
    """  # noqa: D301 - click takes the character itself
    document = _load((file,))[0]
    document = usecase.replace_author(document, author, author_url)
    _write(document, name, output)


def _load(files: tuple[str, ...]) -> tuple[VexDocument, ...]:
    try:
        return usecase.read_documents(files, sys.stdin.buffer)
    except KubekeepError as error:
        raise UnreadableVexError(str(error)) from error


def _write(document: VexDocument, name: str, output: Path | None) -> None:
    with _convert_usage_errors():
        content = write_vex(document, name)
    if output is None:
        _stdout().write(content.decode())
        return
    with open_binary(output) as stream:
        stream.write(content)
    click.echo(f"{name}: {visible(str(output))}", err=True)


def _warn_about_tags(document: VexDocument) -> None:
    for label in usecase.list_mutable_products(document):
        click.echo(f"warning: {visible(label)} has no digest, so the statement applies to later images too", err=True)


def _parse_time(text: str) -> dt.datetime:
    if not text:
        return dt.datetime.now(dt.UTC).replace(microsecond=0)
    try:
        moment = msgspec.convert(text, dt.datetime)
    except msgspec.ValidationError:
        raise click.BadParameter(f"{text!r} is not a time in RFC 3339, as 2026-01-31T12:00:00Z") from None
    return moment.replace(tzinfo=dt.UTC) if moment.tzinfo is None else moment


@contextlib.contextmanager
def _convert_usage_errors() -> Iterator[None]:
    try:
        yield
    except KubekeepError as error:
        raise click.UsageError(str(error)) from error


def _stdout() -> TextIO:
    """Return standard output with UTF-8 encoding, for any locale."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")
    return sys.stdout


def _options() -> ReportOptions:
    return ReportOptions(colour=sys.stdout.isatty() and settings().colour, width=get_width(sys.stdout))
