"""What `--dry-run` of a scan or a watch prints: the roles that it needs, and what lacks. Asks the cluster; lists no object."""

from __future__ import annotations

from typing import Final

import click

from kubekeep.cli.request_options import reached
from kubekeep.usecases.request import ScanRequest

_LACKS: Final = 3


def told(request: ScanRequest, *, watching: bool = False) -> int:
    """Print what `request` needs to be allowed, and say what is missing; gives the exit code."""
    import yaml  # noqa: PLC0415 - only who asks pays for it

    from kubekeep.usecases.permissions import preflight, roles  # noqa: PLC0415

    if request.input.cluster is None:
        raise click.UsageError("--dry-run is for a cluster: name no path")
    try:
        found = reached(lambda: preflight(request, watching=watching))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(yaml.safe_dump_all(roles(found.permissions), sort_keys=False), nl=False)
    for permission in found.missing:
        click.echo(f"not allowed: {permission}", err=True)
    for gap in found.unknown:
        click.echo(f"not known: {gap.permission}: {gap.text}", err=True)
    if found.missing or found.unknown:
        return _LACKS
    click.echo(f"all {len(found.permissions)} permissions are granted", err=True)
    return 0
