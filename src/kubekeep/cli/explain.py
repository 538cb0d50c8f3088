"""`kubekeep explain CONTROL`: everything the library says of one control, for people."""

from __future__ import annotations

import click

from kubekeep.assess.select import UnknownNameError, controls_named
from kubekeep.library.load import builtin
from kubekeep.model.control import Control


@click.command(short_help="Explain a control.")
@click.argument("control")
def command(control: str) -> None:
    """Explain CONTROL (number, slug or title): what it asks, why it matters and how to fix it."""
    try:
        (found,) = controls_named([control])
    except UnknownNameError as error:
        raise click.BadParameter(str(error), param_hint="CONTROL") from error
    click.echo("\n".join(_lines(found)))


def _lines(control: Control) -> list[str]:
    numbers = f"{', '.join(control.ids)} · " if control.ids else ""
    level = click.style(f"{control.level.label} ({control.severity:g})", fg=control.level.colour)
    lines = [click.style(control.title, bold=True), f"{numbers}{control.slug} · {level}"]
    parts = (
        ("What it asks", control.asks),
        ("Why it matters", control.why),
        ("How to fix it", control.fix),
        ("What fixing it may break", control.impact),
        ("When nothing is said", control.default_value),
    )
    for heading, text in parts:
        if text:
            lines += ["", click.style(heading, bold=True), click.wrap_text(text.strip(), 96, "  ", "  ")]
    lines += ["", click.style("Looks at", bold=True), f"  {', '.join(control.targets)}"]
    if control.params:
        lines += ["", click.style("Parameters", bold=True)]
        lines += [f"  {name}: {item.description} {list(item.default)}" for name, item in control.params.items()]
    asked_by = [item.title for item in builtin().frameworks.values() if item.slug in control.satisfies]
    if asked_by:
        lines += ["", click.style("Asked for by", bold=True), *(f"  {title}" for title in asked_by)]
    if control.references:
        lines += ["", click.style("Read more", bold=True), *(f"  {link}" for link in control.references)]
    return lines
