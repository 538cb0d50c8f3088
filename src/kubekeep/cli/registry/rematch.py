"""`kubekeep registry rematch`: the effect of new advisories on images that were scanned. Parses and prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import click
import msgspec

from kubekeep.cli.arguments import SEVERITIES, layout_option, parse_severity
from kubekeep.cli.db.shared import convert_errors, database_option
from kubekeep.cli.standard_output import INCOMPLETE
from kubekeep.images.registries.state import StateError
from kubekeep.model.severity import Severity
from kubekeep.model.text import visible
from kubekeep.reports.shared.wording import count_noun
from kubekeep.vulnerabilities.inventory import StoredVulnerability
from kubekeep.vulnerabilities.rematching import RematchReport

_GATE_FAILED: Final = 1
_MOST_NAMES: Final = 3


@click.command(short_help="Show what new advisories change in scanned images.")
@click.argument("state", type=click.Path(path_type=Path, file_okay=False), metavar="DIR")
@database_option
@click.option(
    "--fail-on",
    type=SEVERITIES,
    callback=parse_severity,
    metavar="SEVERITY",
    help="Exit with 1 if a new vulnerability has at least this severity.",
)
@layout_option("text", "json")
def command(state: Path, folder: Path, fail_on: Severity | None, layout: str) -> None:
    """Match the images in the state DIR of `kubekeep registry scan` with the advisory database again.

    Prints new, changed and resolved vulnerabilities of each image since the last run. Only packages whose advisories
    changed are matched; no image is read, and the network is not used.

    \b
    kubekeep db update && kubekeep registry rematch state
    kubekeep registry rematch state --format json --fail-on critical
    """  # noqa: D301 - click takes the character itself
    from kubekeep.usecases.rematch import rematch_state  # noqa: PLC0415 - the help needs none of it

    with convert_errors():
        try:
            report = rematch_state(state, folder)
        except StateError as error:
            click.echo(f"failed: {error}", err=True)
            sys.exit(INCOMPLETE)
    if layout == "json":
        click.echo(msgspec.json.format(msgspec.json.encode(report), indent=2))
    else:
        for line in _list_lines(report):
            click.echo(visible(line))
    for gap in report.not_assessed:
        click.echo(f"not assessed: {count_noun(gap.packages, 'package')}: {visible(gap.reason)}", err=True)
    levels = [Severity.parse(entry.level) for image in report.images for entry in image.new if not entry.is_suppressed]
    if fail_on is not None and any(level >= fail_on for level in levels):
        sys.exit(_GATE_FAILED)
    sys.exit(INCOMPLETE if any(gap.is_incomplete for gap in report.not_assessed) else 0)


def _list_lines(report: RematchReport) -> Iterator[str]:
    """Yield the text for people."""
    counts = [
        sum(len(image.new) for image in report.images),
        sum(len(image.changed) for image in report.images),
        sum(len(image.resolved) for image in report.images),
    ]
    for image in report.images:
        more = f" and {len(image.names) - _MOST_NAMES} more" if len(image.names) > _MOST_NAMES else ""
        yield f"{', '.join(image.names[:_MOST_NAMES]) or image.digest}{more}"
        for entry in image.new:
            yield f"  new       {_describe(entry)}"
        for change in image.changed:
            yield f"  changed   {_describe(change.after)}; before: {_describe_state(change.before)}"
        for entry in image.resolved:
            yield f"  resolved  {_describe(entry)}"
    yield (
        f"{len(report.images):,} of {report.image_count:,} images changed: {counts[0]:,} new, {counts[1]:,} changed, "
        f"{counts[2]:,} resolved; {count_noun(report.matched, 'package')} matched"
    )


def _describe(entry: StoredVulnerability) -> str:
    return f"{entry.id}  {entry.purl}  {_describe_state(entry)}"


def _describe_state(entry: StoredVulnerability) -> str:
    parts = (
        entry.level,
        f"fixed in {entry.fixed_version}" if entry.fixed_version else "no fix",
        f"exploited since {entry.known_exploited}" if entry.known_exploited else "",
        "suppressed" if entry.is_suppressed else "",
    )
    return ", ".join(filter(None, parts))
