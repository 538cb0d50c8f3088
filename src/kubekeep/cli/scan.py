"""`kubekeep scan`: assess manifests or a cluster, write reports, and exit by the gates. Parses only."""

from __future__ import annotations

import functools
from typing import Any

import click

from kubekeep.cli import reported_scan
from kubekeep.cli.console import arguments
from kubekeep.cli.console.configured import ConfiguredCommand
from kubekeep.cli.console.option_group import Command, create_option
from kubekeep.cli.options.cluster import dry_run_option
from kubekeep.cli.options.image import WorkloadImageOptions, image_options
from kubekeep.cli.options.request import request_options
from kubekeep.cli.options.signature_scan import signature_scan_options
from kubekeep.cli.options.submit import SubmissionSettings, submit_options
from kubekeep.cli.options.vulnerability import no_vulnerabilities_option, vulnerability_options
from kubekeep.cli.presentation import Presentation, presentation_options
from kubekeep.usecases.package_request import PackageRequest
from kubekeep.usecases.package_scan import add_packages
from kubekeep.usecases.request import ScanRequest


def images_options(function: Command) -> Command:
    """Add the options for images; they are applied to the argument `request`."""

    @functools.wraps(function)
    def wrapper(request: ScanRequest, packages: PackageRequest, *, images: bool, **others: Any) -> None:
        function(request=add_packages(request, packages, workloads=images), **others)

    add_images = create_option(WorkloadImageOptions, "images")
    return add_images(image_options(vulnerability_options(no_vulnerabilities_option(wrapper))))


@click.command(short_help="Scan manifests or a cluster.", cls=ConfiguredCommand, target=arguments.find_first_path)
@request_options("scan")
@presentation_options
@submit_options
@images_options
@signature_scan_options
@dry_run_option
def command(
    request: ScanRequest,
    presentation: Presentation,
    submission: SubmissionSettings,
    *,
    dry_run: bool,
) -> None:
    """Scan each PATH, or standard input for -. Without a PATH, scan the cluster of the kubeconfig.

    A PATH is a file or folder of manifests, charts, kustomizations, Terraform modules or Dockerfiles, an archive, a
    quoted pattern, or the URL of a repository, a manifest or a chart.

    \b
    kubekeep scan
    kubekeep scan deploy/
    kubekeep scan framework nsa,pss-restricted deploy/
    kubekeep scan control C-0057 pod.yaml
    kubekeep scan chart/ --values production.yaml
    kubekeep scan workload shop/deployment/web deploy/
    kubectl get deployment -o yaml | kubekeep scan -
    """  # noqa: D301 - click takes the character itself
    reported_scan.run(request, presentation, submission, dry_run=dry_run)
