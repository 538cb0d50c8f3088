"""`kubekeep image trust show`: the trusted root in use. Parses and prints."""

from __future__ import annotations

import datetime as dt
from typing import Any, Final

import click
import msgspec

from kubekeep.cli.console.key_files import convert_errors
from kubekeep.cli.image.trust.shared import convert_trust_errors
from kubekeep.model.text import utc_text, visible
from kubekeep.reports.shared.trusted_root_text import describe_root

_PRETTY: Final = "pretty"
_TRUSTED_ROOT: Final = "trusted-root"


@click.command()
@click.option(
    "-f",
    "--format",
    "layout",
    type=click.Choice((_PRETTY, "json", _TRUSTED_ROOT)),
    default=_PRETTY,
    show_default=True,
    help="trusted-root is the file trusted_root.json, for --trusted-root and other tools.",
)
@convert_errors
def command(layout: str) -> None:
    """Show the trusted root that verification uses without --trusted-root: its origin and age, its authorities and logs.

    \b
    kubekeep image trust show
    kubekeep image trust show -f trusted-root > trusted_root.json
    """  # noqa: D301 - click takes the character itself
    from kubekeep.usecases.image_trust import select_trust  # noqa: PLC0415 - optional packages

    now = dt.datetime.now(dt.UTC)
    with convert_trust_errors():
        selected = select_trust(now)
    if layout == _TRUSTED_ROOT:
        click.echo(selected.content.decode().rstrip("\n"))
        return
    root = selected.root
    parts = {
        "certificateAuthorities": root.authorities,
        "timestampAuthorities": root.timestamp_authorities,
        "logs": root.logs,
        "certificateLogs": root.certificate_logs,
    }
    if layout == "json":
        document = msgspec.to_builtins(root.origin) | {
            "file": None if selected.path is None else str(selected.path),
            **{name: [_describe(part) for part in values] for name, values in parts.items()},
        }
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    click.echo(f"trusted root: {visible(describe_root(root.origin, now))}")
    if selected.path is not None:
        click.echo(f"file: {visible(str(selected.path))}")
    for heading, name in _HEADINGS.items():
        click.echo(f"{heading}:{'' if parts[name] else ' none'}")
        for part in map(_describe, parts[name]):
            period = f"from {part['start'][:10]}" + (f" to {part['end'][:10]}" if part["end"] else "")
            click.echo(f"  {visible(part['url']) or 'without a URL'}  {period}")


_HEADINGS: Final = {
    "certificate authorities": "certificateAuthorities",
    "timestamp authorities": "timestampAuthorities",
    "transparency logs": "logs",
    "certificate logs": "certificateLogs",
}


def _describe(part: Any) -> dict[str, Any]:
    end = part.period.end
    return {"url": part.url, "start": utc_text(part.period.start), "end": None if end is None else utc_text(end)}
