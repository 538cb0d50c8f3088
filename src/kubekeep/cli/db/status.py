"""`kubekeep db status`: the age of the advisories. Parses and prints."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Final

import click
import msgspec

from kubekeep.cli.console.age import AGE, AGE_HELP
from kubekeep.cli.db.shared import FAILED, convert_errors, database_option
from kubekeep.model.text import json_text, utc_text, visible
from kubekeep.usecases.database import DatabaseFile, list_status
from kubekeep.vulnerabilities.database.age import format_age, format_limit, is_old

_OLD: Final = 1
_HEADER: Final = ("SOURCE", "RECORDS", "AGE", "UPDATED", "SIZE", "ORIGIN")


@click.command()
@click.option(
    "--max-age", type=AGE, metavar="AGE", help=f"Exit with 1 if a source is older than AGE, such as {AGE_HELP}."
)
@click.option(
    "-o", "--output", type=click.Choice(("table", "json")), default="table", show_default=True, help="Print this."
)
@database_option
def command(folder: Path, output: str, max_age: dt.timedelta | None) -> None:
    """Show the sources in the database: number of records, age, size on disk and origin.

    The age counts from the last successful update; for imported advisories from the newest record, for an imported VEX
    repository from the time in its index. The records of a VEX repository are its documents.

    \b
    kubekeep db status
    kubekeep db status --max-age 3d -o json
    """  # noqa: D301 - click takes the character itself
    with convert_errors():
        rows = list_status(folder)
    now = dt.datetime.now(dt.UTC)
    old = [row for row in rows if max_age is not None and is_old(row.updated, max_age, now)]
    if output == "json":
        document = {"database": str(folder), "sources": [_describe(row, now, is_old=row in old) for row in rows]}
        click.echo(msgspec.json.format(json_text(document)))
    elif rows:
        _echo_table(rows, now)
    if not rows:
        click.echo(f"there is no advisory database in {visible(str(folder))}: run `kubekeep db update`", err=True)
        sys.exit(FAILED)
    if old:
        names = ", ".join(_get_name(row) for row in old)
        steps = _list_steps(old)
        click.echo(f"older than {format_limit(max_age or dt.timedelta())}: {visible(names)}: {steps}", err=True)
        sys.exit(_OLD)


def _list_steps(old: list[DatabaseFile]) -> str:
    """Return the commands that renew sources; `db update` leaves imported feeds as they are."""
    feeds = sorted({row.feed for row in old if row.is_imported})
    steps = ["run `kubekeep db update`"] if any(not row.is_imported for row in old) else []
    if feeds:
        steps.append(f"import newer data of {', '.join(map(visible, feeds))} with `kubekeep db import`")
    return ", and ".join(steps)


def _describe(row: DatabaseFile, now: dt.datetime, *, is_old: bool) -> dict[str, object]:
    return {
        "name": row.name,
        "feed": row.feed,
        "records": row.records,
        "releases": row.releases,
        "updated": utc_text(row.updated) if row.updated else None,
        "ageSeconds": int((now - row.updated).total_seconds()) if row.updated else None,
        "bytes": row.size,
        "origin": row.origin,
        "isOld": is_old,
        "isSigned": row.is_signed,
    }


def _echo_table(rows: list[DatabaseFile], now: dt.datetime) -> None:
    cells = [_HEADER, *(_list_cells(row, now) for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(_HEADER))]
    for line in cells:
        click.echo("  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip())


def _list_cells(row: DatabaseFile, now: dt.datetime) -> tuple[str, ...]:
    return (
        visible(_get_name(row)),
        f"{row.records:,}",
        format_age(now - row.updated) if row.updated else "unknown",
        utc_text(row.updated, "minutes") if row.updated else "",
        f"{row.size / 1_000_000:,.1f} MB" if row.size else "",
        visible(row.origin) + (" (signed)" if row.is_signed else ""),
    )


def _get_name(row: DatabaseFile) -> str:
    return f"{row.name} ({row.feed})" if row.feed else row.name
