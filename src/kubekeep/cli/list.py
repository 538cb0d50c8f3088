"""`kubekeep list`: the frameworks and the controls, for people or as JSON."""

from __future__ import annotations

import json

import click

from kubekeep.library.load import builtin

_LAYOUT = click.option(
    "-f", "--format", "layout", type=click.Choice(["pretty", "json"]), default="pretty", show_default=True
)


@click.group(short_help="List the frameworks or the controls.")
def command() -> None:
    """List what the library knows."""


@command.command()
@_LAYOUT
def frameworks(layout: str) -> None:
    """List the frameworks with how many controls each has."""
    rows = [(item, len(builtin().members(item))) for item in builtin().frameworks.values()]
    if layout == "json":
        click.echo(json.dumps([{"name": item.slug, "title": item.title, "controls": count} for item, count in rows]))
        return
    for item, count in rows:
        click.echo(f"{item.slug:16} {count:4} controls  {item.title}")


@command.command()
@_LAYOUT
def controls(layout: str) -> None:
    """List the controls with their severity and the frameworks they serve."""
    members = {item.slug: set(builtin().members(item)) for item in builtin().frameworks.values()}
    ordered = sorted(builtin().controls.values(), key=lambda control: control.id)
    if layout == "json":
        rows = [
            {
                "id": item.id,
                "name": item.title,
                "frameworks": [name for name, found in members.items() if item in found],
            }
            for item in ordered
        ]
        click.echo(json.dumps(rows))
        return
    for item in ordered:
        click.echo(f"{item.id:38} {item.level.label:9} {item.title}")
