"""Output of `--dry-run` for a scan or a watch: required roles and missing permissions. Lists no objects."""

from __future__ import annotations

import click

from kubekeep.cli.console.standard_output import INCOMPLETE
from kubekeep.cli.options.request import convert_cluster_errors
from kubekeep.usecases.request import ScanRequest


def print_permissions(request: ScanRequest, *, watching: bool = False) -> int:
    """Print the permissions that `request` requires and the missing ones; return the exit code."""
    import yaml  # noqa: PLC0415 - loaded only for a dry run

    from kubekeep.usecases.permissions import create_roles, preflight  # noqa: PLC0415

    if request.input.cluster is None:
        raise click.UsageError("--dry-run requires a live cluster and cannot be combined with a path")
    try:
        preflight_result = convert_cluster_errors(lambda: preflight(request, watching=watching))
    except ValueError as error:
        raise click.UsageError(str(error)) from error
    click.echo(yaml.safe_dump_all(create_roles(preflight_result.permissions), sort_keys=False), nl=False)
    for permission in preflight_result.missing:
        click.echo(f"missing permission: {permission}", err=True)
    for gap in preflight_result.unknown:
        click.echo(f"unknown permission: {gap.permission}: {gap.text}", err=True)
    if preflight_result.missing or preflight_result.unknown:
        return INCOMPLETE
    click.echo(f"all {len(preflight_result.permissions)} permissions are granted", err=True)
    return 0
