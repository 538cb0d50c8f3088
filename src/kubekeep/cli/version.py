"""`kubekeep version`. Never checks for updates."""

from __future__ import annotations

import json

import click

from kubekeep._native import VERSION


@click.command(short_help="Print the version.")
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Print this format.",
)
def command(layout: str) -> None:
    """Print the version."""
    click.echo(json.dumps({"version": VERSION}) if layout == "json" else f"kubekeep {VERSION}")
