"""`kubekeep search TEXT`: the controls and frameworks with these words, as text or JSON."""

from __future__ import annotations

import json
from typing import Final

import click

from kubekeep.cli.console import arguments
from kubekeep.usecases.catalog import search

_MOST: Final = 20


@click.command(short_help="Search controls and frameworks.")
@click.argument("words", nargs=-1, required=True)
@arguments.layout_option("pretty", "json")
def command(words: tuple[str, ...], layout: str) -> None:
    """Search the controls and frameworks for WORDS, in any order and case.

    Matches in titles and slugs come before those in descriptions.

    \b
    kubekeep search privileged
    kubekeep search network policy
    """  # noqa: D301 - click takes the character itself
    frameworks, matches = search(words)
    if not (matches or frameworks):
        click.echo(f"no control or framework contains the words {' '.join(words)!r}", err=True)
    if layout == "json":
        names = [{"framework": framework.slug, "title": framework.title} for framework in frameworks]
        click.echo(json.dumps([*names, *({"control": control.id, "title": control.title} for control in matches)]))
        return
    for framework in frameworks:
        click.echo(f"{framework.slug:31} framework  {framework.title}")
    for control in matches[:_MOST]:
        click.echo(f"{control.id:31} {control.level.label:9}  {control.title}")
    if len(matches) > _MOST:
        click.echo(f"… and {len(matches) - _MOST} more: add a word to narrow the search")
